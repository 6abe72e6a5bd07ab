// The Vienna Classification in the browser: titles, look-up by code or subject, and the codes
// that two marks share.

import { getVienna } from './api.js'

const LIKELY = 0.5 // from here on a predicted code is shown as one the mark has
const nodes = new Map() // code → {code, title, marks, children, words}
let categories = []

/** Load titles and counts for a source of codes ('either', 'assigned' or 'predicted'). */
export async function loadVienna(source = 'either') {
  const answer = await getVienna(source)
  categories = answer.categories
  const walk = (node) => {
    nodes.set(node.code, { ...node, words: node.title.toLowerCase() })
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

/** Codes that a typed text may mean: by code, else by every word of it; the most used first. */
export function find(text, most = 12) {
  const code = normalised(text)
  if (code) {
    const near = [...nodes.values()].filter((node) => node.code === code || node.code.startsWith(`${code}.`))
    return near.slice(0, most)
  }
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  if (!words.length) return []
  const starts = (node) => words.every((word) => new RegExp(`(^|[^a-z])${escaped(word)}`).test(node.words))
  return [...nodes.values()]
    .filter((node) => words.every((word) => node.words.includes(word)))
    .sort((a, b) => starts(b) - starts(a) || b.marks - a.marks || a.code.localeCompare(b.code))
    .slice(0, most)
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

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
