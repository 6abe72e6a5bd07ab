// Chips of Vienna codes, each with three buttons: any, must, not. Codes that an office assigned are
// solid, those that the network sees outlined.

import { bar, h } from './dom.js'
import { STATES } from './state.js'
import { percent, t } from './texts.js'
import { covers, upTo } from './vienna.js'

/** One chip: `seen` is {code, title, probability?, isAssigned?}; `onchoose(code, state)` is called with
 *  'any', 'all', 'none', or 'off' where the button pressed is pressed again; `depth` codes above it
 *  are shown, too; `onpoint(code or null)` is called when it is pointed at, or has the focus. */
function chip(seen, state, onchoose, depth, onpoint) {
  const { code, title, probability, isAssigned } = seen
  const measured = probability !== undefined
  const kind = isAssigned ? 'is-assigned' : measured ? 'is-predicted' : ''
  return h(
    'li',
    {
      class: `chip ${kind} ${['', 'is-below', 'is-below is-deep'][depth]}`,
      'data-code': code, 'data-state': state,
      ...(onpoint && {
        onpointerenter: () => onpoint(code), onpointerleave: () => onpoint(null),
        onfocusin: () => onpoint(code), onfocusout: () => onpoint(null),
      }),
    },
    h('span', { class: 'chip-name', title: [SOURCES[kind], title].filter(Boolean).join(' ') },
      h('span', { class: 'code' }, code),
      h('span', { class: 'chip-title', lang: 'en' }, title),
      measured && h('span', { class: 'chip-measure' }, percent(probability))),
    choice(code, title, state, onchoose),
    measured && bar(probability),
  )
}

/** The three buttons of a code: any, must, not. */
export const choice = (code, title, state, onchoose) =>
  h('span', { class: 'chip-choice', role: 'group', 'aria-label': t('Filter by %(code)s %(title)s', { code, title }) },
    STATES.map(({ value, label, hint }) => h('button', {
      type: 'button',
      class: `chip-button is-${value}`,
      'data-choice': value,
      'aria-pressed': String(value === state),
      title: hint,
      onclick: ({ currentTarget }) => onchoose(code, currentTarget.getAttribute('aria-pressed') === 'true' ? 'off' : value),
    }, label)))

/** Press the buttons of a code as its state is now. */
export function press(buttons, state) {
  for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.choice === state))
}

/** A code's title, and the everyday word by which it was found. */
export const titleWith = (title, by) =>
  h('span', {}, h('span', { lang: 'en' }, title), by && h('span', { class: 'hint' }, ` ${by}`))

const SOURCES = { 'is-assigned': t('Assigned by the office:'), 'is-predicted': t('Seen by the network:') }

/** Codes below those that cover them; on each level in the order of their likeliest code. */
export function inTreeOrder(seen) {
  const firstBelow = (code) => seen.findIndex((one) => covers(code, one.code))
  const paths = new Map(seen.map((one) => [one, upTo(one.code).map(firstBelow)]))
  const order = (mine, theirs) => mine.map((at, level) => at - (theirs[level] ?? -1)).find(Boolean) ?? -1
  return [...seen].sort((a, b) => order(paths.get(a), paths.get(b)))
}

/** Fill a list with chips, keeping the keyboard's place in it. */
export function showChips(list, seen, stateOf, onchoose, onpoint = null) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null
  const code = focused?.closest('.chip')?.dataset.code
  const choice = focused?.dataset.choice
  const codes = new Set(seen.map((one) => one.code))
  const depth = (one) => upTo(one.code).filter((code) => codes.has(code)).length - 1
  list.replaceChildren(...seen.map((one) => chip(one, stateOf(one.code), onchoose, depth(one), onpoint)))
  if (code) list.querySelector(`[data-code="${code}"] [data-choice="${choice}"]`)?.focus()
}
