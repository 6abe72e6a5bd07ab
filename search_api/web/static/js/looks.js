// How hits are shown: as cards, thumbnails or a list, those of one sign as one or not. Kept in this browser.

import { byId } from './dom.js'
import { keep, kept } from './storage.js'

const DENSITY = 'marklens-density'
const GROUPED = 'marklens-grouped'

/** Make the controls of a list of hits, and show them as was chosen before. */
export function startLooks(hits) {
  const grouped = byId('grouped')
  grouped.checked = kept(GROUPED) !== 'no'
  hits.setGrouped(grouped.checked)
  grouped.addEventListener('change', () => {
    keep(GROUPED, grouped.checked ? 'yes' : 'no')
    hits.setGrouped(grouped.checked)
  })
  const densities = [...document.getElementsByName('density')]
  const chosen = densities.find(({ value }) => value === kept(DENSITY)) ?? densities[0]
  chosen.checked = true
  hits.setDensity(chosen.value)
  for (const radio of densities) {
    radio.addEventListener('change', () => {
      keep(DENSITY, radio.value)
      hits.setDensity(radio.value)
    })
  }
}
