// The report of a search for the file, as the server writes it: PDF, XLSX or CSV, downloaded.

import { byHandle, report } from './api.js'
import { openDialog } from './dialogs.js'
import { byId, h } from './dom.js'
import { language } from './texts.js'

/** Make the dialog; `asked(isKept, k)` gives the fields of the search and its first `k` marks. */
export function startReport(asked) {
  const dialog = byId('report-dialog')
  const form = byId('report-form')
  const error = byId('report-error')
  const submit = form.querySelector('[type=submit]')
  byId('report').addEventListener('click', () => {
    error.hidden = true
    openDialog(dialog)
    form.elements.format.focus()
  })
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    error.hidden = true
    submit.disabled = true
    const { format, k } = form.elements
    try {
      await downloadReport((isKept) => asked(isKept, k.value), format.value)
      dialog.close()
    } catch (problem) {
      error.textContent = problem.message
      error.hidden = false
    } finally {
      submit.disabled = false
    }
  })
}

/** Save the report of a search, of which `asked(isKept)` gives the fields. */
export async function downloadReport(asked, format) {
  const written = await byHandle((isKept) => {
    const fields = asked(isKept)
    fields.append('format', format)
    fields.append('language', language)
    return report(fields)
  })
  const src = URL.createObjectURL(written)
  h('a', { href: src, download: `marklens-report.${format}` }).click()
  setTimeout(() => URL.revokeObjectURL(src), 60_000)
}
