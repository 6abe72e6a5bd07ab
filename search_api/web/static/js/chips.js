// Chips of Vienna codes. A click goes any → must → not → off; the arrow opens the four as a menu.

import { bar, byId, h, icon, percent } from './dom.js'
import { STATES } from './state.js'
import { covers, upTo } from './vienna.js'

const ORDER = ['off', ...STATES.map(({ value }) => value)]
const LABELS = Object.fromEntries(STATES.map(({ value, label }) => [value, label]))

export const nextState = (state) => ORDER[(ORDER.indexOf(state) + 1) % ORDER.length]
export const labelOf = (state) => LABELS[state] ?? 'off'

/** One chip: `seen` is {code, title, probability?}, `onchoose(code, state)` is called with changes;
 *  `depth` codes above it are shown, too. What can be read on it is its name for a screen reader. */
export function chip(seen, state, onchoose, depth = 0) {
  const { code, title, probability } = seen
  const measured = probability !== undefined
  return h(
    'li',
    { class: ['chip', 'chip is-below', 'chip is-below is-deep'][depth], 'data-code': code, 'data-state': state },
    h(
      'button',
      {
        type: 'button',
        class: 'chip-main',
        title,
        onclick: () => onchoose(code, nextState(state)),
      },
      h('span', { class: 'chip-state' }, labelOf(state)),
      h('span', { class: 'code' }, code),
      h('span', { class: 'chip-title' }, title),
      measured && h('span', { class: 'chip-measure' }, percent(probability)),
    ),
    h(
      'button',
      {
        type: 'button',
        class: 'chip-menu',
        'aria-haspopup': 'menu',
        'aria-label': `Filter by ${code}`,
        onclick: (event) => openMenu(event.currentTarget, state, (chosen) => onchoose(code, chosen)),
      },
      icon('down'),
    ),
    measured && bar(probability),
  )
}

/** Codes below those that cover them; on each level in the order of their likeliest code. */
export function inTreeOrder(seen) {
  const firstBelow = (code) => seen.findIndex((one) => covers(code, one.code))
  const paths = new Map(seen.map((one) => [one, upTo(one.code).map(firstBelow)]))
  const order = (mine, theirs) => mine.map((at, level) => at - (theirs[level] ?? -1)).find(Boolean) ?? -1
  return [...seen].sort((a, b) => order(paths.get(a), paths.get(b)))
}

/** Fill a list with chips, keeping the keyboard's place in it. */
export function showChips(list, seen, stateOf, onchoose) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null
  const code = focused?.closest('.chip')?.dataset.code
  const part = focused?.classList[0]
  const codes = new Set(seen.map((one) => one.code))
  const depth = (one) => upTo(one.code).filter((code) => codes.has(code)).length - 1
  list.replaceChildren(...seen.map((one) => chip(one, stateOf(one.code), onchoose, depth(one))))
  if (code) list.querySelector(`[data-code="${code}"] .${part}`)?.focus()
}

function openMenu(anchor, state, onchoose) {
  const menu = byId('code-menu')
  const options = [...STATES, { value: 'off', name: 'Off', hint: 'no filter' }]
  const items = options.map(({ value, name, hint }) =>
    h(
      'button',
      {
        type: 'button',
        role: 'menuitemradio',
        'aria-checked': String(value === state),
        tabindex: '-1',
        onclick: () => {
          menu.hidePopover()
          anchor.focus()
          onchoose(value)
        },
      },
      icon('check'),
      h('span', {}, name),
      h('span', { class: 'hint' }, hint),
    ),
  )
  menu.replaceChildren(...items)
  menu.onkeydown = (event) => moveInMenu(event, items, () => anchor.focus())
  menu.showPopover()
  const at = anchor.getBoundingClientRect()
  const below = at.bottom + menu.offsetHeight + 8 < innerHeight
  menu.style.top = `${below ? at.bottom + 4 : at.top - menu.offsetHeight - 4}px`
  menu.style.left = `${Math.max(8, at.right - menu.offsetWidth)}px`
  items[Math.max(0, options.findIndex(({ value }) => value === state))].focus()
}

function moveInMenu(event, items, leave) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
  if (step) {
    event.preventDefault()
    const at = items.indexOf(document.activeElement)
    items[(at + step + items.length) % items.length].focus()
  } else if (event.key === 'Escape' || event.key === 'Tab') {
    event.preventDefault()
    byId('code-menu').hidePopover()
    leave()
  }
}
