// The codes of a search: those seen in the query or assigned to its mark, and those that were added.

import { inTreeOrder, showChips } from './chips.js'
import { byId, debounced } from './dom.js'
import { t } from './texts.js'
import { covers, titleOf } from './vienna.js'

const POINTING_MS = 120 // before a code's place is asked for
const NONE = { vienna: [], perhaps: [] }

/** Make the lists; `onchoose(code, state)` is called with a choice, `onpoint(code or null)` where a code has
 *  been pointed at for a moment. */
export function startSeenCodes(onchoose, onpoint) {
  // Opened, the list stands below what can be seen where many codes are above it.
  byId('perhaps').addEventListener('toggle', ({ target }) => target.open && target.scrollIntoView({ block: 'nearest' }))
  const point = debounced(onpoint, POINTING_MS)
  const pointAt = (code) => {
    point(code)
    if (!code) point.flush()
  }

  /** Show the codes of a state, of the `answer` that came, and those `assigned` to the query's mark. */
  return (state, answer, assigned) => {
    const stateOf = (code) => state.codes.get(code) ?? 'off'
    const query = (state.query && answer?.query) || NONE
    const seen = withAssigned(query.vienna, assigned)
    byId('seen').hidden = !state.query
    byId('explain').hidden = !query.vienna.length
    byId('seen-hint').textContent = seenHint(seen, answer)
    showChips(byId('seen-codes'), inTreeOrder(seen), stateOf, onchoose, pointAt)
    const perhaps = query.perhaps.filter(({ code }) => !seen.some((one) => one.code === code))
    byId('perhaps').hidden = !perhaps.length
    byId('perhaps-count').textContent = t('Perhaps %(n)s more, less certain', { n: perhaps.length })
    showChips(byId('perhaps-codes'), perhaps, stateOf, onchoose, pointAt)
    const shown = new Set([...seen, ...perhaps].map(({ code }) => code))
    const added = [...state.codes.keys()].filter((code) => !shown.has(code))
    showChips(byId('added-codes'), added.map((code) => ({ code, title: titleOf(code) })), stateOf, onchoose)
  }
}

/** The codes seen in a picture and those that an office assigned to its mark, each once. */
function withAssigned(seen, assigned) {
  const others = assigned.filter((code) => !seen.some((one) => one.code === code))
  return [
    ...seen.map((one) => ({ ...one, isAssigned: assigned.some((code) => covers(one.code, code)) })),
    ...others.map((code) => ({ code, title: titleOf(code), isAssigned: true })),
  ]
}

function seenHint(seen, answer) {
  if (!answer) return t('The network looks at the picture …')
  return seen.length
    ? t('Solid: assigned by the office. Outlined: seen by the network.')
    : t('The network is sure of none; add codes below.')
}
