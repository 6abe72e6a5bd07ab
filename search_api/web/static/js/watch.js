// Watching the picture of the present search, in a watch of its own or in one that there is.

import { addWatch, byHandle, changeWatch, watches } from './api.js'
import { openDialog } from './dialogs.js'
import { byId, h } from './dom.js'
import { t } from './texts.js'

const OF_FORM = ['name', 'threshold', 'webhook']

/** Make the dialog; `asked(isKept, isNew)` gives the fields of a watch of the present search, but those of its
 *  form, or those of its signs alone. */
export function startWatch(asked) {
  const dialog = byId('watch-dialog')
  const form = byId('watch-form')
  const error = byId('watch-error')
  const { into } = form.elements
  byId('watch').addEventListener('click', () => {
    error.hidden = true
    into.value = ''
    showFields()
    openDialog(dialog)
    form.elements.name.focus()
    offerWatches()
  })
  into.addEventListener('change', showFields)
  function showFields() {
    const isNew = !into.value
    for (const name of OF_FORM) form.elements[name].disabled = !isNew // what is hidden is not required
    for (const part of form.querySelectorAll('.is-new')) part.hidden = !isNew
    form.querySelector('.is-added').hidden = isNew
  }
  /** Offer the watches that there are; who may not see them makes a new one. */
  async function offerWatches() {
    const found = await watches().catch(() => ({ watches: [] }))
    const names = found.watches.map(({ name }) => h('option', { value: name }, name))
    const chosen = into.value
    into.replaceChildren(h('option', { value: '' }, t('A new watch')), ...names)
    into.value = chosen
    byId('watch-into').hidden = !names.length
  }
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    try {
      await byHandle((isKept) => {
        const fields = asked(isKept, !into.value)
        if (into.value) return changeWatch(into.value, fields)
        for (const name of OF_FORM) fields.append(name, form.elements[name].value.trim())
        return addWatch(fields)
      })
      location.assign('/watches')
    } catch (problem) {
      error.textContent = problem.isKeyless
        ? t('Open Watches in another tab and enter a key as the password, with any name; then try again.')
        : problem.message
      error.hidden = false
    }
  })
}
