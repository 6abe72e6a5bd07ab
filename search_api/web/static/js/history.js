// Steps of the back button: each keeps the address, what is not in it, what was done with marks, and where
// the page was scrolled to, so that going back leads to where one was.

import { addStep, changeStep } from './dialogs.js'
import { byId, debounced } from './dom.js'
import { focusCard } from './hits.js'

const SCROLLED_MS = 120

/** `onarrive(changes)` is called after back and forward with what is to be done with marks, which reverses what
 *  was done in the steps that are left, and only that; `hits` are the list of the page. */
export function startHistory(onarrive, hits) {
  const panel = document.querySelector('.panel-scroll')
  let arriving = null // the step whose place on the page is still to be found
  let done = history.state?.done ?? [] // with marks, in the steps up to this one

  const remember = () => {
    if (arriving) return
    const hit = document.activeElement.closest('.hit')?.dataset.id ?? null
    const place = { top: scrollY, panel: panel.scrollTop, hit, drawn: hits.drawn() }
    changeStep({ place })
  }
  const soon = debounced(remember, SCROLLED_MS)

  history.scrollRestoration = 'manual'
  arriving = history.state
  addEventListener('scroll', soon)
  panel.addEventListener('scroll', soon)
  addEventListener('pagehide', remember)
  addEventListener('popstate', () => {
    arriving = history.state
    const left = done
    done = arriving?.done ?? []
    onarrive(between(left, done))
  })

  return {
    /** What this step keeps beside its address: `known` of what it does not say. */
    held(known) {
      changeStep({ ...known, ...history.state })
      return history.state
    },

    /** Write another address of the present step, which asks for the same. */
    rename(address) {
      changeStep({}, address)
    },

    /** How many hits were drawn when the step that is returned to was left. */
    drawn: () => arriving?.place?.drawn ?? 0,

    /** Add a step that keeps `held` beside its address, or change the present one where it only goes on with an
     *  edit of `control`; `changes` are what was done with marks: [search, list, id, whether it was put there]. */
    add(address, held, control = null, changes = []) {
      soon.flush()
      arriving = null
      const before = history.state ?? {}
      const isSame = address === location.pathname + location.search && !changes.length
        && Object.entries(held).every(([name, value]) => JSON.stringify(value) === JSON.stringify(before[name]))
      const goesOn = control !== null && control === before.control
      if (isSame) return
      done = [...done, ...changes]
      const step = { ...held, control, done }
      if (goesOn) changeStep(step, address)
      else {
        remember()
        addStep(step, address)
      }
    },

    /** Scroll and focus as the step was left, once its results are shown. */
    place() {
      if (!arriving) return
      const place = arriving.place ?? { top: 0, panel: 0, hit: null }
      arriving = null
      const card = place.hit && byId('hits').querySelector(`[data-id="${CSS.escape(place.hit)}"]`)
      if (card) focusCard(card)
      panel.scrollTop = place.panel
      scrollTo({ top: place.top, behavior: 'instant' })
    },
  }
}

/** What leads from what was done in some steps to what was done in others. */
function between(left, arrived) {
  const differs = (change, at) => String(change) !== String(arrived[at])
  const common = left.findIndex(differs) < 0 ? left.length : left.findIndex(differs)
  const undone = left.slice(common).reverse().map(([search, list, id, isOn]) => [search, list, id, !isOn])
  return [...undone, ...arrived.slice(common)]
}
