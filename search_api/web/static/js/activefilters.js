// The filters in force, each as a chip that takes it away.

import { byId, h, icon } from './dom.js'
import { activeFilters, withoutFilters } from './state.js'
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
  byId('filter-count').textContent = active.length
  byId('filter-count').hidden = active.length === 0
}
