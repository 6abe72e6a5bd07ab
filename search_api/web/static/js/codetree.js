// The Vienna Classification to leaf through: categories, divisions, sections, with counts.

import { openDialog } from './dialogs.js'
import { byId, debounced, h, icon } from './dom.js'
import { labelOf, nextState } from './state.js'
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
    for (const main of body.querySelectorAll('.node-main')) showState(main, stateOf(main.dataset.code))
  }
  const node = (entry) => {
    const branch = h('ul', { class: 'branch', hidden: true })
    const toggle = entry.children.length > 0 && h(
      'button',
      {
        type: 'button',
        class: 'node-toggle',
        'aria-expanded': 'false',
        'aria-label': t('What is below %(code)s %(title)s', { code: entry.code, title: entry.title }),
        onclick: () => {
          if (!branch.children.length) branch.append(...entry.children.map(node))
          branch.hidden = !branch.hidden
          toggle.setAttribute('aria-expanded', String(!branch.hidden))
        },
      },
      icon('right'),
    )
    return h('li', {}, row(entry, toggle || h('span'), stateOf(entry.code), choose), branch)
  }

  const show = async () => {
    const text = filter.value.trim()
    const found = text ? await find(text, 60).then((all) => all.map((one) => one.node)).catch(onerror) : topLevel()
    if (text !== filter.value.trim() || !found) return
    const list = h('ul', {}, found.map(node))
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

function showState(main, state) {
  main.dataset.state = state
  main.querySelector('.chip-state').textContent = labelOf(state)
}

function row(entry, toggle, state, onchoose) {
  const main = h(
    'button',
    {
      type: 'button',
      class: 'node-main',
      'data-code': entry.code,
      onclick: () => onchoose(entry.code, nextState(main.dataset.state)),
    },
    h('span', { class: 'code' }, entry.code),
    h('span', { lang: 'en' }, entry.title),
    h('span', { class: 'chip-state' }),
  )
  showState(main, state)
  return h(
    'div',
    { class: marksOf(entry.code) ? 'node' : 'node is-unused' },
    toggle,
    main,
    h('span', { class: 'count number', 'data-marks-of': entry.code }, number(marksOf(entry.code))),
  )
}
