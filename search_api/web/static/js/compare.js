// Query and hit side by side at large size; arrow keys go through the hits, Esc closes.

import { imagePath } from './api.js'
import { bar, byId, h } from './dom.js'
import { blockLabel, codeTag, factsOf, focusCard, pageOf, score, titleOfMark } from './results.js'
import { codesOf, deepest, sharedCodes } from './vienna.js'

/** Make the dialog; returns open(place, compared), `compared` = {hits, query, queryCodes, asked}. */
export function startCompare() {
  const dialog = byId('compare-dialog')
  let compared = null
  let place = 0

  const show = () => {
    const hit = compared.hits[place]
    byId('compare-title').textContent = `${place + 1} of ${compared.hits.length} · ${titleOfMark(hit)}`
    byId('compare-body').replaceChildren(comparison(hit, compared))
    dialog.querySelector('[data-action="previous"]').disabled = place === 0
    dialog.querySelector('[data-action="next"]').disabled = place === compared.hits.length - 1
  }
  const go = (step) => {
    const to = place + step
    if (to < 0 || to >= compared.hits.length) return
    place = to
    show()
  }
  dialog.querySelector('[data-action="previous"]').addEventListener('click', () => go(-1))
  dialog.querySelector('[data-action="next"]').addEventListener('click', () => go(1))
  dialog.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!step) return
    event.preventDefault()
    go(step)
  })
  dialog.addEventListener('close', () => focusCard(byId('hits').children[place]))

  return (at, what) => {
    compared = what
    place = at
    show()
    dialog.showModal()
  }
}

/** Close buttons, and a click beside a dialog, close it. */
export function startDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.querySelector('[data-action="close-dialog"]').addEventListener('click', () => dialog.close())
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close()
    })
  }
}

export function comparison(hit, { query, queryCodes, asked }) {
  const mine = deepest(queryCodes)
  const theirs = codesOf(hit, asked)
  const src = imagePath(hit.id, { digest: hit.image_digest })
  const picture = h('img', { src, alt: titleOfMark(hit) })
  const shared = sharedCodes(queryCodes, theirs)
  return h(
    'div',
    { class: 'comparison' },
    side('Query', query.label, plate(query)),
    side('Hit', titleOfMark(hit), picture),
    h('div', { class: 'comparison-facts' },
      h('div', { class: 'comparison-scores' },
        measure('Score', hit.score),
        Object.entries(hit.scores).map(([name, cosine]) => measure(blockLabel(name), cosine))),
      h('div', { class: 'comparison-codes' },
        codeLine('Both', shared, 'is-shared'),
        codeLine('Query only', mine.filter((code) => !shared.includes(code))),
        codeLine('Hit only', theirs.filter((code) => !shared.includes(code))),
        h('p', { class: 'hit-meta' }, factsOf(hit).join(' · '))),
      h('div', { class: 'button-row' },
        h('a', { class: 'button', href: pageOf(hit.id) }, 'Open mark'))),
  )
}

const side = (role, label, picture) =>
  h('figure', { class: 'comparison-side' },
    h('figcaption', { class: 'hint' }, label ? `${role}: ${label}` : role),
    h('div', { class: 'comparison-plate' }, picture))

/** The query picture, or the part of it that was searched with. */
function plate({ src, crop, label, size }) {
  if (!src) return h('p', { class: 'hint' }, 'No preview of the query picture.')
  const image = h('img', { src, alt: label || 'Query picture' })
  if (!crop) return image
  const [,, width, height] = crop
  const canvas = h('canvas', { width, height, role: 'img', 'aria-label': 'Part of the query picture' })
  image.addEventListener('load', () => {
    const by = image.naturalWidth / size[0] // the server shows some formats scaled down
    const from = crop.map((value) => value * by)
    canvas.getContext('2d').drawImage(image, ...from, 0, 0, width, height)
  })
  return canvas
}

const measure = (label, value) =>
  h('div', {}, h('span', {}, label), bar(value), h('span', { class: 'number' }, score(value)))

function codeLine(label, codes, role) {
  const none = h('span', { class: 'hint' }, 'no code')
  const tags = codes.length ? codes.map((code) => codeTag(code, role)) : none
  return h('div', {}, h('span', { class: 'hint' }, label), h('div', { class: 'tags' }, tags))
}
