// Query and hit side by side at large size, zoomed together; arrow keys go through the hits, Esc
// closes.

import { imagePath } from './api.js'
import { openDialog } from './dialogs.js'
import { bar, byId, h, icon } from './dom.js'
import { figure } from './figure.js'
import { isByPart } from './cards.js'
import {
  bandOf, blockLabel, codeTag, factsOf, matchOf as wordsMatch, meaningOf, pageOf, score, titleOfMark,
} from './results.js'
import { number, percent, t } from './texts.js'
import { codesOf, deepest, sharedCodes } from './vienna.js'
import { startZoom } from './zoom.js'

const MOST_PLACES = 40 // more would hide the pictures
const PANS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

/** Make the dialog; returns open(place, compared), `compared` = {hits, queryOf, desk, queryCodes, asked}: `hits` as
 *  `startHits` returns them, `queryOf(hit)` {label, source} as `figure` takes it, `desk` what a card takes to
 *  shortlist and hide a hit, or nothing. */
export function startCompare() {
  const dialog = byId('compare-dialog')
  const control = (action) => dialog.querySelector(`[data-action="${action}"]`)
  const zoom = startZoom(byId('compare-body'), (scale) => {
    byId('compare-zoom').textContent = percent(scale)
  })
  let compared = null
  let place = 0
  let shown = null // the hit there

  const go = async (to) => {
    const hit = to < 0 ? null : await compared.hits.at(to)
    if (hit) {
      place = to
      shown = hit
      byId('compare-body').replaceChildren(comparison(hit, { ...compared, query: compared.queryOf(hit), star, hide }))
      zoom.show()
    }
    // Also where none came: how many there are is known then.
    const total = compared.hits.onShow()
    const values = { place: number(place + 1), total: number(total), mark: titleOfMark(shown) }
    byId('compare-title').textContent = t('%(place)s of %(total)s · %(mark)s', values)
    control('previous').disabled = place === 0
    control('next').disabled = place === total - 1
    return Boolean(hit)
  }
  const star = () => {
    compared.desk.onlist(shown)
    control('star').setAttribute('aria-pressed', String(compared.desk.isListed(shown.id)))
  }
  /** Hide the hit and go to the next one, or to the last. */
  const hide = async () => {
    compared.desk.onhide(shown)
    if (!(await go(place)) && !(await go(place - 1))) dialog.close()
  }
  const actions = {
    previous: () => go(place - 1),
    next: () => go(place + 1),
    'zoom-in': () => zoom.by(1),
    'zoom-out': () => zoom.by(-1),
    'zoom-fit': zoom.reset,
  }
  for (const [name, act] of Object.entries(actions)) control(name).addEventListener('click', act)
  const keys = {
    ArrowRight: 'next', ArrowLeft: 'previous', '+': 'zoom-in', '=': 'zoom-in', '-': 'zoom-out', 0: 'zoom-fit',
  }
  /** Arrows up and down, and all with Shift, look further on the pictures where these are zoomed. */
  const pans = ({ key, shiftKey }) => {
    const step = PANS[key]
    return step && (shiftKey || step[1]) && zoom.pan(...step)
  }
  dialog.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (pans(event)) return event.preventDefault()
    const act = actions[keys[event.key]] ?? (compared.desk && { s: star, x: hide }[event.key])
    if (!act) return
    event.preventDefault()
    act()
  })
  dialog.addEventListener('close', () => compared.hits.focus(place))

  return async (at, what) => {
    compared = what
    await go(at)
    zoom.reset()
    openDialog(dialog)
    control('next').focus()
  }
}

function comparison(hit, { query, queryCodes, asked, desk, star, hide }) {
  const mine = deepest(queryCodes)
  const theirs = codesOf(hit, asked)
  const source = { src: imagePath(hit.id, { digest: hit.image_digest }) }
  const shared = sharedCodes(queryCodes, theirs)
  const matched = matchOf(hit)
  return h(
    'div',
    { class: 'comparison' },
    side(t('Query'), query.label, figure(query.source, query.label || t('Query picture'), matched.query)),
    side(t('Hit'), titleOfMark(hit), figure(source, titleOfMark(hit), matched.mark)),
    h('div', { class: 'comparison-facts' },
      h('div', { class: 'comparison-scores' },
        hit.band && h('p', {}, h('strong', {}, bandOf(hit)), `: ${meaningOf(hit)}`),
        isByPart(hit) && h('p', { class: 'hint' }, t('Matched by a part: outlined.')),
        hit.places?.points.length > 0 && placesSwitch(hit.places.share),
        measure(t('Score'), hit.score),
        Object.entries(hit.scores).map(([name, cosine]) => measure(blockLabel(name), cosine)),
        hit.match && h('p', { class: 'hint' }, wordsMatch(hit.match)),
        hit.same_codes > 0 && measure(t('Same codes'), hit.same_codes)),
      h('div', { class: 'comparison-codes' },
        codeLine(t('Both'), shared, 'is-shared'),
        codeLine(t('Query only'), mine.filter((code) => !shared.includes(code))),
        codeLine(t('Hit only'), theirs.filter((code) => !shared.includes(code))),
        h('p', { class: 'hit-meta' }, factsOf(hit).join(' · '))),
      h('div', { class: 'button-row' },
        desk && [
          h('button', {
            type: 'button', class: 'button is-star', 'data-action': 'star', title: t('Shortlist (key s)'), onclick: star,
            'aria-pressed': String(desk.isListed(hit.id)),
          }, icon('star'), t('Shortlist')),
          h('button', { type: 'button', class: 'button', title: t('Hide (key x)'), onclick: hide }, icon('hide'), t('Hide')),
        ],
        h('a', { class: 'button', href: pageOf(hit.id) }, t('Open mark')))),
  )
}

/** What is drawn on query and mark: outlines of the parts that matched, and the places that did. */
function matchOf(hit) {
  const points = (hit.places?.points ?? []).slice(0, MOST_PLACES).sort(([x, y], [u, v]) => x + y - u - v)
  const hues = points.map((_, at) => Math.round((320 * at) / points.length)) // neighbours are alike
  const boxes = isByPart(hit) ? [hit.pair.query_box, hit.pair.mark_box] : [null, null]
  return {
    query: { box: boxes[0], places: points.map(([x, y], at) => [x, y, hues[at]]) },
    mark: { box: boxes[1], places: points.map(([,, x, y], at) => [x, y, hues[at]]) },
  }
}

/** A switch for the dots, which hide what is below them; it holds for all hits. */
const placesSwitch = (share) =>
  h('label', { class: 'choice' },
    h('input', {
      type: 'checkbox', checked: !document.body.classList.contains('is-without-places'),
      onchange: ({ target }) => document.body.classList.toggle('is-without-places', !target.checked),
    }),
    h('span', {}, t('Show the places that match (%(share)s of the query)', { share: percent(share) })))

const side = (role, label, picture) =>
  h('figure', { class: 'comparison-side' },
    h('figcaption', { class: 'hint' }, label ? t('%(role)s: %(name)s', { role, name: label }) : role),
    h('div', { class: 'comparison-plate' }, picture))

const measure = (label, value) =>
  h('div', {}, h('span', {}, label), bar(value), h('span', { class: 'number' }, score(value)))

function codeLine(label, codes, role) {
  const none = h('span', { class: 'hint' }, t('no code'))
  const tags = codes.length ? codes.map((code) => codeTag(code, role)) : none
  return h('div', {}, h('span', { class: 'hint' }, label), h('div', { class: 'tags' }, tags))
}
