// Zoom and position that several plates share, so that the same place is seen on all of them.

const STEP = 1.4
const MOST = 12

/** Make the plates within `area` zoom together; returns {by(factor), reset()}. */
export function startZoom(area, onchange) {
  let scale = 1
  let at = [0, 0] // by how much the pictures are moved, as shares of a plate

  const show = () => {
    const most = (scale - 1) / 2
    at = at.map((value) => Math.min(most, Math.max(-most, value)))
    for (const plate of plates()) {
      const drawing = plate.firstElementChild
      if (drawing) drawing.style.transform = `translate(${100 * at[0]}%, ${100 * at[1]}%) scale(${scale})`
      plate.classList.toggle('is-zoomed', scale > 1)
    }
    onchange(scale)
  }
  const plates = () => area.querySelectorAll('.comparison-plate')
  /** Zoom around a place of a plate: shares from its middle. */
  const by = (factor, around = [0, 0]) => {
    const next = Math.min(MOST, Math.max(1, scale * factor))
    at = at.map((value, axis) => around[axis] - ((around[axis] - value) * next) / scale)
    scale = next
    show()
  }
  const placeIn = (plate, event) => {
    const box = plate.getBoundingClientRect()
    return [(event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5]
  }

  area.addEventListener('wheel', (event) => {
    const plate = event.target.closest('.comparison-plate')
    if (!plate) return
    event.preventDefault()
    by(event.deltaY < 0 ? STEP : 1 / STEP, placeIn(plate, event))
  }, { passive: false })
  area.addEventListener('pointerdown', (event) => {
    const plate = event.target.closest('.comparison-plate')
    if (!plate || scale === 1 || event.button !== 0) return
    event.preventDefault()
    const box = plate.getBoundingClientRect()
    const [from, before] = [[event.clientX, event.clientY], at]
    const onmove = (moved) => {
      at = [before[0] + (moved.clientX - from[0]) / box.width, before[1] + (moved.clientY - from[1]) / box.height]
      show()
    }
    plate.setPointerCapture(event.pointerId)
    plate.addEventListener('pointermove', onmove)
    plate.addEventListener('lostpointercapture', () => plate.removeEventListener('pointermove', onmove), { once: true })
  })

  return {
    by: (step) => by(step > 0 ? STEP : 1 / STEP),
    show,
    reset() {
      scale = 1
      at = [0, 0]
      show()
    },
  }
}
