// What is said of results: how they were found, what a mark is, its codes; and what is shown instead
// of them: nothing found, a problem.

import { byId, h, icon } from './dom.js'
import { MARK_FIELDS } from './fields.js'
import { activeFilters, ranksWords } from './state.js'
import { day, number, percent, plural, t } from './texts.js'
import { codesOf, covers, isCovered, sharedCodes, titleOf } from './vienna.js'

const BLOCKS = {
  visual: t('Form'), concept: t('Concept'), codes: t('Codes'), colour: t('Colour'), words: t('Words'),
}
const SCANS = {
  none: t('nothing to scan'),
  gather: t('exact scan of the matches'),
  exact: t('exact scan'),
  ivf: t('approximate scan, may miss a mark'),
  milvus: t('candidates of a server, compared exactly'),
}
const BANDS = {
  'near-identical': t('near‑identical'), strong: t('strong'), some: t('some'), weak: t('weak'),
}
const MATCHES = {
  exact: t('same words'),
  holds: t('same words among others'),
  latin: t('same in Latin letters'),
  begins: t('begins like it'),
  contains: t('contains it'),
  sounds: t('sounds alike'),
}
const TAGS = 4

export const blockLabel = (name) => BLOCKS[name] ?? name
/** Scores and cosines as people read them: opposite pictures are no more unlike than unlike ones. */
export const score = (value, digits = 3) => number(Math.max(0, value), digits)
/** What a score means: its band, where the network knows, else the score itself. */
export function bandOf(hit) {
  if (hit.score === undefined) return hit.match ? matchOf(hit.match) : '–'
  return hit.band ? BANDS[hit.band] : score(hit.score)
}
/** How the words of a mark match those that were looked for. */
export function matchOf({ kind, letters, found, of }) {
  if (kind === 'letters') return plural(letters, '%(n)s letter differs', '%(n)s letters differ')
  return MATCHES[kind] ?? t('%(found)s of %(of)s words', { found, of })
}
/** The same with its numbers, for those who ask. */
export function meaningOf(hit) {
  const values = { share: hit.band && percent(hit.probability), score: score(hit.score) }
  const said = hit.band
    ? t('%(share)s likely the same sign or a variant, score %(score)s', values)
    : t('score %(score)s', values)
  return hit.match ? `${said}, ${matchOf(hit.match)}` : said
}
export const pageOf = (id) => `/marks/${encodeURIComponent(id)}`
/** The words of a mark, or those read in its picture; null where there are none. */
export const wordsOf = (mark) =>
  mark.text || (mark.words_read ? t('%(words)s (read)', { words: mark.words_read }) : null)
export const titleOfMark = (mark) => wordsOf(mark) ?? mark.id

/** One line: what was scanned, how many marks the filter left, and how long it took. */
export function planLine(plan) {
  const { decode, encode, filter, search, rerank = 0 } = plan.milliseconds
  const parts = [
    SCANS[plan.kind] ?? plan.kind,
    plural(plan.total, '%(matched)s of %(n)s mark matched', '%(matched)s of %(n)s marks matched', {
      matched: number(plan.matched),
    }),
    ...(plan.reranked ? [t('the first %(count)s ranked again', { count: plan.reranked })] : []),
    milliseconds(filter + search + rerank)
      + (encode > 0 ? ` (${t('encode %(time)s', { time: milliseconds(decode + encode) })})` : ''),
  ]
  return parts.join(' · ')
}

const milliseconds = (value) => `${number(value, value < 10 ? 1 : 0)}\u00a0ms`

const ofKind = (mark, kind) => MARK_FIELDS.filter((field) => field.kind === kind && mark[field.name])

/** A mark's status and its dates, each date by its name; "registered" stands beside its own. */
export function statusAndDates(mark) {
  const dates = ofKind(mark, 'day')
  const statuses = ofKind(mark, 'word').map(({ name }) => mark[name])
  const own = dates.filter(({ name }) => statuses.includes(name))
  const others = dates.filter((date) => !own.includes(date))
  const bare = statuses.filter((status) => !own.some(({ name }) => name === status))
  const said = ({ name, title }) => `${title.toLowerCase()} ${day(mark[name])}`
  return [...bare.map((status) => t(status)), ...[...own, ...others].map(said)]
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
  'is-shared': t('Both marks have'),
  'is-asked': t('The filter asks for'),
  'is-predicted': t('The network sees'),
}

/** A code as a small label; `role` is 'is-shared', 'is-asked', 'is-predicted' or ''. */
export function codeTag(code, role = '') {
  const title = titleOf(code)
  return h(
    'span',
    { class: `tag ${role}`.trim(), title: [SAID[role], code, title].filter(Boolean).join(' ') },
    h('span', { class: 'code' }, code),
    role && role !== 'is-predicted' && title && h('span', { lang: 'en' }, title),
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
      h('strong', {}, problem.title ?? t('Something failed on this page')),
      h('p', { lang: problem.lang }, problem.message),
      remedy && h('div', { class: 'button-row' },
        h('button', { type: 'button', class: 'button', onclick: () => remedy.act() }, remedy.label))))

/** Say that a search found nothing, and why; `onclear()` takes its filters away. */
export function showNothing(state, onclear) {
  const filters = activeFilters(state, titleOf).length - ranksWords(state)
  const [title, advice] = whyNothing(state, filters)
  byId('problem').replaceChildren(h('div', { class: 'empty' },
    h('strong', {}, title),
    h('p', { class: 'hint' }, advice),
    filters > 0 &&
      h('button', { type: 'button', class: 'button', onclick: onclear }, t('Clear all filters'))))
}

function whyNothing(state, filters) {
  if (!filters) return [t('The register holds no other mark to compare with'), t('Fill it with “marklens index”.')]
  if (filters > 1 || !state.text) return [t('No mark passes all of the filters'), t('Take a filter away to widen the search.')]
  return [
    t('No mark has words like “%(text)s”', { text: state.text }),
    t('Try another spelling, or the beginning of a word.'),
  ]
}
