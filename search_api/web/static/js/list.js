// The hits as a list whose columns can be sorted by.

import { h, icon } from './dom.js'
import { MARK_FIELDS } from './fields.js'
import { deskButtons, groupButton, hitPicture } from './cards.js'
import { bandOf, matchOf, meaningOf, pageOf, titleOfMark, wordsOf } from './results.js'
import { day, language, t } from './texts.js'

const SHOWN = ['id', 'text', 'word', 'day', 'nice'] // kinds of field that have a column
const HIDDEN = ['image_name']

const fields = MARK_FIELDS
  .filter(({ name, kind }) => SHOWN.includes(kind) && !HIDDEN.includes(name))
  .sort((a, b) => (b.name === 'text') - (a.name === 'text'))

/** {field, title}: of a mark; field null sorts as ranked, without one the column is not sorted by. */
export const COLUMNS = [
  { field: null, title: t('Rank') },
  { title: t('Picture') },
  ...fields.map(({ name, title }) => ({ field: name, title })),
  { field: 'score', title: t('Score') },
]

const isDown = (order) => order.startsWith('-')
const fieldOf = (order) => order.replace(/^-/, '')

/** Hits in an order, a field's name with - before it downwards; those that lack it come last either way. */
export function sorted(hits, order) {
  const field = fieldOf(order)
  const keyOf = (hit) => {
    if (field === 'text') return hit.text || hit.words_read
    return Array.isArray(hit[field]) ? hit[field][0] : hit[field]
  }
  const lacks = (key) => key === null || key === undefined || key === ''
  const compare = (a, b) => (typeof a === 'number' ? a - b : String(a).localeCompare(String(b), language, { numeric: true }))
  return [...hits].sort((one, other) => {
    const [a, b] = [keyOf(one), keyOf(other)]
    if (lacks(a) || lacks(b)) return lacks(a) - lacks(b)
    return isDown(order) ? compare(b, a) : compare(a, b)
  })
}

/** The heads of the columns; `onsort(order)` is told what a press asks for: a score first downwards. */
export const headers = (order, onsort) =>
  COLUMNS.map(({ field, title }) => {
    if (field === undefined) return h('span', {}, title)
    const isSorted = fieldOf(order) === (field ?? '')
    const first = field === 'score' ? '-score' : field ?? ''
    const other = field === 'score' ? 'score' : `-${field}`
    return h('button', {
      type: 'button', 'data-field': field ?? '', 'aria-pressed': String(isSorted),
      'aria-label': sortLabel(title.toLowerCase(), isSorted, isDown(order)),
      onclick: () => onsort(field !== null && order === first ? other : first),
    }, title, isSorted && field !== null && icon(isDown(order) ? 'down' : 'up'))
  })

function sortLabel(field, isSorted, isDownwards) {
  if (!isSorted) return t('Sort by %(field)s', { field })
  return isDownwards ? t('Sort by %(field)s, downwards now', { field }) : t('Sort by %(field)s, upwards now', { field })
}

function shownValue(value, kind) {
  if (kind === 'day') return value && day(value)
  if (kind === 'word') return value && t(value)
  return Array.isArray(value) ? value.join(', ') : value
}

/** A hit as a row; takes what `hitCard` takes. */
export function hitRow(hit, place, context, actions) {
  const cell = ({ name, kind }) => {
    const value = shownValue(hit[name], kind)
    return h('span', { class: `cell is-${name}`, title: value || null }, value || '–')
  }
  return h(
    'li',
    { class: `hit hit-row${hit.isMember ? ' is-member' : ''}`, 'data-id': hit.id },
    h('span', { class: 'hit-rank' }, hit.rank, groupButton(hit, actions)),
    hitPicture(hit, place, actions, 160),
    ...fields.map((field) => (field.name === 'text'
      ? h('span', { class: 'cell hit-title', title: wordsOf(hit) }, wordsOf(hit) ?? '–')
      : cell(field))),
    h('span', { class: `cell hit-value is-${hit.band ?? 'unknown'}`, title: meaningOf(hit) },
      bandOf(hit),
      hit.score !== undefined && hit.match && h('span', { class: 'hit-match' }, matchOf(hit.match))),
    h('div', { class: 'hit-actions' },
      deskButtons(hit, actions),
      h('a', {
        class: 'button is-quiet is-icon', href: `/?mark_id=${encodeURIComponent(hit.id)}`,
        'aria-label': t('Search from %(mark)s', { mark: titleOfMark(hit) }), title: t('Search from this'),
        onclick: (event) => actions.onsearch?.(event, hit),
      }, icon('search')),
      h('a', {
        class: 'button is-quiet is-icon', href: pageOf(hit.id),
        'aria-label': t('Open %(mark)s', { mark: titleOfMark(hit) }), title: t('Open'),
      }, icon('open'))),
  )
}
