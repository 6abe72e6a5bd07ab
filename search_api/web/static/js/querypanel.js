// The query picture: an uploaded file or a mark of the register, and the part of it to compare.

import { Problem, getMark, imagePath } from './api.js'
import { startCrop } from './crop.js'
import { byId, h } from './dom.js'
import { recall } from './pictures.js'
import { pageOf, titleOfMark } from './results.js'

/** Make the panel; `oncrop(box)` is told of a new part. */
export function startQueryPanel(oncrop) {
  const image = byId('query-image')
  const crop = startCrop(oncrop)
  let shown = null // {query, picture, mark, src, label}
  let size = null // picture pixels that crops are measured in
  let box = null

  const measure = () => {
    const { mark, picture } = shown
    const isDrawing = picture?.type.includes('svg') // no pixels to count before it is drawn
    if (mark) size = mark.width ? [mark.width, mark.height] : null
    else size = isDrawing || !image.naturalWidth ? null : [image.naturalWidth, image.naturalHeight]
    crop.set(box, size)
  }
  image.addEventListener('load', measure)
  image.addEventListener('error', () => {
    image.hidden = true
    byId('stage-note').hidden = false
    measure()
  })

  const start = async (query, signal) => {
    if (shown?.picture) URL.revokeObjectURL(shown.src)
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

  return {
    /** Show the state's query; resolves to its file, or null for a mark. */
    async show(state, signal) {
      box = state.crop
      byId('query').hidden = false
      if (!shown || !isSame(shown.query, state.query)) await start(state.query, signal)
      else crop.set(box, size)
      return shown.picture
    },
    hide() {
      byId('query').hidden = true
      shown = null
      document.title = 'Search marks by picture · MarkLens'
    },
    codes: () => shown?.mark?.vienna ?? [],
    view: () => ({ src: shown.src, label: shown.label, crop: box, size }),
  }
}

const isSame = (one, other) => one.kind === other.kind && one.id === other.id && one.key === other.key

async function ofMark(query, signal) {
  const mark = await getMark(query.id, signal)
  const src = imagePath(mark.id, { digest: mark.image_digest })
  return { query, mark, picture: null, src, label: titleOfMark(mark) }
}

async function ofPicture(query) {
  const picture = await recall(query.key)
  if (!picture) {
    throw new Problem('The picture is gone', 'This browser no longer keeps it: choose, drop or paste it again.')
  }
  return { query, mark: null, picture, src: URL.createObjectURL(picture), label: picture.name ?? '' }
}
