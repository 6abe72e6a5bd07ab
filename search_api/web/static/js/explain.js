// Where in the query the network saw each code: the server's drawing, in a dialog.

import { explain, getImage } from './api.js'
import { byId } from './dom.js'
import { viewFields } from './state.js'

/** Make the button and the dialog; `asked()` gives {picture or markId, crop, page, turn}. */
export function startExplain(asked, onproblem) {
  const dialog = byId('explain-dialog')
  const image = byId('explain-image')
  const button = byId('explain')

  const draw = async () => {
    const { picture, markId, ...view } = asked()
    const fields = new FormData()
    fields.append('image', picture ?? await getImage(markId), 'query')
    for (const [name, value] of viewFields(view)) fields.append(name, value)
    URL.revokeObjectURL(image.src)
    image.src = URL.createObjectURL(await explain(fields))
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
