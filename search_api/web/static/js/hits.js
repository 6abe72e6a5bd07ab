// The hits of a search as a grid or a list: fetched in growing pieces and drawn in small ones as one
// scrolls, with arrow keys from one to the next.

import { byId, h, icon, plural } from './dom.js'
import { hitCard } from './cards.js'
import { COLUMNS, hitRow, sorted } from './list.js'

const FETCHED = [20, 100, 500, 1000] // how many hits are there after each request
const DRAWN = 40 // at once; some milliseconds of work
const NEAR = '600px' // how far below the window the next ones are drawn

/** How many hits are asked for first, where `shown` were seen before. */
export const firstPiece = (shown = 0) => FETCHED.find((count) => count >= shown) ?? FETCHED.at(-1)

/** Make the list. `onerror(error)` is told when more hits cannot be fetched. */
export function startHits(onerror) {
  const list = byId('hits')
  const more = byId('more')
  let ranking = { hits: [], total: 0 } // fetch(offset, k) gives more hits, context, actions
  let order = { field: null, isDown: false } // null: as ranked
  let view = [] // the hits in the order in which they are shown
  let fetching = null

  const rowOf = (hit, place) => {
    const make = list.dataset.density === 'list' ? hitRow : hitCard
    return make(hit, place, ranking.context, ranking.actions)
  }
  const drawTo = (count) => {
    const from = list.childElementCount
    const rows = view.slice(from, count).map((hit, at) => rowOf(hit, from + at))
    for (const row of rows) setTabs(row, -1)
    list.append(...rows)
    if (from === 0) enterCard(list.firstElementChild)
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
        view = sorted(mine.hits, order)
      })
      .finally(() => { fetching = null })
    return fetching
  }
  const isAll = () => ranking.hits.length >= ranking.total
  const grow = async () => {
    if (list.childElementCount >= view.length && !isAll()) await fetchMore()
    drawTo(list.childElementCount + DRAWN)
    showEnd()
  }
  const showEnd = () => {
    const left = ranking.total - list.childElementCount
    more.textContent = left > 0 ? `${plural(left, 'more mark')} below` : endOf(ranking)
  }

  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.at(-1).isIntersecting || !ranking.hits.length) return
    const before = list.childElementCount
    await grow().catch(onerror)
    if (list.childElementCount !== before) watch()
  }, { rootMargin: NEAR })
  /** Observe the end anew: it may still be in sight. */
  const watch = () => {
    observer.unobserve(more)
    observer.observe(more)
  }

  const redraw = (count) => {
    list.replaceChildren()
    view = sorted(ranking.hits, order)
    drawTo(count)
    showHead()
    showEnd()
    watch()
  }
  const showHead = () => {
    byId('list-head').hidden = list.dataset.density !== 'list' || !view.length
    byId('list-head').replaceChildren(...headers(order, sortBy))
  }
  const sortBy = async (field) => {
    const drawn = list.childElementCount
    const isDown = order.field === field && !order.isDown
    order = field === null ? { field: null, isDown: false } : { field, isDown }
    showHead()
    try {
      while (order.field && !isAll()) await fetchMore()
    } catch (error) {
      return onerror(error)
    }
    redraw(drawn)
    byId('list-head').querySelector(`[data-field="${field ?? ''}"]`).focus()
  }

  const hits = {
    /** Show a new ranking, `drawn` of its hits at once. */
    show(found, drawn) {
      ranking = { ...found, hits: ranked(found.hits, 0) }
      byId('problem').replaceChildren()
      redraw(Math.max(drawn, FETCHED[0]))
    },
    /** Draw what is drawn again, in the same places: its codes' titles have come. */
    again(context) {
      ranking.context = context
      const place = [...list.children].indexOf(document.activeElement?.closest('.hit'))
      redraw(list.childElementCount)
      if (place >= 0) focusCard(list.children[place])
    },
    clear() {
      ranking = { hits: [], total: 0 }
      view = []
      list.replaceChildren()
      more.textContent = ''
      byId('list-head').hidden = true
    },
    setDensity(density) {
      list.dataset.density = density
      if (density !== 'list') order = { field: null, isDown: false }
      if (view.length) redraw(list.childElementCount)
    },
    total: () => ranking.total,
    drawn: () => list.childElementCount,
    /** The hit at a place, fetched and drawn first where it is still to come; null past the end. */
    async at(place) {
      while (place >= view.length && !isAll()) await fetchMore()
      while (place >= list.childElementCount && place < view.length) drawTo(list.childElementCount + DRAWN)
      showEnd()
      return view[place] ?? null
    },
  }
  startKeys(list, hits)
  return hits
}

const ranked = (found, offset) => found.map((hit, at) => ({ ...hit, rank: offset + at + 1 }))

const endOf = ({ total }) => {
  if (!total) return ''
  return total >= FETCHED.at(-1)
    ? 'A ranking ends at 1,000 marks: narrow it by a filter.'
    : `That is all: ${plural(total, 'mark')}.`
}

const headers = (order, onsort) =>
  COLUMNS.map(({ field, title }) => {
    const isSorted = field !== undefined && order.field === field
    if (field === undefined) return h('span', {}, title)
    return h('button', {
      type: 'button', 'data-field': field ?? '', 'aria-pressed': String(isSorted),
      'aria-label': `Sort by ${title.toLowerCase()}${isSorted ? (order.isDown ? ', downwards now' : ', upwards now') : ''}`,
      onclick: () => onsort(field),
    }, title, isSorted && field !== null && icon(order.isDown ? 'down' : 'up'))
  })

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
    const at = [...list.children].indexOf(event.target.closest('.hit'))
    const columns = list.dataset.density === 'list' ? 1 : getComputedStyle(list).gridTemplateColumns.split(' ').length
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + columns,
      ArrowUp: at - columns,
      Home: 0,
      End: list.childElementCount - 1,
    }[event.key]
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    if (to >= 0 && (await hits.at(to))) focusCard(list.children[to])
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
