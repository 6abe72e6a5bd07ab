// Steps of the back button: each keeps the address, the key of the query picture, and where the
// page was scrolled to, so that going back leads to where one was.

import { addStep, changeStep } from './dialogs.js'
import { byId, debounced } from './dom.js'
import { focusCard } from './hits.js'

const SCROLLED_MS = 120

/** `onarrive(picture)` is called after back and forward with the key of the step's picture; `hits` are
 *  the list of the page. */
export function startHistory(onarrive, hits) {
  const panel = document.querySelector('.panel-scroll')
  let arriving = null // the step whose place on the page is still to be found

  const remember = () => {
    if (arriving) return
    const hit = document.activeElement.closest('.hit')?.dataset.id ?? null
    const place = { top: scrollY, panel: panel.scrollTop, hit, drawn: hits.drawn() }
    changeStep({ place })
  }
  const soon = debounced(remember, SCROLLED_MS)

  history.scrollRestoration = 'manual'
  // What is kept of hidden marks counts: another tab may have hidden some since this page was left.
  changeStep({ hidden: null })
  arriving = history.state
  addEventListener('scroll', soon)
  panel.addEventListener('scroll', soon)
  addEventListener('pagehide', remember)
  addEventListener('popstate', () => {
    arriving = history.state
    onarrive(arriving?.picture ?? null)
  })

  return {
    picture: () => history.state?.picture ?? null,

    /** Ids of the marks that are hidden at this step: `known` where it does not say. */
    hidden(known) {
      if (!history.state?.hidden) changeStep({ hidden: known })
      return history.state.hidden
    },

    /** Write another address of the present step, which asks for the same. */
    rename(address) {
      changeStep({}, address)
    },

    /** How many hits were drawn when the step that is returned to was left. */
    drawn: () => arriving?.place?.drawn ?? 0,

    /** Add a step, or change the present one where it only goes on with an edit of `control`. */
    add(address, picture, control, hidden) {
      soon.flush()
      arriving = null
      const before = history.state ?? {}
      const isSame = address === location.pathname + location.search && picture === (before.picture ?? null)
        && String(hidden) === String(before.hidden ?? [])
      const goesOn = control !== null && control === before.control
      const step = { picture, control, hidden }
      if (isSame) return
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
