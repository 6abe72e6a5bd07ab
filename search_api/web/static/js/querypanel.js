// The query picture: an uploaded file or a mark of the register, and the part of it to compare.

import { Problem, getMark, imagePath, preview } from './api.js'
import { startCrop } from './crop.js'
import { byId, h } from './dom.js'
import { loadPicture } from './pictures.js'
import { pageOf, titleOfMark } from './results.js'

const DRAWN_SIDE = 1024 // as models/images draws an SVG

/** Make the panel; `oncrop(box)` is called with a new part. */
export function startQueryPanel(oncrop) {
  const image = byId('query-image')
  const crop = startCrop(oncrop)
  let shown = null // {query, picture, mark, src, label, size where the server has drawn it}
  let size = null // picture pixels that crops are measured in
  let box = null

  const measure = () => {
    if (!shown) return // the picture came after it had been removed
    const { mark, picture } = shown
    const natural = [image.naturalWidth, image.naturalHeight]
    if (shown.size) size = shown.size
    else if (mark) size = mark.width ? [mark.width, mark.height] : null
    else if (!natural[0] || image.hidden) size = null
    else size = picture.type.includes('svg') ? drawn(natural) : natural
    crop.set(box, size)
  }
  image.addEventListener('load', measure)
  image.addEventListener('error', async () => {
    image.hidden = true
    measure()
    const failed = shown
    if (!failed) return
    const isFile = failed.picture && !failed.size
    if (isFile) await drawByServer(failed)
    if (shown !== failed) return
    if (isFile && failed.size) {
      image.src = failed.src
      image.hidden = false
    } else byId('stage-note').hidden = false
  })

  const start = async (query, signal) => {
    if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src)
    shown = query.kind === 'mark' ? await ofMark(query, signal) : await ofPicture(query)
    image.hidden = false
    byId('stage-note').hidden = true
    image.alt = shown.label || 'Query picture'
    image.src = shown.src
    byId('query-title').textContent = shown.mark ? 'Query mark' : 'Your picture'
    byId('query-name').replaceChildren(
      shown.mark ? h('a', { href: pageOf(shown.mark.id) }, shown.label) : shown.label,
    )
    document.title = `Similar to ${shown.label || 'your picture'} · MarkLens`
  }

  const hide = () => {
    byId('query').hidden = true
    shown = null
    document.title = 'Search marks by picture · MarkLens'
  }

  return {
    /** Show the state's query; resolves to its file, or null for a mark. */
    async show(state, signal) {
      box = state.crop
      if (!shown || !isSame(shown.query, state.query)) {
        hide()
        await start(state.query, signal)
        byId('query').hidden = false
      } else crop.set(box, size)
      return shown.picture
    },
    hide,
    codes: () => shown?.mark?.vienna ?? [],
    asked: () => ({ picture: shown.picture, markId: shown.mark?.id, crop: box }),
    view: () => ({ src: shown.src, label: shown.label, crop: box, size }),
  }
}

/** Show what the server draws of a file that this browser does not; of a refusal the search tells. */
async function drawByServer(shown) {
  URL.revokeObjectURL(shown.src)
  shown.src = null
  try {
    const { drawing, size } = await preview(shown.picture)
    Object.assign(shown, { src: URL.createObjectURL(drawing), size })
  } catch (error) {
    if (!(error instanceof Problem)) throw error
  }
}

/** The pixels a drawing has on the server: its longest side is `DRAWN_SIDE`. */
function drawn(sides) {
  const by = DRAWN_SIDE / Math.max(...sides)
  return sides.map((side) => Math.max(1, Math.floor(side * by)))
}

const isSame = (one, other) => one.kind === other.kind && one.id === other.id && one.key === other.key

async function ofMark(query, signal) {
  const mark = await getMark(query.id, signal)
  const src = imagePath(mark.id, { digest: mark.image_digest })
  return { query, mark, picture: null, src, label: titleOfMark(mark) }
}

async function ofPicture(query) {
  const picture = await loadPicture(query.key)
  if (!picture) {
    const advice = 'This browser no longer keeps it: choose, drop or paste it again.'
    throw new Problem('The picture is gone', advice)
  }
  return { query, mark: null, picture, src: URL.createObjectURL(picture), label: picture.name ?? '' }
}
