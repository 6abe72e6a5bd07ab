// The ranked marks as a grid of cards, the line that says how they were found, and what is shown
// instead: skeletons, nothing found, a problem.

import { imagePath } from './api.js'
import { bar, byId, h, icon, plural, thousands } from './dom.js'
import { MARK_FIELDS } from './fields.js'
import { codesOf, isCovered, sharedCodes, titleOf } from './vienna.js'

const BLOCKS = { visual: 'Form', concept: 'Concept', codes: 'Codes', colour: 'Colour' }
const SCANS = {
  none: 'nothing to scan',
  gather: 'exact scan of the matches',
  exact: 'exact scan',
  ivf: 'approximate scan, may miss a mark',
}
const TAGS = 4

export const blockLabel = (name) => BLOCKS[name] ?? name
/** Scores and cosines as people read them: opposite pictures are no more unlike than unlike ones. */
export const score = (value, digits = 3) => Math.max(0, value).toFixed(digits)
export const pageOf = (id) => `/marks/${encodeURIComponent(id)}`
export const titleOfMark = (mark) => mark.text || mark.id

/** One line: what was scanned, how many marks the filter left, and how long it took. */
export function planLine(plan) {
  const { decode, encode, filter, search } = plan.milliseconds
  const parts = [
    SCANS[plan.kind] ?? plan.kind,
    `${thousands(plan.matched)} of ${plural(plan.total, 'mark')} matched`,
    `${milliseconds(filter + search)}${encode > 0 ? ` (encode ${milliseconds(decode + encode)})` : ''}`,
  ]
  return parts.join(' · ')
}

