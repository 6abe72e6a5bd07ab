// Dialogs. Each has a step of its own in the history, so that Back closes it and undoes nothing; what is done
// in it becomes a step below that one. So all steps are written here.

const shown = [] // dialogs, the topmost last
const waiting = [] // what is to be written when the step of a closed dialog is left
let isLeaving = false // such a step
let present = { state: history.state, address: location.href } // the step that is on show

const placeOf = (state) => state?.at ?? 0 // among the steps of the page
const hasDialog = (state) => Boolean(state?.dialog)

/** Change something of the present step. */
export const changeStep = (change, address) => whenLeft(() => put('replaceState', { ...history.state, ...change }, address))

/** Add a step; below that of a dialog on show. */
export const addStep = (state, address) => whenLeft(() => {
  if (!shown.length) return put('pushState', state, address)
  put('replaceState', state, address, { dialog: false })
  put('pushState', state, address, { dialog: true })
})

const whenLeft = (write) => (isLeaving ? waiting.push(write) : write())

function put(how, state, address, { dialog = how === 'replaceState' && hasDialog(history.state) } = {}) {
  const at = placeOf(history.state) + (how === 'pushState' ? 1 : 0)
  history[how]({ ...state, at, dialog }, '', address)
  present = { state: history.state, address: location.href }
}

/** Show a dialog over the page. */
export function openDialog(dialog) {
  dialog.showModal()
  shown.push(dialog)
  whenLeft(() => put('pushState', history.state, undefined, { dialog: true }))
}

/** Make the dialogs of a page close by their buttons, by a click beside them, and by Back. */
export function startDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.querySelector('[data-action="close-dialog"]').addEventListener('click', () => dialog.close())
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close()
    })
    dialog.addEventListener('close', () => {
      if (!shown.includes(dialog)) return // closed by Back
      shown.splice(shown.indexOf(dialog), 1)
      isLeaving = true
      history.back()
    })
  }
}

addEventListener('popstate', (event) => {
  const left = present
  present = { state: history.state, address: location.href }
  const isBack = placeOf(history.state) === placeOf(left.state) - 1
  if (isLeaving || (shown.length && isBack)) {
    event.stopImmediatePropagation() // what the page shows stays
    if (!isLeaving) shown.pop().close()
    isLeaving = false
    put('replaceState', left.state, left.address, { dialog: shown.length > 0 })
    for (const write of waiting.splice(0)) write()
  } else if (isBack && hasDialog(left.state)) {
    event.stopImmediatePropagation()
    history.back() // its dialog was closed already, by loading the page again
  } else for (const dialog of shown.splice(0)) dialog.close()
})
