// The hits of a search as a grid or a list: fetched in growing pieces and drawn in small ones as one
// scrolls, with arrow keys from one to the next.

import { byId, h, icon } from './dom.js'
import { hitCard } from './cards.js'
import { folded } from './groups.js'
import { COLUMNS, hitRow, sorted } from './list.js'
import { number, plural, t } from './texts.js'

const FETCHED = [20, 100, 500, 1000] // how many hits are there after each request
const FIRST = 10 // of a new ranking, drawn before the others: what most windows show
const DRAWN = 20 // at once: a quarter of the time after which a task is a long one
const UNSEEN_MS = 500 // between pieces in a window that is not in sight
const NEAR = '600px' // how far below the window the next ones are drawn
const RANKED = { field: null, isDown: false }

/** Make the list. `onerror(error)` is told when more hits cannot be fetched. */
export function startHits(onerror) {
  const list = byId('hits')
  const more = byId('more')
  let ranking = { hits: [], total: 0 } // fetch(offset, k) gives more hits, context, actions
  let isGrouped = false // whether hits that show one sign are folded into the first of them
  let opened = new Set() // groups that are not
  let order = RANKED
  let view = [] // the hits in the order in which they are shown
  let rows = [] // the elements of those that are drawn
  let wanted = 0 // how many are drawn, or are about to be
  let redrawing = null // promise
  let fetching = null

  /** The place from which on hits are no better than chance; -1 where none is, or the order is another. */
  const chanceAt = () => (order.field ? -1 : view.findIndex(({ band }) => band === 'weak'))
  const rowOf = (hit, place) => {
    const make = list.dataset.density === 'list' ? hitRow : hitCard
    return make(hit, place, ranking.context, { ...ranking.actions, ongroup })
  }
  /** The hits to show, in their order: without those that a person hid, groups folded. */
  const arranged = () => {
    const kept = sorted(ranking.hits, order).filter(({ id }) => !ranking.actions?.isHidden?.(id))
    return isGrouped ? folded(kept, opened) : kept
  }
  /** Arrange anew and draw as much as was drawn; the focus stays at its mark, or else at its place. */
  const rearrange = async () => {
    const card = document.activeElement?.closest('.hit')
    const [place, id] = [rows.indexOf(card), card?.dataset.id]
    await redraw(Math.max(drawnTo(), FETCHED[0]))
    const stays = view.findIndex((hit) => hit.id === id)
    if (place >= 0) focusCard(rows[stays < 0 ? Math.min(place, rows.length - 1) : stays])
  }
  const ongroup = ({ group }) => {
    if (!opened.delete(group)) opened.add(group)
    rearrange()
  }
  const drawTo = (count) => {
    const from = rows.length
    const added = view.slice(from, count).map((hit, at) => rowOf(hit, from + at))
    for (const [at, row] of added.entries()) {
      setTabs(row, -1)
      if (from + at === chanceAt()) list.append(chanceLine(from + at))
      list.append(row)
    }
    rows.push(...added)
    if (from === 0) enterCard(rows[0])
  }
  const fetchMore = () => {
    const mine = ranking
    const offset = mine.hits.length
    const bound = FETCHED.find((count) => count > offset)
    fetching ??= mine.fetch(offset, bound - offset)
      .then((came) => {
        if (mine !== ranking) return
        mine.hits.push(...ranked(came, offset))
        if (!came.length) mine.total = mine.hits.length
        const before = view.slice(0, rows.length)
        view = arranged()
        // More of a group that is drawn already may have come.
        if (before.some((hit, at) => hit.id !== view[at].id || hit.alike !== view[at].alike)) redraw(drawnTo())
      })
      .finally(() => { fetching = null })
    return fetching
  }
  const drawnTo = () => Math.max(rows.length, wanted)
  const isAll = () => ranking.hits.length >= ranking.total
  const onShow = () => ranking.total - ranking.hits.length + view.length
  const grow = async () => {
    if (rows.length >= view.length && !isAll()) await fetchMore()
    drawTo(rows.length + DRAWN)
    showEnd()
  }
  const showEnd = () => {
    const left = onShow() - rows.length
    more.textContent = left > 0 ? plural(left, '%(n)s more mark below', '%(n)s more marks below') : endOf(ranking)
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
    byId('list-head').hidden = list.dataset.density !== 'list' || !view.length
    byId('list-head').replaceChildren(...headers(order, sortBy))
  }
  const sortBy = async (field) => {
    const drawn = drawnTo()
    const isDown = order.field === field && !order.isDown
    order = field === null ? RANKED : { field, isDown }
    showHead()
    try {
      while (order.field && !isAll()) await fetchMore()
    } catch (error) {
      return onerror(error)
    }
    await redraw(drawn)
    byId('list-head').querySelector(`[data-field="${field ?? ''}"]`).focus()
  }

  const hits = {
    /** How many hits are asked for first, where `shown` were seen before; all where they are to be sorted. */
    firstPiece: (shown = 0) => FETCHED.find((count) => !order.field && count >= shown) ?? FETCHED.at(-1),
    /** Show a new ranking; resolves when `drawn` of its hits are drawn, and the first ones painted. */
    async show(found, drawn) {
      ranking = { ...found, hits: ranked(found.hits, 0) }
      if (!isAll()) order = RANKED // sorting began after they were asked for
      opened = new Set()
      byId('problem').replaceChildren()
      await Promise.all([redraw(Math.max(drawn, FETCHED[0]), FIRST), painted()])
    },
    /** Draw what is drawn again, in the same places: its codes' titles have come. */
    async again(context) {
      ranking.context = context
      return rearrange()
    },
    rearrange,
    setGrouped(grouped) {
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
      byId('list-head').hidden = true
    },
    /** Show 'cards', 'thumbs', which are the same cards drawn small, or a 'list'. */
    setDensity(density) {
      const isAsDrawn = [density, list.dataset.density].every((one) => one !== 'list')
      list.dataset.density = density
      if (density !== 'list') order = RANKED
      if (view.length && !isAsDrawn) redraw(drawnTo())
    },
    total: () => ranking.total,
    /** How many can be gone through: without hidden and folded ones, as far as they are known. */
    onShow,
    /** Do what a key means at a place; whether it means something. */
    press(place, key) {
      const act = { s: ranking.actions?.onlist, x: ranking.actions?.onhide, g: view[place]?.alike && ongroup }[key]
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

const endOf = ({ total }) => {
  if (!total) return ''
  return total >= FETCHED.at(-1)
    ? t('A ranking ends at %(most)s marks: narrow it by a filter.', { most: number(FETCHED.at(-1)) })
    : plural(total, 'That is all: %(n)s mark.', 'That is all: %(n)s marks.')
}

const chanceLine = (place) =>
  h('li', { class: 'chance' }, place
    ? t('From here on no mark is nearer than any query finds one by chance.')
    : t('No mark here is nearer than any query finds one by chance.'))

const headers = (order, onsort) =>
  COLUMNS.map(({ field, title }) => {
    const isSorted = field !== undefined && order.field === field
    if (field === undefined) return h('span', {}, title)
    return h('button', {
      type: 'button', 'data-field': field ?? '', 'aria-pressed': String(isSorted),
      'aria-label': sortLabel(title.toLowerCase(), isSorted, order.isDown),
      onclick: () => onsort(field),
    }, title, isSorted && field !== null && icon(order.isDown ? 'down' : 'up'))
  })

function sortLabel(field, isSorted, isDown) {
  if (!isSorted) return t('Sort by %(field)s', { field })
  return isDown ? t('Sort by %(field)s, downwards now', { field }) : t('Sort by %(field)s, upwards now', { field })
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
