// The report of a search for the file, as the server writes it: PDF, XLSX or CSV, downloaded.

import { byHandle, report } from './api.js'
import { byId, h } from './dom.js'
import { language } from './texts.js'

/** Make the choice of formats; `asked(isKept)` gives the fields of the search. */
export function startReport(asked, onproblem) {
  const choice = byId('report')
  choice.addEventListener('change', async () => {
    const format = choice.value
    choice.value = ''
    choice.disabled = true
    try {
      await downloadReport(asked, format)
    } catch (error) {
      onproblem(error)
    } finally {
      choice.disabled = false
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
