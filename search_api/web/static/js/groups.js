// Hits that show one sign, as the server says, folded into the first of them.

/**
 * The hits with each group as its first hit, which says by `alike` how many more there are; those of
 * the groups whose first hit is among `opened` follow it, marked by `isMember`.
 */
export function folded(hits, opened) {
  const groups = new Map() // group → its hits
  for (const hit of hits) groups.set(hit.group, [...(groups.get(hit.group) ?? []), hit])
  return hits.flatMap((hit) => {
    const [first, ...others] = hit.group ? groups.get(hit.group) : [hit]
    if (hit !== first) return []
    if (!others.length) return [hit]
    const isOpen = opened.includes(hit.group)
    const members = isOpen ? others.map((one) => ({ ...one, isMember: true })) : []
    return [{ ...hit, alike: others.length, isOpen }, ...members]
  })
}
