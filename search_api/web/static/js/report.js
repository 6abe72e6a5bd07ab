// The report of a search for the file, as the server writes it: PDF, XLSX or CSV, downloaded.

import { report } from './api.js'
import { byId, h } from './dom.js'

/** Make the choice of formats; `asked()` resolves to the fields of the search. */
export function startReport(asked, onproblem) {
  const choice = byId('report')
  choice.addEventListener('change', async () => {
    const format = choice.value
    choice.value = ''
    choice.disabled = true
    try {
      await downloadReport(await asked(), format)
    } catch (error) {
      onproblem(error)
    } finally {
      choice.disabled = false
    }
  })
}

export async function downloadReport(fields, format) {
  fields.append('format', format)
  const src = URL.createObjectURL(await report(fields))
  h('a', { href: src, download: `marklens-report.${format}` }).click()
  setTimeout(() => URL.revokeObjectURL(src), 60_000)
}
