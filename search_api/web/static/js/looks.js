// How hits are shown: as cards, thumbnails or a list, those of one sign as one or not. Kept in this browser.

import { byId } from './dom.js'
import { keep, kept } from './storage.js'

const DENSITY = 'marklens-density'
const GROUPED = 'marklens-grouped'

/** Make the controls of a list of hits, and show them as was chosen before; `onchange()` is told of a choice.
 *  Returns {now(), put(looks)}. */
export function startLooks(hits, onchange) {
  const grouped = byId('grouped')
  const densities = [...document.getElementsByName('density')]
  const chosen = () => densities.find((radio) => radio.checked)
  const show = () => {
    hits.setGrouped(grouped.checked)
    hits.setDensity(chosen().value)
  }
  const change = () => {
    keep(GROUPED, grouped.checked ? 'yes' : 'no')
    keep(DENSITY, chosen().value)
    show()
    onchange()
  }
  const put = (looks) => {
    grouped.checked = looks.isGrouped
    const radio = densities.find(({ value }) => value === looks.density) ?? densities[0]
    radio.checked = true
    show()
  }

  put({ isGrouped: kept(GROUPED) !== 'no', density: kept(DENSITY) })
  for (const control of [grouped, ...densities]) control.addEventListener('change', change)
  return { now: () => ({ isGrouped: grouped.checked, density: chosen().value }), put }
}
