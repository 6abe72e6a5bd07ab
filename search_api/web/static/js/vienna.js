// The Vienna Classification in the browser: titles, look-up by code or subject, and the codes
// that two marks share.

import { getVienna } from './api.js'

const LIKELY = 0.5 // from here on a predicted code is shown as one the mark has
const nodes = new Map() // code → {code, title, marks, children, lower}
let categories = []
let newest = 0 // number of the last call of loadVienna

/** Load titles and counts for a source of codes ('either', 'assigned' or 'predicted'). */
export async function loadVienna(source = 'either') {
  newest += 1
  const mine = newest
  const answer = await getVienna(source)
  if (mine !== newest) return // counts of another source have been asked for since
  categories = answer.categories
  const walk = (node) => {
    nodes.set(node.code, { ...node, lower: node.title.toLowerCase() })
    node.children.forEach(walk)
  }
  nodes.clear()
  categories.forEach(walk)
}

export const topLevel = () => categories
export const isKnown = (code) => nodes.has(code)
export const titleOf = (code) => nodes.get(code)?.title ?? ''
export const marksOf = (code) => nodes.get(code)?.marks ?? 0

/** Write a code as CC, CC.DD or CC.DD.SS; null where the text is none. */
export function normalised(text) {
  const bare = text.trim().replace(/^(vc|a)?\s*/i, '')
  const packed = /^(\d{4}|\d{6})$/.test(bare)
  if (!packed && !/^\d{1,2}(\.\d{1,2}){0,2}\.?$/.test(bare)) return null
  const parts = packed ? bare.match(/\d\d/g) : bare.split('.').filter(Boolean)
  return parts.map((part) => part.padStart(2, '0')).join('.')
}

/** Codes that a typed text may mean: by code, else by every word of it, whole words first. */
export function find(text, most = 12) {
  const code = normalised(text)
  if (code) {
    const near = [...nodes.values()].filter((node) => node.code === code || node.code.startsWith(`${code}.`))
    return near.slice(0, most)
  }
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (!words.length) return []
  return [...nodes.values()]
    .map((node) => ({ node, rank: rankOf(node.lower, words) }))
    .filter(({ rank }) => rank !== null)
    .sort((a, b) => a.rank - b.rank || b.node.marks - a.node.marks || (a.node.code < b.node.code ? -1 : 1))
    .slice(0, most)
    .map(({ node }) => node)
}

/**
 * How well words name a title: 0 one of the things it lists is just these words ("lion" in "Lions"),
 * 1 whole words ("Sea lions"), 2 beginnings of words, 3 parts of words, null not at all.
 */
function rankOf(title, words) {
  const things = title.split(/[,;()]/).map(stemsOf)
  const typed = words.flatMap(stemsOf)
  if (typed.length && things.some((thing) => String(thing) === String(typed))) return 0
  const stems = things.flat()
  if (typed.length && typed.every((stem) => stems.includes(stem))) return 1
  if (!words.every((word) => title.includes(word))) return null
  return words.every((word) => stems.some((stem) => stem.startsWith(stemsOf(word)[0] ?? word))) ? 2 : 3
}

/** The words of a text, those that differ only by a plural's ending made equal ("fox", "foxes"). */
const stemsOf = (text) => (text.match(/[\p{L}\p{N}]+/gu) ?? [])
  .map((word) => word.replace(/(..)ies$/, '$1y').replace(/(..[^s])s$/, '$1').replace(/(..)e$/, '$1'))

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
