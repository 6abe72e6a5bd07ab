// A hit as a card.

import { imagePath } from './api.js'
import { bar, h, icon, svg } from './dom.js'
import { boxLines } from './figure.js'
import {
  bandOf, blockLabel, codeTags, matchOf, meaningOf, pageOf, score, statusAndDates, titleOfMark,
} from './results.js'
import { number, plural, t } from './texts.js'

const EAGER = 12 // hits whose pictures are loaded before they are scrolled to
const AGAIN = { ms: 2000, times: 5 } // that a picture is asked for which a busy server refused

/** A card. `actions`: oncompare(place) or onopen(hit), onsearch(event, hit),
 *  onpoint(hit or null); `context`: queryCodes, asked. */
export function hitCard(hit, place, context, actions) {
  const title = titleOfMark(hit)
  const names = [title !== hit.id && hit.id, hit.office, hit.owner].filter(Boolean).join(' · ')
  const facts = statusAndDates(hit)
  const tags = codeTags(hit, context.queryCodes, context.asked)
  if (hit.pair?.query) tags.unshift(h('span', { class: 'tag is-part' }, t('like a part of the query')))
  if (isCompared(hit) && hit.match) tags.unshift(h('span', { class: 'tag is-part' }, matchOf(hit.match)))
  if (hit.pair?.picture) tags.unshift(h('span', { class: 'tag is-part' }, t('by picture %(number)s', { number: hit.pair.picture + 1 })))
  return h(
    'li',
    { class: `hit${hit.isMember ? ' is-member' : ''}`, 'data-id': hit.id },
    hitPicture(hit, place, actions, 320),
    groupButton(hit, actions),
    h(
      'div',
      { class: 'hit-body' },
      h('div', { class: 'hit-score' },
        h('span', { class: 'hit-rank' }, hit.rank),
        isCompared(hit)
          ? [
              h('span', { class: `hit-value is-${hit.band ?? 'unknown'}`, title: meaningOf(hit) }, bandOf(hit)),
              bar(hit.probability ?? hit.score),
            ]
          : h('span', { class: 'hint' }, hit.match && matchOf(hit.match))),
      h('div', {},
        h('p', { class: 'hit-title', title }, title),
        names && h('p', { class: 'hit-meta', title: names }, names),
        facts.length > 0 && h('p', { class: 'hit-dates' }, facts.map((fact) => h('span', {}, fact)))),
      isCompared(hit)
        && h('div', { class: 'blocks' }, Object.entries(hit.scores).map(([name, cosine]) => block(name, cosine))),
      tags.length > 0 && h('div', { class: 'tags' }, tags),
    ),
    hitActions(hit, actions),
    deskButtons(hit, actions),
  )
}

/** Whether it was compared with a query; those of a list are not. */
const isCompared = (hit) => hit.score !== undefined

/** The picture of a hit, a button that compares it with the query, or opens one of a list. */
export function hitPicture(hit, place, actions, size) {
  const title = titleOfMark(hit)
  const part = isByPart(hit) ? t(', matched by a part') : ''
  const picture = hit.image && h('img', {
    src: imagePath(hit.id, { size, digest: hit.image_digest }),
    alt: '',
    loading: place < EAGER ? null : 'lazy',
    draggable: 'false',
  })
  if (picture) askAgain(picture)
  if (picture && hit.pair?.mark) outline(picture, hit.pair.mark_box)
  return h(
    'button',
    {
      type: 'button',
      class: 'hit-picture',
      'aria-label': isCompared(hit)
        ? t('%(rank)s. %(mark)s, %(near)s%(part)s. Compare', { rank: hit.rank, mark: title, near: nearnessOf(hit), part })
        : t('%(rank)s. %(mark)s. Open', { rank: hit.rank, mark: title }),
      title: `${title}${part}`,
      onclick: () => (isCompared(hit) ? actions.oncompare(place) : actions.onopen(hit)),
      onpointerenter: () => actions.onpoint?.(hit),
      onpointerleave: () => actions.onpoint?.(null),
      onfocus: () => actions.onpoint?.(hit),
      onblur: () => actions.onpoint?.(null),
    },
    picture || h('span', { class: 'hint' }, t('No picture')),
  )
}

const nearnessOf = (hit) =>
  [hit.band && bandOf(hit), t('score %(score)s', { score: score(hit.score) }), hit.match && matchOf(hit.match)]
    .filter(Boolean).join(', ')

/** Whether a part of the query or of the mark takes part in the pair that matched best. */
export const isByPart = ({ pair }) => Boolean(pair && (pair.query || pair.mark))

/** Show nothing in place of a picture that does not come, and ask for it again. */
function askAgain(picture) {
  let left = AGAIN.times
  picture.addEventListener('load', () => picture.classList.remove('is-missing'))
  picture.addEventListener('error', () => {
    picture.classList.add('is-missing')
    if (left-- > 0) setTimeout(() => { if (picture.isConnected) picture.src = picture.getAttribute('src') }, AGAIN.ms)
  })
}

/** Outline what matched on the picture, once its proportions are known. */
function outline(picture, box) {
  picture.addEventListener('load', () => {
    const size = [picture.naturalWidth, picture.naturalHeight]
    const lines = svg('svg', { class: 'hit-lines', viewBox: `0 0 ${size.join(' ')}`, 'aria-hidden': 'true' })
    lines.append(...boxLines(box, ...size))
    picture.after(lines)
  }, { once: true })
}

/** Folds the hits that show the same sign, or shows them. */
export const groupButton = (hit, { ongroup }) =>
  hit.alike && h('button', {
    type: 'button', class: 'hit-group', 'aria-expanded': String(hit.isOpen), onclick: () => ongroup(hit),
    'aria-label': plural(hit.alike, '+%(n)s that shows the same sign', '+%(n)s that show the same sign'),
    title: plural(hit.alike, '+%(n)s that shows the same sign', '+%(n)s that show the same sign'),
  }, `+${number(hit.alike)}`)

/** Puts a hit on the shortlist, or hides it. */
export const deskButtons = (hit, { onlist, onhide, isListed }) =>
  onlist && h('div', { class: 'hit-desk' },
    h('button', {
      type: 'button', class: 'button is-icon is-star', 'aria-pressed': String(isListed(hit.id)), title: t('Shortlist (key s)'),
      'aria-label': t('Shortlist %(mark)s', { mark: titleOfMark(hit) }), onclick: () => onlist(hit),
    }, icon('star')),
    h('button', {
      type: 'button', class: 'button is-icon', title: t('Hide (key x)'),
      'aria-label': t('Hide %(mark)s', { mark: titleOfMark(hit) }), onclick: () => onhide(hit),
    }, icon('hide')))

export function hitActions(hit, actions) {
  return h(
    'div',
    { class: 'hit-actions' },
    h('a', {
      class: 'button is-quiet', href: `/?mark_id=${encodeURIComponent(hit.id)}`,
      onclick: (event) => actions.onsearch?.(event, hit),
    }, icon('search'), t('Search from this')),
    h('a', { class: 'button is-quiet', href: pageOf(hit.id), 'aria-label': t('Open %(mark)s', { mark: titleOfMark(hit) }) }, t('Open')),
  )
}

const block = (name, cosine) =>
  h('div', { class: 'block', title: `${blockLabel(name)} ${score(cosine)}` },
    h('span', {}, score(cosine, 2)), bar(cosine), h('span', { class: 'block-name' }, blockLabel(name)))
