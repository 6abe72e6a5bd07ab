// While the server indexes, the masthead says how far it is; the start page is loaded again where
// there is more to show on it.

import { byId } from './dom.js'
import { number, percent, t } from './texts.js'

const EVERY_MS = 2000

/** Follow the indexing that the page was loaded during; `isIdle` says whether it may be reloaded. */
export async function followIndexing(isIdle) {
  const note = byId('indexing')
  if (!note) return
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    const answer = await fetch('/readyz').catch(() => null)
    if (!answer?.ok) continue
    const { marks, indexing } = await answer.json()
    byId('marks').textContent = number(marks)
    const lacksSamples = marks > 0 && !document.querySelector('.sample')
    if ((!indexing || lacksSamples) && isIdle()) return location.reload()
    if (!indexing) return note.replaceChildren(t('all are indexed'))
    const share = Math.floor((100 * indexing.done) / Math.max(1, indexing.total)) / 100
    note.textContent = t('more are being indexed: %(share)s', { share: percent(share) })
  }
}
