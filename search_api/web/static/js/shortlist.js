// The shortlist of a search: its marks with notes, and their report.

import { findMarks, imagePath } from './api.js'
import { openDialog } from './dialogs.js'
import { byId, h, icon } from './dom.js'
import { downloadReport } from './report.js'
import { pageOf, titleOfMark } from './results.js'
import { plural, t } from './texts.js'

const LONGEST_NOTE = 2000

/** Make the dialog; `asked(isKept)` gives the fields of the search, `ontake(mark)` takes one off. */
export function startShortlist(desk, asked, ontake, onproblem) {
  const dialog = byId('shortlist-dialog')
  const body = byId('shortlist-body')

  /** What is shown of a mark, and the note on it. */
  const shown = (mark, note, title) => [
    h('img', { src: imagePath(mark.id, { size: 160, digest: mark.image_digest }), alt: '', width: 96, height: 72 }),
    h('div', {},
      h('a', { class: 'hit-title', href: pageOf(mark.id) }, title),
      h('p', { class: 'hit-meta' }, [mark.text && mark.id, mark.owner, mark.office].filter(Boolean).join(' · ')),
      h('textarea', {
        rows: 2, maxlength: LONGEST_NOTE, placeholder: t('Note for the report'),
        'aria-label': t('Note on %(mark)s', { mark: title }),
        oninput: ({ target }) => desk.note(mark.id, target.value),
      }, note)),
  ]

  const item = (id, mark, note) => {
    const title = mark ? titleOfMark(mark) : id
    return h('li', { class: 'shortlisted', 'data-id': id },
      mark ? shown(mark, note, title) : h('p', {}, title, ' ', h('span', { class: 'hit-meta' }, t('Withdrawn since.'))),
      h('button', {
        type: 'button', class: 'button is-quiet is-icon', 'aria-label': t('Take %(mark)s off the shortlist', { mark: title }),
        onclick: () => {
          ontake({ id })
          show().catch(onproblem)
        },
      }, icon('close')))
  }

  /** The fields of a search with the shortlist and its notes. */
  const listed = (fields) => {
    for (const [id] of desk.listed()) fields.append('shortlist', id)
    fields.append('notes', JSON.stringify(Object.fromEntries(desk.listed().filter(([, note]) => note))))
    return fields
  }

  const show = async () => {
    const marks = desk.listed()
    byId('shortlist-title').textContent = plural(marks.length, 'Shortlist: %(n)s mark', 'Shortlist: %(n)s marks')
    byId('shortlist-foot').hidden = !marks.length
    const found = await findMarks(marks.map(([id]) => id))
    body.replaceChildren(marks.length
      ? h('ul', { class: 'shortlist' }, marks.map(([id, note]) => item(id, found.get(id), note)))
      : h('p', { class: 'hint' }, t('Put marks on it with their star, or with the key s.')))
  }

  for (const button of dialog.querySelectorAll('[data-format]')) {
    button.addEventListener('click', async () => {
      button.disabled = true
      try {
        await downloadReport((isKept) => listed(asked(isKept)), button.dataset.format)
      } catch (error) {
        dialog.close()
        onproblem(error)
      } finally {
        button.disabled = false
      }
    })
  }
  byId('shortlist').addEventListener('click', async () => {
    try {
      await show()
      openDialog(dialog)
    } catch (error) {
      onproblem(error)
    }
  })
}
