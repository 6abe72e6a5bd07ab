// A rectangle on a picture: drawn by dragging, moved, and pulled by its handles with mouse, finger
// or arrow keys. Boxes are [x, y, width, height] in the picture's own pixels.

import { h } from './dom.js'
import { t } from './texts.js'

const LEAST = 6 // screen pixels; less is a click
const NAMES = {
  nw: t('Move the top left with the arrow keys'),
  n: t('Move the top with the arrow keys'),
  ne: t('Move the top right with the arrow keys'),
  e: t('Move the right with the arrow keys'),
  se: t('Move the bottom right with the arrow keys'),
  s: t('Move the bottom with the arrow keys'),
  sw: t('Move the bottom left with the arrow keys'),
  w: t('Move the left with the arrow keys'),
}

/**
 * Make a frame around an image take a box. `onchange(box)` is called while it changes, `oncommit(box)`
 * when a drag ends, `onclick()` for a press that was no drag.
 */
export function startCropBox(frame, image, { hasHandles, onchange, oncommit, onclick }) {
  const handles = hasHandles ? Object.keys(NAMES).map(handle) : []
  const element = h('div', { class: 'crop-box', hidden: true }, handles)
  frame.append(element)
  let box = null
  let size = null // of the picture, in whose pixels boxes are measured

  const scale = () => size[0] / image.clientWidth
  const show = () => {
    element.hidden = !box || !size || !image.clientWidth
    if (element.hidden) return
    for (const [at, side] of ['left', 'top', 'width', 'height'].entries()) {
      element.style[side] = `${box[at] / scale()}px`
    }
  }
  const change = (next) => {
    box = within(next, size)
    show()
    onchange?.(box)
  }

  frame.addEventListener('pointerdown', (event) => {
    if (!size || event.button !== 0) return
    if (event.pointerType === 'touch' && !hasHandles) return
    event.preventDefault()
    const before = box
    const drag = dragOf(event, image, box?.map((value) => value / scale()))
    const onmove = (moved) => {
      const rectangle = drag(moved)
      if (rectangle) change(rectangle.map((value) => value * scale()))
    }
    event.target.focus?.({ preventScroll: true })
    frame.setPointerCapture(event.pointerId)
    frame.addEventListener('pointermove', onmove)
    frame.addEventListener('lostpointercapture', () => {
      frame.removeEventListener('pointermove', onmove)
      if (String(box) !== String(before)) oncommit?.(box)
      else onclick?.()
    }, { once: true })
  })
  element.addEventListener('keydown', (event) => {
    const [dx, dy] = STEPS[event.key] ?? []
    if (dx === undefined) return
    event.preventDefault()
    const by = Math.max(1, Math.round(Math.max(...size) / (event.shiftKey ? 20 : 200)))
    change(pulled(box, event.target.dataset.side ?? 'move', dx * by, dy * by))
  })
  new ResizeObserver(show).observe(image)

  return {
    /** Show a box, or none, on a picture of this size (null: it takes none). */
    set(chosen, measured) {
      size = measured
      box = chosen && size ? within(chosen, size) : null
      show()
    },
    box: () => box,
  }
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }

const handle = (side) =>
  h('button', {
    type: 'button', class: `crop-handle is-${side}`, 'data-side': side,
    'aria-label': NAMES[side],
  })

/** What a drag means: a handle pulled, the box moved, or a new box. */
function dragOf(start, image, current) {
  const area = image.getBoundingClientRect()
  const [x, y] = [start.clientX - area.left, start.clientY - area.top]
  const isWhole = current && current[2] >= area.width - 1 && current[3] >= area.height - 1
  const inside = current && !isWhole && x > current[0] && x < current[0] + current[2] &&
    y > current[1] && y < current[1] + current[3]
  const side = start.target.dataset?.side ?? (inside ? 'move' : null)
  return (event) => {
    const [dx, dy] = [event.clientX - start.clientX, event.clientY - start.clientY]
    if (side === 'move') {
      const left = Math.min(Math.max(0, current[0] + dx), area.width - current[2])
      const top = Math.min(Math.max(0, current[1] + dy), area.height - current[3])
      return [left, top, current[2], current[3]]
    }
    if (side) return pulled(current, side, dx, dy)
    if (Math.abs(dx) < LEAST || Math.abs(dy) < LEAST) return null
    return [Math.min(x, x + dx), Math.min(y, y + dy), Math.abs(dx), Math.abs(dy)]
  }
}

/** A box after one of its sides or corners, or ('move') all of it, went by [dx, dy]. */
function pulled([x, y, width, height], side, dx, dy) {
  if (side === 'move') return [x + dx, y + dy, width, height]
  let [left, top, right, bottom] = [x, y, x + width, y + height]
  if (side.includes('w')) left = Math.min(left + dx, right - 1)
  if (side.includes('e')) right = Math.max(right + dx, left + 1)
  if (side.includes('n')) top = Math.min(top + dy, bottom - 1)
  if (side.includes('s')) bottom = Math.max(bottom + dy, top + 1)
  return [left, top, right - left, bottom - top]
}

/** The box in whole pixels, held in the picture. */
export function within([x, y, w, h], [width, height]) {
  const left = Math.round(Math.min(Math.max(0, x), width - 1))
  const top = Math.round(Math.min(Math.max(0, y), height - 1))
  const right = Math.round(Math.min(Math.max(left + 1, x + w), width))
  const bottom = Math.round(Math.min(Math.max(top + 1, y + h), height))
  return [left, top, right - left, bottom - top]
}
