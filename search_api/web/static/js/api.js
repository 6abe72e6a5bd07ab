// The HTTP API as functions. Whatever goes wrong is thrown as a Problem that can be shown.

import { language, t } from './texts.js'

const API = '/api/v1'
const PART = 100 // ids of an address, which is not to get too long

export class Problem extends Error {
  /** `isPassing`: asking again may help; `isGone`: the query picture is kept no longer; `isKeyless`: the browser sent no key; `lang`: of the detail, where it is not the page's. */
  constructor(title, detail, { isPassing = false, isGone = false, isKeyless = false, lang = null } = {}) {
    super(detail)
    this.title = title
    this.isPassing = isPassing
    this.isGone = isGone
    this.isKeyless = isKeyless
    this.lang = lang
  }
}

export const imagePath = (id, { size, digest } = {}) => {
  const options = new URLSearchParams()
  if (size) options.set('size', size)
  if (digest) options.set('digest', digest)
  const query = options.toString()
  return `${API}/marks/${encodeURIComponent(id)}/image${query ? `?${query}` : ''}`
}

/** What `send(isKept)` gives where it names pictures by the server's handles; where those are kept no longer,
 *  what it gives when it sends the pictures themselves. */
export async function byHandle(send) {
  try {
    return await send(true)
  } catch (error) {
    if (!error.isGone) throw error
    return send(false)
  }
}

/** Search with the fields of a FormData; `signal` aborts. */
export const search = (fields, signal) => ask('/search', { method: 'POST', body: fields, signal })

/** A page of the marks that pass filters: {total, next, marks}; `query` is a URLSearchParams. */
export const list = (query, signal) => ask(`/marks?${query}`, { signal })

export const getMark = (id, signal) => ask(`/marks/${encodeURIComponent(id)}`, { signal })

/** The marks of some ids, by id; those withdrawn since are missing. A request for each hundred. */
export async function findMarks(ids) {
  const parts = Array.from({ length: Math.ceil(ids.length / PART) }, (_, at) => ids.slice(at * PART, (at + 1) * PART))
  const found = await Promise.all(parts.map((part) =>
    list(new URLSearchParams([['k', PART], ...part.map((id) => ['ids', id])]))))
  return new Map(found.flatMap(({ marks }) => marks).map((mark) => [mark.id, mark]))
}

/** Read the words in a picture: {text, read_words}; `signal` aborts. */
export const readWords = (fields, signal) => ask('/words', { method: 'POST', body: fields, signal })

/** The codes seen in a picture: {vienna, perhaps}. */
export const classify = (fields) => ask('/classify', { method: 'POST', body: fields })

/** Draw where each code was seen in a picture: a Blob of the sheet. */
export const explain = (fields) => askBlob('/classify/explain', { method: 'POST', body: fields })

/** The report of a search, in the `format` that the fields name: a Blob. */
export const report = (fields) => askBlob('/search/report', { method: 'POST', body: fields })

/** Let the server draw a picture: {drawing: a Blob, size: of the original, turned, pages}. */
export async function preview(fields) {
  const answer = await reach('/preview', { method: 'POST', body: fields })
  if (!answer.ok) throw problemOf(answer, await answer.json().catch(() => null))
  return {
    drawing: await answer.blob(),
    size: answer.headers.get('Picture-Size').split('x').map(Number),
    pages: Number(answer.headers.get('Picture-Pages')),
  }
}

/** The picture that the server keeps under a handle: a Blob. */
export const getQueryImage = (handle) => askBlob(`/queries/${handle}/image`)

export const getVienna = () => ask('/vienna')

/** The codes that a text may mean: {found}. */
export const findCodes = (text, source) => ask(`/vienna?${new URLSearchParams({ q: text, source })}`)

/** How many marks of a search have each code, class, status and office; `query` is a URLSearchParams. */
export const facets = (query, signal) => ask(`/facets?${query}`, { signal })

export const watches = () => ask('/watches')
/** The newest thousand marks that came near a watch. */
export const watchEvents = (name) => ask(`/watches/${encodeURIComponent(name)}/events?limit=1000`)
export const addWatch = (fields) => ask('/watches', { method: 'POST', body: fields })
export const changeWatch = (name, fields) => ask(`/watches/${encodeURIComponent(name)}`, { method: 'PATCH', body: fields })

/** Say that what came near a watch was read, up to an event's number. */
export const readWatch = (name, upto) =>
  ask(`/watches/${encodeURIComponent(name)}/read`, { method: 'POST', body: new URLSearchParams({ upto }) })

export const removeWatch = (name) => remove(`/watches/${encodeURIComponent(name)}`)

/** Have the server search with many pictures: the batch, {id, created, …}. */
export const startBatch = (fields) => ask('/batches', { method: 'POST', body: fields })
export const batchState = (id) => ask(`/batches/${id}`)
export const forgetBatch = (id) => remove(`/batches/${id}`)

async function remove(path) {
  const answer = await reach(path, { method: 'DELETE' })
  if (!answer.ok) throw problemOf(answer, await answer.json().catch(() => null))
}

async function ask(path, options = {}) {
  const answer = await reach(path, { headers: { Accept: 'application/json' }, ...options })
  const body = await answer.json().catch((error) => {
    if (error.name === 'AbortError') throw error
    return null
  })
  if (answer.ok && body) return body
  throw problemOf(answer, body)
}

async function askBlob(path, options = {}) {
  const answer = await reach(path, options)
  if (answer.ok) return answer.blob()
  throw problemOf(answer, await answer.json().catch(() => null))
}

async function reach(path, options) {
  try {
    return await fetch(API + path, options)
  } catch (error) {
    if (error.name === 'AbortError') throw error
    const advice = t('Check that it is running, then try again.')
    throw new Problem(t('The server does not answer'), advice, { isPassing: true })
  }
}

/** What a person can do about a refusal, by its type; the server's details of it are for programs. */
const ADVICE = {
  'only-words': t('The picture is nothing but words. Compare it with them: untick “Ignore the words”.'),
  'reversed-days': t('Change one of the two days.'),
  'no-weight': t('Give at least one kind of likeness a weight above 0.'),
  'bad-token': t('Load the page again and enter a key as the password, with any name.'),
  'not-allowed': t('Ask who runs the server for a key that allows it.'),
  'too-many': t('Wait a little, then load the page again.'),
}

/** The server's titles are in the catalogue; its details are English, whatever the page's language. */
function problemOf({ status }, body) {
  const advice = ADVICE[body?.type?.split(':').at(-1)]
  return new Problem(
    body?.title ? t(body.title) : t('The request failed'),
    advice ?? (body?.detail || t('The server answered with status %(status)s.', { status })),
    {
      isPassing: status >= 500, isGone: status === 410, isKeyless: status === 401,
      lang: body?.detail && !advice ? 'en' : null,
    },
  )
}
