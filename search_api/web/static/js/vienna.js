// The Vienna Classification in the browser: titles, look-up by code or subject, and the codes
// that two marks share.

import { findCodes, getVienna } from './api.js'

const LIKELY = 0.5 // from here on a predicted code is shown as one the mark has
const HAS_ALL = 1 // how well a code fits that has all of the words; more is less
const nodes = new Map() // code → {code, title, children}
let categories = []
let marks = {} // code → how many marks the present search would find with it
let source = 'either' // of the codes that count

/** Load the titles of all codes. */
export async function loadVienna() {
  categories = (await getVienna()).categories
  const walk = (node) => {
    nodes.set(node.code, node)
    node.children.forEach(walk)
  }
  categories.forEach(walk)
}

/** Say how many marks the present search would find with each code, by the codes that count. */
export function countCodes(counted, by) {
  marks = counted
  source = by
}

export const topLevel = () => categories
export const isKnown = (code) => nodes.has(code)
export const titleOf = (code) => nodes.get(code)?.title ?? ''
export const marksOf = (code) => marks[code] ?? 0

/** Write a code as CC, CC.DD or CC.DD.SS; null where the text is none. */
export function normalised(text) {
  const bare = text.trim().replace(/^(vc|a)?\s*/i, '')
  const packed = /^(\d{4}|\d{6})$/.test(bare)
  if (!packed && !/^\d{1,2}(\.\d{1,2}){0,2}\.?$/.test(bare)) return null
  const parts = packed ? bare.match(/\d\d/g) : bare.split('.').filter(Boolean)
  return parts.map((part) => part.padStart(2, '0')).join('.')
}

/** Codes that a typed text may mean, the best first: [{node, by: the everyday word for it, isWhole: it has
 *  all of the words}]. */
export async function find(text, most = 12) {
  if (!text.trim()) return []
  const { found } = await findCodes(text.trim(), source)
  const nodeOf = ({ code, title }) => nodes.get(code) ?? { code, title, children: [] } // titles are still to come
  return found.slice(0, most).map((one) => ({ node: nodeOf(one), by: one.by, isWhole: one.fit <= HAS_ALL }))
}

/** A code's category, division and section, as far as it goes. */
export const upTo = (code) => code.split('.').map((_, at, parts) => parts.slice(0, at + 1).join('.'))

/** Whether a code is another or above it. */
export const covers = (broad, code) => code === broad || code.startsWith(`${broad}.`)

/** Whether one of `broads` is the code or above it. */
export const isCovered = (code, broads) => broads.some((broad) => covers(broad, code))

/** The deepest codes, of any level, at which two lists of codes agree. */
export function sharedCodes(mine, theirs) {
  const above = new Set(mine.flatMap(upTo))
  const both = [...new Set(theirs.flatMap(upTo))].filter((code) => above.has(code))
  return both.filter((code) => !both.some((other) => other !== code && covers(code, other))).sort()
}

/** Codes a mark has: assigned, and predicted where likely or asked for by the filter. */
export function codesOf(mark, asked = []) {
  const likely = mark.predicted.filter(
    ({ code, probability }) => probability >= LIKELY || isCovered(code, asked),
  )
  return deepest([...mark.vienna, ...likely.map(({ code }) => code)])
}

/** Leave out codes that a deeper one of the list implies. */
export const deepest = (codes) =>
  [...new Set(codes)].filter((code) => !codes.some((other) => other !== code && covers(code, other))).sort()
