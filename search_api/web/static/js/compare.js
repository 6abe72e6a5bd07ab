// Query and hit side by side at large size, zoomed together; arrow keys go through the hits, Esc
// closes.

import { imagePath } from './api.js'
import { openDialog } from './dialogs.js'
import { bar, byId, h } from './dom.js'
import { figure } from './figure.js'
import { isByPart } from './cards.js'
import {
  bandOf, blockLabel, codeTag, factsOf, matchOf as wordsMatch, meaningOf, pageOf, score, titleOfMark,
} from './results.js'
import { number, percent, t } from './texts.js'
import { codesOf, deepest, sharedCodes } from './vienna.js'
import { startZoom } from './zoom.js'

const MOST_PLACES = 40 // more would hide the pictures

/** Make the dialog; returns open(place, compared), `compared` = {hits, queryOf, queryCodes, asked}:
 *  `hits` as `startHits` returns them, `queryOf(hit)` {label, source} as `figure` takes it. */
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
      byId('compare-body').replaceChildren(comparison(hit, { ...compared, query: compared.queryOf(hit) }))
      zoom.show()
    }
    // Also where none came: how many there are is known then.
    const total = compared.hits.onShow()
    const values = { place: number(place + 1), total: number(total), mark: titleOfMark(shown) }
    byId('compare-title').textContent = t('%(place)s of %(total)s · %(mark)s', values)
    control('previous').disabled = place === 0
    control('next').disabled = place === total - 1
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
  dialog.addEventListener('keydown', (event) => {
    const act = actions[keys[event.key]]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
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

function comparison(hit, { query, queryCodes, asked }) {
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
