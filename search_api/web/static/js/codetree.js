// The Vienna Classification to leaf through: categories, divisions, sections, with counts.

import { choice, press, titleWith } from './chips.js'
import { openDialog } from './dialogs.js'
import { byId, debounced, h, icon } from './dom.js'
import { number, t } from './texts.js'
import { find, marksOf, topLevel } from './vienna.js'

/** Make the dialog. */
export function startCodeTree(stateOf, onchoose, onerror) {
  const dialog = byId('tree-dialog')
  const body = byId('tree-body')
  const filter = byId('tree-filter')

  /** Choose, which may take a code above or below out of the filter. */
  const choose = (code, chosen) => {
    onchoose(code, chosen)
    for (const row of body.querySelectorAll('.node')) press(row.querySelectorAll('.chip-button'), stateOf(row.dataset.code))
  }
  const node = (entry, by = null) => {
    const branch = h('ul', { class: 'branch', hidden: true })
    const toggle = entry.children.length > 0 && h(
      'button',
      {
        type: 'button',
        class: 'node-toggle',
        'aria-expanded': 'false',
        'aria-label': t('What is below %(code)s %(title)s', { code: entry.code, title: entry.title }),
        onclick: () => {
          if (!branch.children.length) branch.append(...entry.children.map((child) => node(child)))
          branch.hidden = !branch.hidden
          toggle.setAttribute('aria-expanded', String(!branch.hidden))
        },
      },
      icon('right'),
    )
    return h('li', {}, row(entry, by, toggle || h('span'), choice(entry.code, entry.title, stateOf(entry.code), choose)), branch)
  }

  const show = async () => {
    const text = filter.value.trim()
    const found = text ? await find(text, 60).catch(onerror) : topLevel().map((one) => ({ node: one }))
    if (text !== filter.value.trim() || !found) return
    const list = h('ul', {}, found.map((one) => node(one.node, one.by)))
    body.replaceChildren(found.length ? list : h('p', { class: 'hint' }, t('Nothing is called “%(text)s”.', { text })))
  }
  filter.addEventListener('input', debounced(show, 120))

  return {
    open() {
      filter.value = ''
      show()
      openDialog(dialog)
      filter.focus()
    },
    /** Show titles that came while the dialog was open. */
    refresh() {
      if (dialog.open) show()
    },
    /** Show new counts. */
    count() {
      for (const count of body.querySelectorAll('[data-marks-of]')) {
        const found = marksOf(count.dataset.marksOf)
        count.textContent = number(found)
        count.parentElement.classList.toggle('is-unused', !found)
      }
    },
  }
}

/** A code's row; `by` is the everyday word by which it was found. */
function row({ code, title }, by, toggle, buttons) {
  return h(
    'div',
    { class: marksOf(code) ? 'node' : 'node is-unused', 'data-code': code },
    toggle,
    h('span', { class: 'node-name' }, h('span', { class: 'code' }, code), titleWith(title, by)),
    buttons,
    h('span', { class: 'count number', 'data-marks-of': code }, number(marksOf(code))),
  )
}
