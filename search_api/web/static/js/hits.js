// The hits of a search as a grid or a list: fetched in growing pieces and drawn in small ones as one
// scrolls, with arrow keys from one to the next.

import { byId, h } from './dom.js'
import { hitCard } from './cards.js'
import { folded } from './groups.js'
import { headers, hitRow, sorted } from './list.js'
import { number, plural, t } from './texts.js'

const FETCHED = [20, 100, 500, 1000] // how many hits are there after each request,
const FURTHER = 500 // and how many come with each after these, which only a list goes on with
const FIRST = 10 // of a new ranking, drawn before the others: what most windows show
const DRAWN = 20 // at once: a quarter of the time after which a task is a long one
const UNSEEN_MS = 500 // between pieces in a window that is not in sight
const NEAR = '600px' // how far below the window the next ones are drawn

/** Make the list. `onerror(error)` is told when more hits cannot be fetched. */
export function startHits(onerror) {
  const list = byId('hits')
  const more = byId('more')
  let ranking = { hits: [], total: 0 } // see `show`
  let isGrouped = false // whether hits that show one sign are folded into the first of them
  let opened = [] // groups that are not
  let order = '' // the field that hits are sorted by, with - before it downwards; nothing: as they came
  let view = [] // the hits in the order in which they are shown
  let rows = [] // the elements of those that are drawn
  const looks = new WeakMap() // element → what of its hit it shows beside its data
  let wanted = 0 // how many are drawn, or are about to be
  let chance = null // the element of the line below which hits are no better than chance
  let redrawing = null // promise
  let fetching = null
  const note = h('p', { class: 'hint', id: 'sorted' })
  byId('list-head').before(note)

  /** Draw the line from which on hits are no better than chance. */
  const drawChance = () => {
    chance?.remove()
    const at = order ? -1 : view.findIndex(({ band }) => band === 'weak')
    chance = rows[at] ? chanceLine(at) : null
    if (chance) rows[at].before(chance)
  }
  const lookOf = ({ alike, isOpen, isMember }) => [alike, isOpen, isMember].join()
  const rowOf = (hit, place) => {
    const make = list.dataset.density === 'list' ? hitRow : hitCard
    const oncompare = () => ranking.actions.oncompare(rows.indexOf(row))
    const row = make(hit, place, ranking.context, { ...ranking.actions, oncompare })
    looks.set(row, lookOf(hit))
    setTabs(row, -1)
    return row
  }
  /** The hits to show, in their order: without those that a person hid, groups folded. */
  const arranged = () => {
    const kept = (isSortedHere() ? sorted(ranking.hits, order) : ranking.hits).filter(({ id }) => !ranking.actions?.isHidden?.(id))
    return isGrouped ? folded(kept, opened) : kept
  }
  /** Draw otherwise, by `draw`; the focus stays at its mark, or else at its place. */
  const keepFocus = async (draw) => {
    const card = document.activeElement?.closest('.hit')
    const [place, id] = [rows.indexOf(card), card?.dataset.id]
    await draw()
    if (place < 0 || (card.isConnected && card === document.activeElement)) return
    const stays = view.findIndex((hit) => hit.id === id)
    focusCard(rows[stays < 0 ? Math.min(place, rows.length - 1) : stays])
  }
  /** Arrange anew and draw as much as was drawn: only what is new, where most stays as it is. */
  const rearrange = () => keepFocus(async () => {
    const [drawn, next] = [new Map(rows.map((row, at) => [row.dataset.id, at])), arranged()]
    const count = Math.max(drawnTo(), FETCHED[0])
    const kept = next.slice(0, count).map((hit) => drawn.get(hit.id)).map((at, place) =>
      (at !== undefined && looks.get(rows[at]) === lookOf(next[place]) ? at : null))
    const stay = kept.filter((at) => at !== null)
    const isInOrder = stay.every((at, place) => !place || at > stay[place - 1])
    if (wanted > rows.length || !isInOrder || kept.length - stay.length > DRAWN) return redraw(count)
    const before = rows
    view = next
    rows = kept.map((at, place) => (at === null ? rowOf(next[place], place) : before[at]))
    const stays = new Set(rows)
    for (const row of before) if (!stays.has(row)) row.remove()
    for (const [place, row] of rows.entries()) {
      if (!row.isConnected) place ? rows[place - 1].after(row) : list.prepend(row)
      row.querySelector('.is-star')?.setAttribute('aria-pressed', String(ranking.actions.isListed(view[place].id)))
    }
    wanted = rows.length
    drawChance()
    showEnd()
    watch()
  })
  const drawTo = (count) => {
    const from = rows.length
    const added = view.slice(from, count).map((hit, at) => rowOf(hit, from + at))
    list.append(...added)
    rows.push(...added)
    drawChance()
    if (from === 0) enterCard(rows[0])
  }
  const fetchMore = () => {
    const mine = ranking
    const offset = mine.hits.length
    const bound = FETCHED.find((count) => count > offset) ?? offset + FURTHER
    fetching ??= mine.fetch(offset, bound - offset)
      .then((came) => {
        if (mine !== ranking) return
        mine.hits.push(...ranked(came, offset))
        if (!came.length) mine.total = mine.hits.length
        const before = view.slice(0, rows.length)
        view = arranged()
        // More of a group that is drawn already may have come.
        if (before.some((hit, at) => hit.id !== view[at].id || hit.alike !== view[at].alike)) rearrange()
      })
      .finally(() => { fetching = null })
    return fetching
  }
  const drawnTo = () => Math.max(rows.length, wanted)
  /** Whether hits are sorted here, not by the server: then no further ones come between them. */
  const isSortedHere = () => Boolean(order) && !ranking.isServed
  const most = () => (isSortedHere() ? Math.min(ranking.total, FETCHED.at(-1)) : ranking.total)
  const isAll = () => ranking.hits.length >= most()
  const onShow = () => Math.max(0, most() - ranking.hits.length) + view.length
  const grow = async () => {
    if (rows.length >= view.length && !isAll()) await fetchMore()
    drawTo(rows.length + DRAWN)
    showEnd()
  }
  const showEnd = () => {
    const left = onShow() - rows.length
    const end = ranking.hits.length < ranking.total ? '' : endOf(ranking)
    more.textContent = left > 0 ? plural(left, '%(n)s more mark below', '%(n)s more marks below') : end
    note.textContent = isSortedHere() && isAll() && view.length ? sortedOf(ranking) : ''
  }

  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.at(-1).isIntersecting || !ranking.hits.length) return
    const before = rows.length
    await grow().catch(onerror)
    if (rows.length !== before) watch()
  }, { rootMargin: NEAR })
  /** Observe the end anew: it may still be in sight. */
  const watch = () => {
    observer.unobserve(more)
    observer.observe(more)
  }

  /** Draw all anew, down to a place; resolves when it is drawn, or what was asked for meanwhile is. */
  const redraw = async (count, first = DRAWN) => {
    redrawing = drawAnew(count, first)
    let awaited = null
    while (awaited !== redrawing) {
      awaited = redrawing
      await awaited
    }
  }
  /** Draw in pieces, between which the page answers. */
  const drawAnew = async (count, first) => {
    const mine = ranking
    list.replaceChildren()
    rows = []
    view = arranged()
    wanted = Math.min(count, view.length)
    drawTo(Math.min(wanted, first))
    showHead()
    showEnd()
    const top = rows[0]
    while (rows.length < wanted) {
      await painted()
      if (mine !== ranking || top !== rows[0]) return // drawn anew meanwhile
      drawTo(Math.min(wanted, rows.length + DRAWN))
    }
    showEnd()
    watch()
  }
  const showHead = () => {
    const head = byId('list-head')
    const focused = head.contains(document.activeElement) && document.activeElement.dataset.field
    head.hidden = list.dataset.density !== 'list' || !view.length
    head.replaceChildren(...headers(order, ranking.actions?.onsort))
    if (focused !== false) head.querySelector(`[data-field="${focused}"]`).focus()
  }

  const hits = {
    /** How many hits are asked for first, where `shown` were seen before; all where they are to be sorted. */
    firstPiece: (shown = 0, isToSort = false) => FETCHED.find((count) => !isToSort && count >= shown) ?? FETCHED.at(-1),
    /**
     * Show a new ranking: {hits, total, of: how many it was made of, fetch(offset, k) for more hits, order,
     * isServed: whether they come in that order, isList: not a ranking, opened, context, actions}. Resolves when `drawn` of its
     * hits are drawn, and the first ones painted.
     */
    async show(found, drawn) {
      ranking = { ...found, hits: ranked(found.hits, 0) }
      order = found.order ?? ''
      opened = found.opened ?? []
      byId('problem').replaceChildren()
      if (isAll() || ranking.hits.length >= (isSortedHere() ? most() : drawn)) {
        return Promise.all([redraw(Math.max(drawn, FETCHED[0]), FIRST), painted()])
      }
      rows = []
      view = []
      const mine = ranking
      while (mine === ranking && !isAll() && mine.hits.length < (isSortedHere() ? most() : drawn)) await fetchMore()
      if (mine === ranking) await redraw(Math.max(drawn, FETCHED[0]), FIRST)
    },
    /** Draw what is drawn again, in the same places: its codes' titles have come. */
    async again(context) {
      ranking.context = context
      return keepFocus(() => redraw(Math.max(drawnTo(), FETCHED[0])))
    },
    /** Show the hits in another order, with other groups open. */
    async arrange(asked) {
      const isSame = asked.order === order
      const mine = ranking
      opened = asked.opened
      if (isSame) return rearrange()
      order = asked.order
      showHead()
      try {
        while (mine === ranking && !isAll()) await fetchMore()
      } catch (error) {
        return onerror(error)
      }
      if (mine === ranking) await redraw(drawnTo())
    },
    rearrange,
    setGrouped(grouped) {
      if (grouped === isGrouped) return
      isGrouped = grouped
      if (view.length) redraw(Math.max(drawnTo(), FETCHED[0]))
    },
    clear() {
      ranking = { hits: [], total: 0 }
      view = []
      rows = []
      wanted = 0
      list.replaceChildren()
      more.textContent = ''
      note.textContent = ''
      byId('list-head').hidden = true
    },
    /** Show 'cards', 'thumbs', which are the same cards drawn small, or a 'list'. */
    setDensity(density) {
      const isAsDrawn = (density === 'list') === (list.dataset.density === 'list')
      list.dataset.density = density
      if (view.length && !isAsDrawn) redraw(drawnTo())
    },
    total: () => ranking.total,
    /** How many can be gone through: without hidden and folded ones, as far as they are known. */
    onShow,
    /** Do what a key means at a place; whether it means something. */
    press(place, key) {
      const act = { s: ranking.actions?.onlist, x: ranking.actions?.onhide, g: view[place]?.alike && ranking.actions?.ongroup }[key]
      act?.(view[place])
      return Boolean(act)
    },
    focus: (place) => focusCard(rows[place]),
    placeOf: (row) => rows.indexOf(row),
    drawn: drawnTo,
    /** The hit at a place, fetched and drawn first where it is still to come; null past the end. */
    async at(place) {
      while (place >= view.length && !isAll()) await fetchMore()
      while (place >= rows.length && place < view.length) drawTo(rows.length + DRAWN)
      showEnd()
      return view[place] ?? null
    },
  }
  startKeys(list, hits)
  return hits
}

