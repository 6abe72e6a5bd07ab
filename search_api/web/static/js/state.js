// What is being searched for, as one plain object, and its two other forms: the page's address
// (shareable) and the fields of a search request.

import { FILTER_FIELDS, isList, isServed } from './fields.js'
import { nameOfKey } from './pictures.js'
import { day, percent, t } from './texts.js'
import { covers } from './vienna.js'

export const STATES = [
  { value: 'any', label: t('any'), hint: t('Any of these: at least one'), field: 'vienna_any' },
  { value: 'all', label: t('must'), hint: t('Must have: each of these'), field: 'vienna_all' },
  { value: 'none', label: t('not'), hint: t('Exclude: none of these'), field: 'vienna_none' },
]
const DEFAULT_SOURCE = 'either'
const HANDLE = /^[0-9a-f]{32}$/

/** What of a picture is looked at when it comes in, its first page as it is: page of a TIFF or PDF, degrees
 *  clockwise, [x, y, w, h] in pixels after the turn. */
const AS_IT_IS = { page: 1, turn: 0, crop: null }
/** The same of all pictures that come in together. */
export const WHOLE = { views: [], ignoreWords: false }

/**
 * Nothing asked yet. `query` is null, {kind: 'mark', id} or {kind: 'picture', key, handles}: `key` holds
 * what this browser keeps the pictures of a sign under, with commas, `handles` what the server keeps the
 * first of them under. `views` are what is looked at of each, as `viewOf` gives it.
 */
export const blank = () => ({
  query: null,
  ...WHOLE,
  codes: new Map(), // code → 'any' | 'all' | 'none', in the order they were chosen
  narrowed: new Map(), // code → those above it whose place it took among 'any'
  weights: new Map(), // block → weight, only where it is not the default
  vienna_source: DEFAULT_SOURCE,
  min_probability: '',
  order: '', // what is found is sorted by this field, with - before it downwards; as it is found where empty
  opened: [], // groups of hits whose members are shown
  ...Object.fromEntries(FILTER_FIELDS.map((field) => [field.name, isList(field) ? [] : ''])),
})

/** What is looked at of one of the pictures. */
export const viewOf = ({ views }, at = 0) => views[at] ?? AS_IT_IS

const split = (value) => (value ? value.split(',').filter(Boolean) : [])

export function fromAddress(address) {
  const given = new URL(address).searchParams
  const state = blank()
  const handles = given.getAll('query').filter((handle) => HANDLE.test(handle))
  if (handles.length) state.query = { kind: 'picture', key: handles.join(','), handles }
  if (given.get('mark_id')) state.query = { kind: 'mark', id: given.get('mark_id') }
  const others = given.getAll('other_views').map((text) => new URLSearchParams(text.replaceAll(';', '&')))
  state.views = [given, ...others].map((one) => {
    const crop = split(one.get('crop')).map(Number)
    const isBox = crop.length === 4 && crop.every(Number.isFinite)
    return { page: Number(one.get('page')) || 1, turn: Number(one.get('turn')) || 0, crop: isBox ? crop : null }
  })
  state.ignoreWords = given.get('ignore_words') === 'true'
  for (const { value, field } of STATES) {
    for (const code of given.getAll(field).flatMap(split)) state.codes.set(code, value)
  }
  for (const pair of split(given.get('weights'))) {
    const [name, weight] = pair.split('=')
    if (Number.isFinite(Number(weight))) state.weights.set(name, Number(weight))
  }
  for (const field of FILTER_FIELDS) {
    const values = given.getAll(field.name).filter(Boolean)
    if (!isList(field)) state[field.name] = values[0] ?? ''
    else state[field.name] = field.kind === 'classes' ? values.flatMap(split) : values
  }
  state.min_probability = given.get('min_probability') ?? ''
  state.vienna_source = given.get('vienna_source') ?? DEFAULT_SOURCE
  state.order = given.get('order') ?? ''
  return state
}

