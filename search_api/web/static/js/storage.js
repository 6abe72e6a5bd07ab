// What this browser keeps for the page: texts under names. Where it refuses, since it may not or is full,
// they are kept as long as the page is open.

const refused = new Map() // name → text

/** The text under a name; null where there is none. */
export function kept(name) {
  if (refused.has(name)) return refused.get(name)
  try {
    return localStorage.getItem(name)
  } catch {
    return null // forbidden: nothing was ever kept
  }
}

/** Keep a text under a name; returns whether the browser took it. */
export function keep(name, text) {
  try {
    localStorage.setItem(name, text)
  } catch {
    refused.set(name, text)
    return false
  }
  refused.delete(name)
  return true
}

/** Call `act()` when another tab has changed what is kept under a name. */
export function onElsewhere(name, act) {
  addEventListener('storage', ({ key }) => {
    if (key === name || key === null) act() // null: all was removed
  })
}
