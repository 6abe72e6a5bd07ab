// What is asked of the server: the marks most like a query, or those that pass filters.

import { list, search } from './api.js'
import { planLine } from './results.js'
import { toFields, toList } from './state.js'
import { plural } from './texts.js'

const MOST = 1000 // marks that a search ranks

/** The marks most like the query: {query, hits, total, of: how many were ranked, isList: whether none were, said,
 *  fetch(offset, k) for more of them}. `panel` shows the query; `onkept(query, kept)` is told of it with the
 *  handles that the server gave. */
export async function compared(asked, count, signal, panel, onkept) {
  let known = asked
  const showing = panel.show(asked, signal)
  const isKept = asked.query.handles?.length === asked.query.key?.split(',').length
  const files = asked.query.kind === 'picture' && isKept ? [] : await showing
  const piece = (offset, k) => search(toFields(known, files, offset, k), signal)
  const [{ query, plan, hits: found }] = await Promise.all([piece(0, count), showing])
  if (asked.query.kind === 'picture') {
    known = { ...asked, query: withHandles(asked.query, query.pictures) }
    onkept(asked.query, known.query)
  }
  const fetch = async (offset, k) => (await piece(offset, k)).hits
  const total = Math.min(MOST, plan.matched)
  return { query, hits: found, total, of: plan.matched, isList: false, said: planLine(plan), index: plan.index, fetch }
}

/** The marks that pass the filters, as `compared` gives them, all of them and in the order asked for. */
export async function listed(asked, count, signal) {
  let after // the cursor of the next page; null after the last, which comes early where marks were withdrawn
  const fetch = async (_, k) => {
    if (after === null) return []
    const { marks, next, total } = await list(toList(asked, k, after), signal)
    after = next
    return Object.assign(marks, { total })
  }
  const found = await fetch(0, count)
  const said = plural(
    found.total,
    '%(n)s mark found by words and data, no picture compared',
    '%(n)s marks found by words and data, no picture compared',
  )
  const { total } = found
  return { query: null, hits: found, total, of: total, isList: true, said, index: '', fetch }
}

/** A query with the handles under which the server keeps all of its pictures, if it does. */
function withHandles(query, pictures) {
  const handles = pictures.map(({ handle }) => handle).filter(Boolean)
  return { ...query, handles: handles.length === pictures.length ? handles : [] }
}
