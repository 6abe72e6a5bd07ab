// Making a watch of the present search.

import { addWatch, byHandle } from './api.js'
import { openDialog } from './dialogs.js'
import { byId } from './dom.js'
import { t } from './texts.js'

/** Make the dialog; `asked(isKept)` gives the fields of a watch of the present search, but those of its form. */
export function startWatch(asked) {
  const dialog = byId('watch-dialog')
  const form = byId('watch-form')
  const error = byId('watch-error')
  byId('watch').addEventListener('click', () => {
    error.hidden = true
    openDialog(dialog)
    form.elements.name.focus()
  })
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    try {
      await byHandle((isKept) => {
        const fields = asked(isKept)
        for (const name of ['name', 'threshold', 'webhook']) fields.append(name, form.elements[name].value.trim())
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
