// How many marks of a search are hidden, and what shows them again.

import { byId, h } from './dom.js'
import { plural, t } from './texts.js'

/** Returns show(); `onunhide(ids)` is told which marks are to be shown again. */
export function startHiddenMarks(desk, onunhide) {
  const button = (text, ids) =>
    h('button', { type: 'button', class: 'link', onclick: () => onunhide(ids) }, text)
  return () => {
    const ids = desk.hidden()
    byId('hidden-marks').replaceChildren(...(ids.length
      ? [
          h('span', {}, plural(ids.length, '%(n)s mark hidden, but not from a report', '%(n)s marks hidden, but not from a report')),
          button(t('Undo'), ids.slice(-1)),
          ids.length > 1 ? button(t('Show all'), ids) : '',
        ]
      : []))
  }
}
