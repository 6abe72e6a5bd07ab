// Ways a picture comes in: chosen, dropped anywhere, pasted anywhere.

import { byId } from './dom.js'
import { t } from './texts.js'

/** Listen; `onpicture(file, count)` is called with one of the `count` files that came at once,
 *  `onadded(file)` with another picture of the same sign, `onmissing(text)` where there was none. */
export function startIntake(onpicture, onadded, onmissing) {
  const input = byId('file')
  let taken = onpicture
  for (const [action, take] of [['choose', onpicture], ['add-view', onadded]]) {
    for (const button of document.querySelectorAll(`[data-action="${action}"]`)) {
      button.addEventListener('click', () => {
        taken = take
        input.click()
      })
    }
  }
  input.addEventListener('change', () => {
    if (input.files.length) taken(input.files[0])
    taken = onpicture
    input.value = ''
  })
  document.addEventListener('paste', (event) => {
    const { files } = event.clipboardData
    if (files.length) {
      event.preventDefault()
      onpicture(likeliest(files), files.length)
    } else if (!event.target.closest('input, textarea')) {
      onmissing(t('The clipboard holds no picture: copy the picture itself, not its address.'))
    }
  })
  startDrop(onpicture, onmissing)
}

/** The first file that says it is a picture, else the first. */
const likeliest = (files) => [...files].find(({ type }) => type.startsWith('image/')) ?? files[0]

function startDrop(onpicture, onmissing) {
  const veil = byId('drop-veil')
  let depth = 0
  const holdsFile = (event) => event.dataTransfer?.types.includes('Files')
  addEventListener('dragenter', (event) => {
    if (!holdsFile(event)) return
    depth += 1
    veil.hidden = false
  })
  addEventListener('dragleave', (event) => {
    if (!holdsFile(event)) return
    depth = Math.max(0, depth - 1)
    veil.hidden = depth === 0
  })
  addEventListener('dragover', (event) => {
    if (holdsFile(event)) event.preventDefault()
  })
  addEventListener('drop', (event) => {
    depth = 0
    veil.hidden = true
    if (!event.dataTransfer) return
    event.preventDefault()
    const { files } = event.dataTransfer
    if (files.length) onpicture(likeliest(files), files.length)
    else onmissing(t('What was dropped is no file: save the picture first, then drop the file.'))
  })
}
