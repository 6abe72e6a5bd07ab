// What is said of results: how they were found, what a mark is, its codes; and what is shown instead
// of them: nothing found, a problem.

import { byId, h, icon, percent, plural, thousands } from './dom.js'
import { MARK_FIELDS } from './fields.js'
import { codesOf, covers, isCovered, sharedCodes, titleOf } from './vienna.js'

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
/** What a score means: its band, where the network knows, else the score itself. */
export const bandOf = (hit) => (hit.score === undefined ? hit.match?.said ?? '–' : hit.band ? hit.band.replace('-', '‑') : score(hit.score))
/** The same with its numbers, for those who ask. */
export const meaningOf = (hit) =>
  hit.band ? `${percent(hit.probability)} the same sign or a variant, score ${score(hit.score)}` : `score ${score(hit.score)}`
export const pageOf = (id) => `/marks/${encodeURIComponent(id)}`
export const titleOfMark = (mark) => mark.text || mark.id

/** One line: what was scanned, how many marks the filter left, and how long it took. */
export function planLine(plan) {
  const { decode, encode, filter, search, rerank = 0 } = plan.milliseconds
  const parts = [
    SCANS[plan.kind] ?? plan.kind,
    `${thousands(plan.matched)} of ${plural(plan.total, 'mark')} matched`,
    ...(plan.reranked ? [`the first ${plan.reranked} by places, too`] : []),
    `${milliseconds(filter + search + rerank)}${encode > 0 ? ` (encode ${milliseconds(decode + encode)})` : ''}`,
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
    ...others.map((code) => codeTag(code, hit.vienna.some((given) => covers(code, given)) ? '' : 'is-predicted')),
  ]
  const left = [...wanted, ...shared, ...others].slice(most)
  if (!left.length) return tags
  return [...tags.slice(0, most), h('span', { class: 'tag', title: left.join(', ') }, `+${left.length}`)]
}

const SAID = {
  'is-shared': 'Both marks have', 'is-asked': 'The filter asks for', 'is-predicted': 'The network sees',
}

/** A code as a small label; `role` is 'is-shared', 'is-asked', 'is-predicted' or ''. */
export function codeTag(code, role = '') {
  const title = titleOf(code)
  return h(
    'span',
    { class: `tag ${role}`.trim(), title: [SAID[role], code, title].filter(Boolean).join(' ') },
    h('span', { class: 'code' }, code),
    role && role !== 'is-predicted' && title && h('span', {}, title),
  )
}

export function showProblem(problem, remedy) {
  byId('problem').replaceChildren(problemBox(problem, remedy))
}

/** What went wrong, and what may be done about it: `remedy` is {label, act}, or nothing. */
export const problemBox = (problem, remedy) =>
  h('div', { class: 'alert', role: 'alert' },
    icon('alert'),
    h('div', {},
      h('strong', {}, problem.title ?? 'Something failed on this page'),
      h('p', {}, problem.message),
      remedy && h('div', { class: 'button-row' },
        h('button', { type: 'button', class: 'button', onclick: () => remedy.act() }, remedy.label))))

export function showNothing(filters, onclear) {
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
