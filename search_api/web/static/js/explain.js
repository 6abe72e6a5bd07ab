// Where in the query the network saw each code: the server's drawing, in a dialog.

import { byHandle, explain } from './api.js'
import { byId } from './dom.js'
import { toPicture } from './state.js'

/** Make the button and the dialog; `asked(isKept)` gives what `toPicture` takes. */
export function startExplain(asked, onproblem) {
  const dialog = byId('explain-dialog')
  const image = byId('explain-image')
  const button = byId('explain')

  const draw = async () => {
    URL.revokeObjectURL(image.src)
    image.src = URL.createObjectURL(await byHandle((isKept) => explain(toPicture(asked(isKept)))))
    dialog.showModal()
  }

  button.addEventListener('click', async () => {
    button.disabled = true
    try {
      await draw()
    } catch (error) {
      onproblem(error)
    } finally {
      button.disabled = false
    }
  })
}
