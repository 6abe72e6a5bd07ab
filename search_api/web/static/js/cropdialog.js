// The large dialog in which a part of the query picture is chosen, and the picture turned.

import { startCropBox, within } from './cropbox.js'
import { openDialog } from './dialogs.js'
import { byId, debounced } from './dom.js'
import { percent, plural } from './texts.js'

const TURNING_MS = 250
const ZOOMS = [1, 1.5, 2, 3, 4, 6, 8]
const NUMBERS = ['x', 'y', 'w', 'h']

/**
 * Make the dialog. `drawnAt(turn)` resolves to {src, size} of the picture turned, or null;
 * `onchoose({crop, turn})` is called once, when it is closed by its button. Returns open(view).
 */
export function startCropDialog(drawnAt, onchoose) {
  const dialog = byId('crop-dialog')
  const frame = byId('crop-frame')
  const image = byId('crop-image')
  const form = byId('crop-form')
  const angle = byId('crop-angle')
  const put = (box) => NUMBERS.forEach((name, at) => { form.elements[name].value = box ? box[at] : '' })
  const cropper = startCropBox(frame, image, { hasHandles: true, onchange: put })
  let straight = 0 // degrees, a multiple of 90, and
  let slant = 0 // what is added to it
  let size = null
  let zoom = 1

  /** Show a box; the whole picture, whose edges can be pulled, where there is none. */
  const setBox = (box) => {
    cropper.set(box ?? (size && [0, 0, ...size]), size)
    put(cropper.box())
  }
  const chosen = () => {
    const box = cropper.box()
    const isWhole = !box || (box[2] === size[0] && box[3] === size[1])
    return isWhole ? null : box
  }
  const fit = () => {
    if (!size) return
    const area = frame.parentElement
    const by = Math.min((area.clientWidth - 32) / size[0], (area.clientHeight - 32) / size[1])
    frame.style.width = `${size[0] * by * zoom}px`
    byId('crop-zoom').textContent = percent(zoom)
    setBox(cropper.box())
  }
  const turn = () => (((straight + slant) % 360) + 360) % 360
  const draw = async (box) => {
    const wanted = turn()
    const drawn = await drawnAt(wanted)
    if (wanted !== turn() || !drawn) return
    image.src = drawn.src
    await image.decode().catch(() => null)
    if (wanted !== turn()) return
    size = drawn.size
    setBox(box)
    fit()
  }
  const drawSoon = debounced(() => draw(null), TURNING_MS)
  const showTurn = () => {
    angle.value = slant
    angle.setAttribute('aria-valuetext', plural(slant, '%(n)s degree', '%(n)s degrees'))
    byId('crop-degrees').textContent = `${turn()}°`
  }
  const turnTo = (degrees, slanted) => {
    straight = degrees
    slant = slanted
    size = null // a box would be one of the picture as it was
    setBox(null)
    showTurn()
    drawSoon()
  }
  const zoomBy = (step) => {
    const at = ZOOMS.indexOf(zoom) + step
    zoom = step ? ZOOMS[Math.min(Math.max(0, at), ZOOMS.length - 1)] : 1
    fit()
  }

  const actions = {
    'turn-left': () => turnTo(straight - 90, slant),
    'turn-right': () => turnTo(straight + 90, slant),
    'zoom-in': () => zoomBy(1),
    'zoom-out': () => zoomBy(-1),
    'whole-picture': () => setBox(null),
    'use-crop': () => {
      drawSoon.flush()
      dialog.close()
      onchoose({ crop: chosen(), turn: turn() })
    },
  }
  for (const [name, act] of Object.entries(actions)) {
    dialog.querySelector(`[data-action="${name}"]`).addEventListener('click', act)
  }
  angle.addEventListener('input', () => turnTo(straight, Number(angle.value)))
  form.addEventListener('change', () => {
    const box = NUMBERS.map((name) => Number(form.elements[name].value))
    if (size && box[2] > 0 && box[3] > 0) setBox(within(box, size))
  })
  form.addEventListener('submit', (event) => event.preventDefault()) // Enter presses the button
  frame.parentElement.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return
    event.preventDefault()
    zoomBy(event.deltaY < 0 ? 1 : -1)
  }, { passive: false })
  dialog.addEventListener('keydown', (event) => {
    const step = { '+': 1, '-': -1, 0: 0 }[event.key]
    if (step === undefined || event.target.matches('input') || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    zoomBy(step)
  })
  new ResizeObserver(fit).observe(frame.parentElement)

  return async (view) => {
    straight = Math.round(view.turn / 90) * 90
    slant = view.turn - straight
    zoom = 1
    size = null
    showTurn()
    openDialog(dialog)
    dialog.querySelector('[data-action="use-crop"]').focus()
    await draw(view.crop)
  }
}