const milliseconds = (value) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`

const ofKind = (mark, kind) => MARK_FIELDS.filter((field) => field.kind === kind && mark[field.name])

/** A mark's status and its dates, each date by its name; "registered" stands beside its own. */
export function statusAndDates(mark) {
  const dates = ofKind(mark, 'day').map(({ name, title }) => [title.toLowerCase(), mark[name]])
  const statuses = ofKind(mark, 'word').map(({ name }) => mark[name])
  const own = dates.filter(([title]) => statuses.includes(title))
  const others = dates.filter((date) => !own.includes(date))
  const bare = statuses.filter((status) => !own.some(([title]) => title === status))
  return [...bare, ...[...own, ...others].map((date) => date.join(' '))]
}

/** All that a hit says of its mark but its words and Vienna codes, as short texts. */
export function factsOf(mark) {
  const texts = MARK_FIELDS
    .filter(({ name, kind }) => name !== 'text' && ['id', 'text', 'nice', 'us_design'].includes(kind))
    .filter(({ name }) => mark[name]?.length)
    .map(({ name, title }) => (Array.isArray(mark[name]) ? `${title} ${mark[name].join(', ')}` : mark[name]))
  return [...texts, ...statusAndDates(mark)]
}

/** Codes of a hit, a handful: first those the filter asks for, which must not be folded away. */
export function codeTags(hit, queryCodes, asked = [], most = TAGS) {
  const mine = codesOf(hit, asked)
  const shared = sharedCodes(queryCodes, mine)
  const rest = mine.filter((code) => !shared.includes(code))
  const wanted = rest.filter((code) => isCovered(code, asked))
  const others = rest.filter((code) => !wanted.includes(code))
  const tags = [
    ...wanted.map((code) => codeTag(code, 'is-asked')),
    ...shared.map((code) => codeTag(code, 'is-shared')),
    ...others.map((code) => codeTag(code)),
  ]
  const left = [...wanted, ...shared, ...others].slice(most)
  if (!left.length) return tags
  return [...tags.slice(0, most), h('span', { class: 'tag', title: left.join(', ') }, `+${left.length}`)]
}

const SAID = { 'is-shared': 'Both marks have', 'is-asked': 'The filter asks for' }

/** A code as a small label; `role` is 'is-shared', 'is-asked' or ''. */
export function codeTag(code, role = '') {
  const title = titleOf(code)
  return h(
    'span',
    { class: `tag ${role}`.trim(), title: [SAID[role], code, title].filter(Boolean).join(' ') },
    h('span', { class: 'code' }, code),
    role && title && h('span', {}, title),
  )
}

/** A card. `actions`: oncompare(place), onsearch(event, hit); `context`: queryCodes, asked. */
export function hitCard(hit, place, context, actions) {
  const title = titleOfMark(hit)
  const names = [hit.text && hit.id, hit.office, hit.owner].filter(Boolean).join(' · ')
  const facts = statusAndDates(hit)
  const tags = codeTags(hit, context.queryCodes, context.asked)
  return h(
    'li',
    { class: 'hit', 'data-id': hit.id },
    h(
      'button',
      {
        type: 'button',
        class: 'hit-picture',
        'aria-label': `${place + 1}. ${title}, score ${score(hit.score)}. Compare`,
        title,
        onclick: () => actions.oncompare(place),
      },
      hit.image && h('img', {
        src: imagePath(hit.id, { size: 320, digest: hit.image_digest }),
        alt: '',
        loading: place < 12 ? null : 'lazy',
        draggable: 'false',
      }),
    ),
    h(
      'div',
      { class: 'hit-body' },
      h('div', { class: 'hit-score' },
        h('span', { class: 'hit-rank' }, place + 1),
        h('span', { class: 'hit-value' }, score(hit.score)),
        bar(hit.score)),
      h('div', {},
        h('p', { class: 'hit-title', title }, title),
        names && h('p', { class: 'hit-meta', title: names }, names),
        facts.length > 0 && h('p', { class: 'hit-dates' }, facts.map((fact) => h('span', {}, fact)))),
      h('div', { class: 'blocks' }, Object.entries(hit.scores).map(([name, cosine]) => block(name, cosine))),
      tags.length > 0 && h('div', { class: 'tags' }, tags),
    ),
    h(
      'div',
      { class: 'hit-actions' },
      h('a', {
        class: 'button is-quiet', href: `/?mark_id=${encodeURIComponent(hit.id)}`,
        onclick: (event) => actions.onsearch?.(event, hit),
      }, icon('search'), 'Search from this'),
      h('a', { class: 'button is-quiet', href: pageOf(hit.id), 'aria-label': `Open ${title}` }, 'Open'),
    ),
  )
}

const block = (name, cosine) =>
  h('div', { class: 'block', title: `${blockLabel(name)} ${score(cosine)}` },
    h('span', {}, score(cosine, 2)), bar(cosine), h('span', { class: 'block-name' }, blockLabel(name)))

/** Show hits in the grid, the first one in the keyboard's path. */
export function showHits(hits, context, actions) {
  byId('problem').replaceChildren()
  byId('hits').replaceChildren(...hits.map((hit, place) => hitCard(hit, place, context, actions)))
  enterCard(byId('hits').firstElementChild)
}

export function showSkeletons(count) {
  byId('problem').replaceChildren()
  const skeleton = () => h('li', { class: 'hit skeleton', 'aria-hidden': 'true' })
  byId('hits').replaceChildren(...Array.from({ length: count }, skeleton))
}

export function showProblem(problem, onretry) {
  byId('hits').replaceChildren()
  byId('problem').replaceChildren(problemBox(problem, onretry))
}

export const problemBox = (problem, onretry) =>
  h('div', { class: 'alert', role: 'alert' },
    icon('alert'),
    h('div', {},
      h('strong', {}, problem.title ?? 'Something failed on this page'),
      h('p', {}, problem.message),
      onretry && h('div', { class: 'button-row' },
        h('button', { type: 'button', class: 'button', onclick: onretry }, 'Try again'))))

export function showNothing(filters, onclear) {
  byId('hits').replaceChildren()
  byId('problem').replaceChildren(nothingBox(filters, onclear))
}

export const nothingBox = (filters, onclear) =>
  h('div', { class: 'empty' },
    h('strong', {}, filters
      ? 'No mark passes all of the filters'
      : 'The register holds no other mark to compare with'),
    h('p', { class: 'hint' }, filters
      ? 'Take a filter away to widen the search.'
      : 'Fill it with “marklens index”.'),
    filters > 0 &&
      h('button', { type: 'button', class: 'button', onclick: onclear }, 'Clear all filters'))

/** Only one card is in the tab order; arrow keys go from card to card. */
function enterCard(card) {
  for (const control of byId('hits').querySelectorAll('button, a')) {
    control.tabIndex = card?.contains(control) ? 0 : -1
  }
}

export function startGridKeys() {
  const grid = byId('hits')
  grid.addEventListener('focusin', (event) => enterCard(event.target.closest('.hit')))
  grid.addEventListener('keydown', (event) => {
    const cards = [...grid.querySelectorAll('.hit[data-id]')]
    const at = cards.indexOf(event.target.closest('.hit'))
    const columns = getComputedStyle(grid).gridTemplateColumns.split(' ').length
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + columns,
      ArrowUp: at - columns,
      Home: 0,
      End: cards.length - 1,
    }[event.key]
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    focusCard(cards[to])
  })
}

export function focusCard(card) {
  if (!card) return
  enterCard(card)
  card.querySelector('.hit-picture').focus()
}
