// The filters in force, each as a chip that takes it away.

import { byId, h, icon } from './dom.js'
import { WHOLE, activeFilters, toAddress, withoutFilters } from './state.js'
import { t } from './texts.js'
import { titleOf } from './vienna.js'

/** Show the filters of a state; `go(change)` is called with the change that takes one away, or all. */
export function showActiveFilters(state, go) {
  const active = activeFilters(state, titleOf)
  const chips = active.map(({ label, isNot, without }) =>
    h('li', {}, h('button', {
      type: 'button', class: isNot ? 'filter-chip is-not' : 'filter-chip',
      'aria-label': t('Remove filter: %(filter)s', { filter: label }), onclick: () => go(without),
    }, h('span', {}, label), icon('close'))))
  if (active.length > 1) {
    const clear = { type: 'button', class: 'filter-chip is-clear', onclick: () => go(withoutFilters()) }
    chips.push(h('li', {}, h('button', clear, t('Clear all'))))
  }
  byId('active-filters').replaceChildren(...chips)
  showBesideWords(state, go)
  byId('filter-count').textContent = active.length
  byId('filter-count').hidden = active.length === 0
}

/** Beside a picture only marks that have one are compared: lead to the others with the words asked for. */
function showBesideWords(state, go) {
  const isBeside = Boolean(state.query && state.text)
  const alone = { query: null, ...WHOLE }
  const list = (event) => {
    event.preventDefault()
    go(alone)
  }
  byId('beside-words').replaceChildren(...(isBeside
    ? [h('a', { href: toAddress({ ...state, ...alone }), onclick: list }, t('Marks without a picture, too: list by “%(text)s”', { text: state.text }))]
    : []))
}
