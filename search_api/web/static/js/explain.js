// Where in the query the network saw each code: the picture once a code, in a dialog.

import { Problem } from './api.js'
import { openDialog } from './dialogs.js'
import { byId, h } from './dom.js'
import { percent, t } from './texts.js'
import { titleOf } from './vienna.js'

/** Make the button and the dialog; `seen()` gives the codes seen, `drawn(code)` a promise of the picture with a
 *  code's place, or of null; a Problem is told in its place. */
export function startExplain(seen, drawn) {
  const dialog = byId('explain-dialog')

  byId('explain').addEventListener('click', async () => {
    const codes = seen().map(({ code, probability }) => ({ code, probability, frame: h('div', { class: 'explained-picture' }) }))
    const captions = codes.map(({ code, probability, frame }) =>
      h('li', {}, frame, h('p', {}, h('code', {}, code), ` ${titleOf(code)} `, h('span', { class: 'hint' }, percent(probability)))))
    byId('explained').replaceChildren(...captions)
    openDialog(dialog)
    for (const { code, frame } of codes) { // one after the other: the server draws one at a time
      if (!dialog.open || !frame.isConnected) return
      frame.replaceChildren(await drawn(code).then(
        (picture) => picture ?? hint(t('No preview of this picture.')),
        (problem) => {
          if (problem instanceof Problem) return hint(problem.title)
          throw problem
        },
      ))
    }
  })
}

const hint = (text) => h('p', { class: 'hint' }, text)