/** What a watch asks, its filter and weights as the fields of a search, as a state. */
export function fromWatch({ weights = '', ...filter }) {
  const pairs = Object.entries(filter).flatMap(([name, values]) => [values].flat().map((value) => [name, value]))
  const state = fromAddress(`${location.origin}/?${new URLSearchParams(pairs)}`)
  for (const [, name, weight] of weights.matchAll(/(\w+)"?\s*[=:]\s*([\d.e+-]+)/g)) state.weights.set(name, Number(weight)) // a list, or JSON
  return state
}

export function toAddress(state) {
  const parts = new URLSearchParams([...fields(state)])
  if (state.vienna_source === DEFAULT_SOURCE) parts.delete('vienna_source')
  if (state.order) parts.set('order', state.order)
  const query = parts.toString().replaceAll('%2C', ',').replaceAll('%3D', '=').replaceAll('%3B', ';')
  return query ? `/?${query}` : '/'
}

/** The fields of `POST /search` for `k` hits from `offset` on; `pictures` are the query's files. */
export function toFields(state, pictures, offset, k) {
  const form = new FormData()
  for (const [name, value] of fields(state)) form.append(name, value)
  form.append('offset', offset)
  form.append('k', k)
  if (state.query?.kind !== 'picture') return form
  const known = state.query.handles.length
  for (const [at, picture] of pictures.entries()) {
    if (at >= known) form.append(at ? 'other_images' : 'image', picture, nameOf(picture))
  }
  return form
}

/** The fields of a watch of what the state asks, but those of its form; `pictures` are the query's files.
 *  Without `isNew` the fields of its signs alone, for a watch that there is. */
export function toWatch(state, pictures, isNew) {
  const form = new FormData()
  const weights = new Map(state.weights)
  weights.delete('words') // a watch compares pictures: words leave marks out
  const asked = isNew ? [...filterFields(state), ...weightFields({ weights })] : []
  for (const [name, value] of [...viewsFields(state), ...asked]) form.append(name, value)
  if (state.query.kind === 'mark') form.append('marks', state.query.id)
  for (const [at, picture] of pictures.entries()) {
    const handle = state.query.handles[at]
    if (handle) {
      form.append('query', handle)
      form.append('names', nameOf(picture))
    } else form.append('images', picture, nameOf(picture))
  }
  return form
}

/** The fields of a report of the first `k` marks, but its format; `pictures` are the query's files. */
export function toReport(state, pictures, k) {
  const form = toFields(state, pictures, 0, k)
  if (pictures.length) form.append('picture_name', nameOf(pictures[0]))
  return form
}

const nameOf = (picture) => picture.name ?? t('pasted picture')

/** Whether an address names a picture by less, or more, than a whole handle: mail programs cut long links. */
export const isCut = (address) => new URL(address).searchParams.getAll('query').some((handle) => !HANDLE.test(handle))

/** The query of `GET /marks` for `k` marks that pass the filters, after the place that `after` names. */
export function toList(state, k, after) {
  const query = new URLSearchParams([...filterFields(state), ['k', k]])
  if (isServed(state.order)) query.set('order', state.order)
  if (after) query.set('after', after)
  return query
}

/** The query of `GET /facets` for what the state asks. */
export function toFacets(state) {
  const query = new URLSearchParams([...filterFields(state)])
  if (state.query) query.set('compared', 'true')
  if (ranksWords(state)) query.delete('text')
  return query
}

/** Whether the words asked for are part of the score, as they are by default beside a picture, and leave no
 *  mark out. */
export const ranksWords = ({ query, text, weights }) => Boolean(query && text && weights.get('words') !== 0)

function* fields(state) {
  if (state.query?.kind === 'mark') yield ['mark_id', state.query.id]
  for (const handle of state.query?.handles ?? []) yield ['query', handle]
  if (state.query) yield* viewsFields(state)
  yield* filterFields(state)
  yield* weightFields(state)
}

/** What work on a search is kept under, any of them; with other filters it is the same work, but for a list
 *  that no words are looked for in. */
export function namesOf(state) {
  const { query } = state
  if (query?.kind === 'mark') return [`mark ${query.id}`]
  if (query) return [...query.key.split(',').map(nameOfKey), ...query.handles].map((name) => `picture ${name}`)
  const asked = [...filterFields(state)]
  const isText = (name) => FILTER_FIELDS.some((field) => field.kind === 'text' && field.name === name)
  const words = asked.filter(([name]) => isText(name))
  return [`list ${new URLSearchParams(words.length ? words : asked)}`]
}

function* weightFields({ weights }) {
  if (weights.size) {
    yield ['weights', [...weights].map(([name, weight]) => `${name}=${weight}`).join(',')]
  }
}

function* filterFields(state) {
  for (const { value, field } of STATES) {
    for (const [code, chosen] of state.codes) if (chosen === value) yield [field, code]
  }
  yield ['vienna_source', state.vienna_source]
  if (state.min_probability) yield ['min_probability', state.min_probability]
  for (const { name } of FILTER_FIELDS) {
    for (const value of [state[name]].flat()) if (value) yield [name, value]
  }
}

/** The fields that name a picture, a kept one, an uploaded one or that of a mark, and what of it is looked at. */
export function toPicture({ handle, picture, markId, view }) {
  const form = new FormData()
  if (handle) form.append('query', handle)
  else if (picture) form.append('image', picture, nameOf(picture))
  else if (markId) form.append('mark_id', markId)
  for (const [name, value] of viewFields(view)) form.append(name, value)
  return form
}

function* viewFields({ crop, page, turn }) {
  if (crop) yield ['crop', crop.join(',')]
  if (page !== 1) yield ['page', page]
  if (turn !== 0) yield ['turn', turn]
}

/** The fields that say what is looked at of all pictures; those at the end that are as they are need none. */
function* viewsFields(state) {
  yield* viewFields(viewOf(state))
  const others = state.views.slice(1).map((view) => [...viewFields(view)])
  const last = others.findLastIndex((fields) => fields.length)
  for (const fields of others.slice(0, last + 1)) {
    yield ['other_views', fields.map(([name, value]) => `${name}=${value}`).join(';') || 'page=1']
  }
  if (state.ignoreWords) yield ['ignore_words', 'true']
}

/**
 * The change by which a code is chosen ('any', 'all', 'none' or 'off'). Among "any" a code takes the place
 * of those above and below it: "03 or 03.01" would be all of 03, and a child is to narrow its parent. Those
 * above come back when it leaves "any", so that "all of 03.01, but not 03.01.08" can be chosen in that order.
 */
export function withCode({ codes, narrowed }, code, chosen) {
  const next = new Map(codes)
  const displaced = new Map(narrowed)
  if (chosen === 'off') next.delete(code)
  else next.set(code, chosen)
  const anyOf = (isRelated) => [...next].filter(([other, state]) => other !== code && state === 'any' && isRelated(other))
    .map(([other]) => other)
  if (chosen === 'any') {
    const above = anyOf((other) => covers(other, code))
    for (const other of [...above, ...anyOf((other) => covers(code, other))]) next.delete(other)
    displaced.set(code, above)
  } else if (codes.get(code) === 'any') {
    for (const parent of displaced.get(code) ?? []) {
      const [sibling] = anyOf((other) => covers(parent, other)) // it narrows the parent, too
      if (sibling) displaced.set(sibling, [parent])
      else if (!next.has(parent)) next.set(parent, 'any')
    }
  }
  return { codes: next, narrowed: displaced }
}

/** 'query': marks are compared with a picture; 'list': those that pass filters; 'empty': nothing asked. */
export function phaseOf(state) {
  if (state.query) return 'query'
  return activeFilters(state, () => '').length ? 'list' : 'empty'
}

/** Whether the server puts what is asked for in its order, not the page what has come. */
export const isSortedByServer = (state) => phaseOf(state) === 'list' && isServed(state.order)

/** What the server is asked for, as a text. */
export const askedOf = (state) =>
  `${state.query?.key} ${toAddress(isSortedByServer(state) ? state : { ...state, order: '' })}`

/** Search with another picture of the same sign, too. */
export const withPicture = (query, added) =>
  ({ kind: 'picture', key: query?.key ? `${query.key},${added}` : added, handles: query?.handles ?? [] })

/** The change to those of a query's pictures that `order` counts, in its order; each keeps its view. */
export function withOrder({ query: { key, handles }, views }, order) {
  const keys = key.split(',')
  const isKnown = handles.length === keys.length
  return {
    query: {
      kind: 'picture', key: order.map((at) => keys[at]).join(','), handles: isKnown ? order.map((at) => handles[at]) : [],
    },
    views: order.map((at) => viewOf({ views }, at)),
  }
}

/** The change of what is looked at of the first picture. */
export const withView = (state, change) => ({ views: [{ ...viewOf(state), ...change }, ...state.views.slice(1)] })

/** The filters in force, each as {label, isNot, without: the change that takes it away}. */
export function activeFilters(state, titleOf) {
  const active = []
  const add = (label, without, isNot = false) => active.push({ label, isNot, without })
  for (const { value, label } of STATES) {
    for (const [code, chosen] of state.codes) {
      if (chosen !== value) continue
      const codes = new Map(state.codes)
      codes.delete(code)
      add(`${label} ${code} ${titleOf(code)}`.trim(), { codes }, value === 'none')
    }
  }
  const matters = state.codes.size > 0
  if (matters && state.vienna_source !== DEFAULT_SOURCE) {
    add(SOURCES.get(state.vienna_source) ?? state.vienna_source, { vienna_source: DEFAULT_SOURCE })
  }
  if (matters && state.min_probability) {
    add(t('predicted from %(share)s', { share: percent(state.min_probability) }), { min_probability: '' })
  }
  for (const field of FILTER_FIELDS) {
    const value = state[field.name]
    if (field.kind === 'words') {
      for (const one of value) add(t(one), { [field.name]: value.filter((other) => other !== one) })
    } else if (value.length) {
      add(FILTER_LABELS[field.kind](field.title, value), { [field.name]: isList(field) ? [] : '' })
    }
  }
  return active
}

const SOURCES = new Map([['assigned', t('assigned codes only')], ['predicted', t('predicted codes only')]])

const FILTER_LABELS = {
  classes: (title, values) => `${title} ${values.join(', ')}`,
  first_day: (title, first) => t('%(field)s from %(day)s', { field: title.toLowerCase(), day: day(first) }),
  last_day: (title, last) => t('%(field)s to %(day)s', { field: title.toLowerCase(), day: day(last) }),
  text: (title, text) => t('%(field)s “%(text)s”', { field: title.toLowerCase(), text }),
}

/** The change that takes every filter away; query, weights and order stay. */
export function withoutFilters() {
  const { query, views, ignoreWords, weights, order, opened, ...filters } = blank()
  return filters
}