/** Resolves in the frame after the one that paints what is drawn, or later where nothing is painted. */
const painted = () => new Promise((resolve) => {
  requestAnimationFrame(() => requestAnimationFrame(resolve))
  setTimeout(resolve, UNSEEN_MS)
})

const ranked = (found, offset) => found.map((hit, at) => ({ ...hit, rank: offset + at + 1 }))

const endOf = ({ total, of, isList }) => {
  if (!total) return ''
  return of > total && !isList
    ? t('A ranking ends at %(most)s marks: narrow it by a filter.', { most: number(FETCHED.at(-1)) })
    : plural(total, 'That is all: %(n)s mark.', 'That is all: %(n)s marks.')
}

const chanceLine = (place) =>
  h('li', { class: 'chance' }, place
    ? t('From here on no mark is nearer than any query finds one by chance.')
    : t('No mark here is nearer than any query finds one by chance.'))

/** What is sorted, where that is not all. */
const sortedOf = ({ hits, of, isList }) => {
  if (!(of > hits.length)) return ''
  const values = { some: number(hits.length), all: number(of) }
  return isList
    ? t('Only the first %(some)s of %(all)s marks are sorted; by number or a date, all are.', values)
    : t('Only the nearest %(some)s of %(all)s marks are sorted: narrow them by a filter.', values)
}

