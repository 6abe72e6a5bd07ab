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
  const area = frame.parentElement
  const image = byId('crop-image')
  const form = byId('crop-form')
  const angle = byId('crop-angle')
  const put = (box) => NUMBERS.forEach((name, at) => { form.elements[name].value = box ? box[at] : '' })
  const cropper = startCropBox(frame, image, { hasHandles: true, onchange: put })
  let straight = 0 // degrees, a multiple of 90, and
  let slant = 0 // what is added to it
  let size = null // of the picture as it is turned; null until it is drawn so
  let carried = null // {box, size, turn}: what was chosen before the picture was turned
  let drawing = null // promise
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
  /** The place on the screen that is zoomed around: the middle of the box, or of what is in sight. */
  const middle = () => {
    const seen = area.getBoundingClientRect()
    const shown = image.getBoundingClientRect()
    const [x, y, w, h] = chosen() ?? [0, 0, 0, 0]
    const [left, top] = [shown.left + (x + w / 2) * shown.width / size[0], shown.top + (y + h / 2) * shown.height / size[1]]
    const isSeen = w && left > seen.left && left < seen.right && top > seen.top && top < seen.bottom
    return isSeen ? [left, top] : [seen.left + seen.width / 2, seen.top + seen.height / 2]
  }
  /** Size the picture by room and zoom; what is at a place on the screen stays there. */
  const fit = (place = null) => {
    if (!size) return
    const [left, top] = place ?? middle()
    const before = image.getBoundingClientRect()
    const by = Math.min((area.clientWidth - 32) / size[0], (area.clientHeight - 32) / size[1])
    frame.style.width = `${size[0] * by * zoom}px`
    byId('crop-zoom').textContent = percent(zoom)
    setBox(cropper.box())
    if (!before.width || !before.height) return
    const after = image.getBoundingClientRect()
    area.scrollLeft += after.left - left + (left - before.left) * after.width / before.width
    area.scrollTop += after.top - top + (top - before.top) * after.height / before.height
  }
  const turn = () => (((straight + slant) % 360) + 360) % 360
  const draw = async (box = null) => {
    const wanted = turn()
    const drawn = await drawnAt(wanted)
    if (wanted !== turn() || !drawn) return
    image.src = drawn.src
    await image.decode().catch(() => null)
    if (wanted !== turn()) return
    size = drawn.size
    setBox(carried ? turnedBox(carried, wanted, size) : box)
    carried = null
    fit()
  }
  const drawSoon = debounced(() => { drawing = draw() }, TURNING_MS)
  const showTurn = () => {
    angle.value = slant
    angle.setAttribute('aria-valuetext', plural(slant, '%(n)s degree', '%(n)s degrees'))
    byId('crop-degrees').textContent = `${turn()}°`
  }
  const turnTo = (degrees, slanted) => {
    if (size) carried = chosen() && { box: chosen(), size, turn: turn() }
    straight = degrees
    slant = slanted
    size = null // a box would be one of the picture as it was
    setBox(null)
    showTurn()
    drawSoon()
  }
  const zoomBy = (step, place = null) => {
    const at = ZOOMS.indexOf(zoom) + step
    zoom = step ? ZOOMS[Math.min(Math.max(0, at), ZOOMS.length - 1)] : 1
    fit(place)
  }

  const actions = {
    'turn-left': () => turnTo(straight - 90, slant),
    'turn-right': () => turnTo(straight + 90, slant),
    'zoom-in': () => zoomBy(1),
    'zoom-out': () => zoomBy(-1),
    'whole-picture': () => {
      carried = null
      setBox(null)
    },
    'use-crop': async () => {
      drawSoon.flush()
      if (carried) await drawing // until then nobody knows where the box is
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
  area.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return
    event.preventDefault()
    zoomBy(event.deltaY < 0 ? 1 : -1, [event.clientX, event.clientY])
  }, { passive: false })
  dialog.addEventListener('keydown', (event) => {
    const step = { '+': 1, '-': -1, 0: 0 }[event.key]
    if (step === undefined || event.target.matches('input') || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    zoomBy(step)
  })
  new ResizeObserver(() => fit()).observe(area)

  return async (view) => {
    straight = Math.round(view.turn / 90) * 90
    slant = view.turn - straight
    zoom = 1
    size = null
    carried = null
    showTurn()
    openDialog(dialog)
    dialog.querySelector('[data-action="use-crop"]').focus()
    await draw(view.crop)
  }
}

/** A box of a picture that was turned, on the same picture when it is turned otherwise: around the same place, and
 *  as large; its sides change places where the picture's do. */
function turnedBox({ box: [x, y, w, h], size, turn }, degrees, turned) {
  const angle = ((degrees - turn) * Math.PI) / 180
  const [across, down] = [x + (w - size[0]) / 2, y + (h - size[1]) / 2] // from the middle of the picture
  const left = turned[0] / 2 + across * Math.cos(angle) - down * Math.sin(angle)
  const top = turned[1] / 2 + across * Math.sin(angle) + down * Math.cos(angle)
  const [width, height] = Math.round((degrees - turn) / 90) % 2 ? [h, w] : [w, h]
  return within([left - width / 2, top - height / 2, width, height], turned)
}
