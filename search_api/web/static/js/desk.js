// What a person does with the marks of a search: some are hidden, some are on a shortlist, some have a note.
// It is kept in this browser, of whose tabs several may show the same search.

import { Problem } from './api.js'
import { notify } from './notice.js'
import { keep, kept, onElsewhere } from './storage.js'
import { t } from './texts.js'

const STORED = 'marklens-desks'
const KEPT = 40 // searches, those worked on last
const NOTHING = { names: [], hidden: [], listed: [], notes: [] }

/** Of each search {names: it is found by any of them, hidden, listed: ids, notes: [id, text] of each}, what
 *  was worked on last at the end. No objects by id: they put ids that are numbers first. */
function read() {
  try {
    const all = JSON.parse(kept(STORED) ?? '[]')
    return isList(all, () => true) ? all.filter(isWork) : []
  } catch {
    return [] // damaged
  }
}

const isList = (value, isOne) => Array.isArray(value) && value.every(isOne)
const isTexts = (value) => isList(value, (one) => typeof one === 'string')
const isPair = (value) => isTexts(value) && value.length === 2
const isWork = (one) => [one?.names, one?.hidden, one?.listed].every(isTexts) && isList(one.notes, isPair)

const without = (ids, id) => ids.filter((one) => one !== id)

/** Make the desk; `onchange()` is called when what is kept of the search may be another, `onelsewhere()` when
 *  another tab has changed it. */
export function startDesk(onchange, onelsewhere) {
  let names = []
  let held = NOTHING
  let isLossTold = false

  const find = (all) => names.map((name) => all.find((one) => one.names.includes(name))).find(Boolean) ?? NOTHING
  const isUsed = ({ hidden, listed, notes }) => hidden.length + listed.length + notes.length > 0

  /** Change what is kept now, which is another tab's work, too. */
  const change = (edit) => {
    const all = read()
    const before = find(all)
    const others = all.filter((one) => one !== before)
    const free = names.filter((name) => !others.some((one) => one.names.includes(name)))
    held = { ...before, names: [...new Set([...before.names, ...free])], ...edit(before) }
    if (!keep(STORED, JSON.stringify([...others, held].filter(isUsed).slice(-KEPT)))) tellLoss()
    onchange()
  }

  const tellLoss = () => {
    if (isLossTold) return
    isLossTold = true
    notify(new Problem(
      t('This browser keeps nothing more'),
      t('Its storage is full or forbidden: what you hide, shortlist and note is lost with this page.'),
    ))
  }

  onElsewhere(STORED, () => {
    held = find(read())
    onchange()
    onelsewhere()
  })

  return {
    /** Take up what is kept of a search, which is known by any of `known`; new names of it are kept, too. */
    of(known) {
      names = known
      held = find(read())
      if (isUsed(held) && names.some((name) => !held.names.includes(name))) change(() => ({}))
      onchange()
    },
    /** Put marks among the 'hidden' or 'listed' ones of this search, or take them off, where notes stay for when
     *  they are put back: [name of the search, list, id, whether it is put there] of each. */
    work(changes) {
      const mine = changes.filter(([name]) => names.includes(name) || held.names.includes(name))
      if (!mine.length) return
      change((before) => {
        const after = { hidden: before.hidden, listed: before.listed }
        for (const [, list, id, isOn] of mine) after[list] = [...without(after[list], id), ...(isOn ? [id] : [])]
        return after
      })
    },
    /** A name of the search. */
    name: () => names[0],
    hidden: () => held.hidden,
    isListed: (id) => held.listed.includes(id),
    /** Ids of the shortlist, each with its note. */
    listed: () => held.listed.map((id) => [id, new Map(held.notes).get(id) ?? '']),
    note(id, text) {
      const added = text ? [[id, text]] : []
      change(({ notes }) => ({ notes: [...notes.filter(([one]) => one !== id), ...added] }))
    },
  }
}
