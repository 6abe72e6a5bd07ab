// A picture as an SVG, so that boxes and places drawn on it stay where they belong at any size.

import { h, icon, svg } from './dom.js'
import { t } from './texts.js'

/**
 * Make the figure. `source` is {src, part} or a promise of it, or of null where nothing can be shown:
 * `part` is what is shown of the picture, [left, top, right, bottom] as shares of width and height.
 * `marks`: {box, places} to be drawn on it, as shares of the picture.
 */
export function figure(source, label, marks = {}) {
  const drawing = svg('svg', { class: 'figure', role: 'img', 'aria-label': label })
  Promise.resolve(source)
    .then((shown) => fill(drawing, shown, marks))
    .then(() => drawing.dispatchEvent(new Event('drawn', { bubbles: true })))
  return drawing
}

async function fill(drawing, shown, { box, places = [] }) {
  const size = shown && (await sizeOf(shown.src))
  if (!size) return drawing.replaceWith(missing())
  const [width, height] = size
  const [left, top, right, bottom] = shown.part ?? [0, 0, 1, 1]
  const part = { width: (right - left) * width, height: (bottom - top) * height }
  drawing.setAttribute('viewBox', `0 0 ${part.width} ${part.height}`)
  const image = svg('image', { href: shown.src, x: -left * width, y: -top * height, width, height })
  const view = svg('svg', { ...part, overflow: 'hidden' }, image)
  const drawn = [...placeDots(places, width, height, Math.max(part.width, part.height) / 36), ...boxLines(box, width, height)]
  drawing.replaceChildren(view, svg('g', { transform: `translate(${-left * width} ${-top * height})` }, ...drawn))
}

/** A box as a line that keeps its width at any zoom; none where it is the whole picture. */
export function boxLines(box, width, height) {
  if (!box) return []
  const [left, top, right, bottom] = box
  const at = {
    x: left * width, y: top * height, width: (right - left) * width, height: (bottom - top) * height,
  }
  return [svg('rect', { class: 'box-halo', ...at }), svg('rect', { class: 'box-line', ...at })]
}

/** Matching places, [x, y, hue]: a place and its fellow on the other picture have one hue. */
const placeDots = (places, width, height, r) =>
  places.map(([x, y, hue]) =>
    svg('circle', {
      class: 'place', cx: x * width, cy: y * height, r,
      fill: `hsl(${hue} 90% 45%)`,
    }))

/** Natural width and height; null where it cannot be shown. */
export async function sizeOf(src) {
  const image = new Image()
  image.src = src
  try {
    await image.decode()
  } catch {
    return null
  }
  return [image.naturalWidth, image.naturalHeight]
}

/** In a small tile the sign stands for the sentence. */
const missing = () => h('p', { class: 'hint no-picture' }, icon('alert'), h('span', {}, t('No preview of this picture.')))
