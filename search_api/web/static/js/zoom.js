// Zoom and position that several plates share, so that the same place is seen on all of them: where each has a
// box, the same place beside its box.

const STEP = 1.4
const MOST = 12
const PANNED = 0.1 // of a plate, by a key

/** Make the plates within `area` zoom together; returns {by(step), pan(across, down), show(), reset()}. */
export function startZoom(area, onchange) {
  let scale = 1
  let at = [0, 0] // by how much the boxes' middles are moved from the plates' middles, as shares of a drawing

  const drawings = () => [...area.querySelectorAll('.comparison-plate > :first-child')]
  const most = () => (scale - 1) / 2
  const held = (value, least, greatest) => Math.min(greatest, Math.max(least, value))
  /** By how much a drawing is moved: no further than to its edge. */
  const shiftOf = (drawing) => middleOf(drawing).map((middle, axis) => held(at[axis] - middle * scale, -most(), most()))

  /** Move them; not further than until the edge of the last of them is reached. */
  const moveTo = (wanted) => {
    const middles = drawings().map(middleOf)
    at = wanted.map((value, axis) => {
      const those = middles.map((middle) => middle[axis] * scale)
      return held(value, Math.min(...those) - most(), Math.max(...those) + most())
    })
  }
  const show = () => {
    const all = drawings()
    const shifts = all.map(shiftOf)
    for (const [place, drawing] of all.entries()) {
      const [x, y] = shifts[place]
      drawing.style.transform = `translate(${100 * x}%, ${100 * y}%) scale(${scale})`
      drawing.parentElement.classList.toggle('is-zoomed', scale > 1)
    }
    onchange(scale)
  }
  /** Zoom; around a place of a drawing, shares from its middle, or around each box. */
  const by = (factor, drawing = null, place = [0, 0]) => {
    const next = held(scale * factor, 1, MOST)
    const grown = next / scale
    if (drawing) {
      const [shift, middle] = [shiftOf(drawing), middleOf(drawing)]
      at = place.map((value, axis) => value - (value - shift[axis]) * grown + middle[axis] * next)
    } else at = at.map((value) => value * grown)
    if (next === 1) at = [0, 0]
    scale = next
    show()
  }
  const drawingAt = (event) => event.target.closest('.comparison-plate')?.firstElementChild
  const placeIn = (drawing, event) => {
    const box = drawing.parentElement.getBoundingClientRect()
    const { width, height } = drawing.getBoundingClientRect()
    return [
      ((event.clientX - box.left - box.width / 2) * scale) / width,
      ((event.clientY - box.top - box.height / 2) * scale) / height,
    ]
  }

  area.addEventListener('drawn', show)
  area.addEventListener('wheel', (event) => {
    const drawing = drawingAt(event)
    if (!drawing) return
    event.preventDefault()
    by(event.deltaY < 0 ? STEP : 1 / STEP, drawing, placeIn(drawing, event))
  }, { passive: false })
  area.addEventListener('pointerdown', (event) => {
    const drawing = drawingAt(event)
    if (!drawing || scale === 1 || event.button !== 0) return
    event.preventDefault()
    const plate = drawing.parentElement
    moveTo(at)
    const [from, before] = [placeIn(drawing, event), at]
    const onmove = (moved) => {
      moveTo(placeIn(drawing, moved).map((value, axis) => before[axis] + value - from[axis]))
      show()
    }
    plate.setPointerCapture(event.pointerId)
    plate.addEventListener('pointermove', onmove)
    plate.addEventListener('lostpointercapture', () => plate.removeEventListener('pointermove', onmove), { once: true })
  })

  return {
    by: (step) => by(step > 0 ? STEP : 1 / STEP),
    /** Look further across and down; whether there is more to see than fits. */
    pan(across, down) {
      if (scale === 1) return false
      moveTo(at)
      moveTo([at[0] - across * PANNED, at[1] - down * PANNED])
      show()
      return true
    },
    show,
    reset() {
      scale = 1
      at = [0, 0]
      show()
    },
  }
}

/** The middle of the box on a drawing, shares from the drawing's middle; without one it is that. */
function middleOf(drawing) {
  const box = drawing.querySelector('.box-line')?.getBoundingClientRect()
  if (!box) return [0, 0]
  const all = drawing.getBoundingClientRect()
  return [
    (box.left + box.width / 2 - all.left) / all.width - 0.5,
    (box.top + box.height / 2 - all.top) / all.height - 0.5,
  ]
}