const setTabs = (card, index) => {
  for (const control of card?.querySelectorAll('button, a') ?? []) control.tabIndex = index
}

let entered = null // the card in the tab order; arrow keys go from card to card

function enterCard(card) {
  if (card === entered) return
  setTabs(entered, -1)
  setTabs(card, 0)
  entered = card
}

function startKeys(list, hits) {
  list.addEventListener('focusin', (event) => enterCard(event.target.closest('.hit')))
  list.addEventListener('keydown', async (event) => {
    const at = hits.placeOf(event.target.closest('.hit'))
    if (at >= 0 && !event.ctrlKey && !event.metaKey && !event.altKey && hits.press(at, event.key)) return event.preventDefault()
    const columns = list.dataset.density === 'list' ? 1 : getComputedStyle(list).gridTemplateColumns.split(' ').length
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + columns,
      ArrowUp: at - columns,
      Home: 0,
      End: hits.drawn() - 1,
    }[event.key]
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    if (to >= 0 && (await hits.at(to))) hits.focus(to)
  })
}

export function focusCard(card) {
  if (!card) return
  enterCard(card)
  card.querySelector('.hit-picture').focus()
}

export function showSkeletons(count) {
  byId('problem').replaceChildren()
  const skeleton = () => h('li', { class: 'hit skeleton', 'aria-hidden': 'true' })
  byId('hits').replaceChildren(...Array.from({ length: count }, skeleton))
}
