// Choosing a part of the query picture: by dragging a rectangle on it, or by typing four numbers.

import { byId } from './dom.js'

const LEAST = 6 // screen pixels; less is a click

/** Make the stage; `oncrop(box)` is called with a new box [x, y, w, h] in picture pixels, or null. */
export function startCrop(oncrop) {
  const stage = byId('stage')
  const frame = stage.querySelector('.stage-frame')
  const image = byId('query-image')
  const form = byId('crop-form')
  const button = document.querySelector('[data-action="crop"]')
  let box = null
  let size = null // width and height that boxes are measured in

  const scale = () => size[0] / image.clientWidth
  const show = () => {
    const element = byId('crop-box')
    element.hidden = !box || !image.clientWidth || !size
    if (!element.hidden) {
      const by = 1 / scale()
      for (const [at, side] of ['left', 'top', 'width', 'height'].entries()) {
        element.style[side] = `${box[at] * by}px`
      }
    }
    for (const [at, name] of ['x', 'y', 'w', 'h'].entries()) form.elements[name].value = box ? box[at] : ''
  }
  const commit = (chosen) => {
    box = chosen && size ? within(chosen, size) : null
    show()
    oncrop(box)
  }

  frame.addEventListener('pointerdown', (event) => {
    const touched = event.pointerType === 'touch' && !stage.classList.contains('is-cropping')
    if (!size || touched || event.button !== 0) return
    event.preventDefault()
    const before = box
    const drag = dragged(event, image, before && size ? before.map((value) => value / scale()) : null)
    const onmove = (moved) => {
      const rectangle = drag(moved)
      if (rectangle) box = within(rectangle.map((value) => value * scale()), size)
      show()
    }
    frame.setPointerCapture(event.pointerId)
    frame.addEventListener('pointermove', onmove)
    frame.addEventListener('pointerup', () => {
      frame.removeEventListener('pointermove', onmove)
      if (String(box) !== String(before)) oncrop(box)
    }, { once: true })
  })

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    const numbers = ['x', 'y', 'w', 'h'].map((name) => Number(form.elements[name].value))
    if (numbers[2] > 0 && numbers[3] > 0) commit(numbers)
  })
  form.querySelector('[data-action="clear-crop"]').addEventListener('click', () => commit(null))
  button.addEventListener('click', () => {
    const on = stage.classList.toggle('is-cropping')
    button.setAttribute('aria-pressed', String(on))
    if (on) byId('crop-numbers').open = true
  })
  image.addEventListener('load', show)
  new ResizeObserver(show).observe(image)

  return {
    /** Show a box without calling `oncrop`; `measured` is null where boxes make no sense. */
    set(chosen, measured) {
      box = chosen
      size = measured
      stage.classList.toggle('is-fixed', !measured)
      button.hidden = !measured
      byId('crop-numbers').hidden = !measured
      show()
    },
  }
}

/** What a drag means: the box moved, where it began inside of it; else a new box. */
function dragged(start, image, current) {
  const area = image.getBoundingClientRect()
  const [x, y] = [start.clientX - area.left, start.clientY - area.top]
  const inside =
    current &&
    x > current[0] && x < current[0] + current[2] &&
    y > current[1] && y < current[1] + current[3]
  return (event) => {
    const [dx, dy] = [event.clientX - start.clientX, event.clientY - start.clientY]
    if (inside) {
      const left = Math.min(Math.max(0, current[0] + dx), area.width - current[2])
      const top = Math.min(Math.max(0, current[1] + dy), area.height - current[3])
      return [left, top, current[2], current[3]]
    }
    if (Math.abs(dx) < LEAST || Math.abs(dy) < LEAST) return null
    return [Math.min(x, x + dx), Math.min(y, y + dy), Math.abs(dx), Math.abs(dy)]
  }
}

function within([x, y, w, h], [width, height]) {
  const left = Math.round(Math.min(Math.max(0, x), width - 1))
  const top = Math.round(Math.min(Math.max(0, y), height - 1))
  const right = Math.round(Math.min(Math.max(left + 1, x + w), width))
  const bottom = Math.round(Math.min(Math.max(top + 1, y + h), height))
  return [left, top, right - left, bottom - top]
}
