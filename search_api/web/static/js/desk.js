// What a person does with the marks of a search: some are hidden, some are on a shortlist with a note.
// It is kept in this browser, by what is searched with: other filters are the same work.

const STORED = 'marklens-desk'
const KEPT = 40 // searches, those worked on last

/** What a search is kept under; `query` as in the state. */
const keyOf = (query) => (query ? query.id ?? query.key : 'list')

const read = () => JSON.parse(localStorage.getItem(STORED) ?? '{}')

/** Make the desk; `onchange()` is called when something was put on the shortlist or taken off. */
export function startDesk(onchange) {
  let key = keyOf(null)
  let held = { hidden: [], shortlist: {} } // shortlist: id → note

  const keep = () => {
    const all = read()
    delete all[key] // the newest comes last
    if (held.hidden.length || Object.keys(held.shortlist).length) all[key] = held
    localStorage.setItem(STORED, JSON.stringify(Object.fromEntries(Object.entries(all).slice(-KEPT))))
  }

  return {
    /** Take up what is kept of a search. */
    of(query) {
      key = keyOf(query)
      held = { hidden: [], shortlist: {}, ...read()[key] }
      onchange()
    },
    hidden: () => held.hidden,
    setHidden(ids) {
      held = { ...held, hidden: ids }
      keep()
    },
    isListed: (id) => id in held.shortlist,
    /** Ids of the shortlist, each with its note. */
    listed: () => Object.entries(held.shortlist),
    /** Put a mark on the shortlist, or take it off. */
    toggle(id) {
      const { [id]: note, ...others } = held.shortlist
      held = { ...held, shortlist: note === undefined ? { ...others, [id]: '' } : others }
      keep()
      onchange()
    },
    note(id, text) {
      held.shortlist[id] = text
      keep()
    },
  }
}
