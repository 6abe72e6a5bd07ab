// The query picture: an uploaded file or a mark of the register, and what of it is looked at.

import { Problem, byHandle, classify, explain, getMark, imagePath, preview } from './api.js'
import { startCropBox } from './cropbox.js'
import { startCropDialog } from './cropdialog.js'
import { byId, h, icon, svg } from './dom.js'
import { boxLines, figure, sizeOf } from './figure.js'
import { loadPicture } from './pictures.js'
import { pageOf, titleOfMark } from './results.js'
import { toPicture, viewOf, withOrder, withView } from './state.js'
import { t } from './texts.js'

/** Make the panel; `onchange(change)` is called with what is looked at, or with another order of pictures. */
export function startQueryPanel(onchange) {
  const image = byId('query-image')
  const frame = image.parentElement
  const cropper = startCropBox(frame, image, {
    hasHandles: false,
    oncommit: (crop) => look({ crop }),
    onclick: () => open(),
  })
  // {query, views, mark, files, pictures: each {label, drawn(page, turn): promise of {src, size, pages}, forget}}
  let shown = null
  const look = (change) => onchange(withView(shown, change))
  /** One of the pictures as it is looked at, but for the crop. */
  const drawnOf = (mine, at = 0) => {
    const { page, turn } = viewOf(mine, at)
    return mine.pictures[at].drawn(page, turn)
  }

  let pointed = null // the code whose place is shown

  /** Which of several pictures of the sign the network sees a code in best. */
  const seenBest = async (mine, code) => {
    if (mine.pictures.length === 1) return 0
    const ask = async (at) => {
      const { vienna, perhaps } = await byHandle((isKept) => classify(toPicture(panel.asked(isKept, at))))
      return new Map([...vienna, ...perhaps].map((seen) => [seen.code, seen.probability]))
    }
    const views = JSON.stringify(mine.views)
    if (mine.seen?.views !== views) {
      mine.seen = { views, codes: Promise.all(mine.pictures.map((_, at) => ask(at))) }
      mine.seen.codes.catch(() => { mine.seen = null })
    }
    const shares = (await mine.seen.codes).map((codes) => codes.get(code) ?? 0)
    return shares.indexOf(Math.max(...shares))
  }

  /** The drawing of a code's place in what is looked at; asked for again where it failed for the moment. */
  const heatOf = (mine, code, at) => {
    const key = JSON.stringify([at, code, viewOf(mine, at)])
    mine.heat ??= new Map()
    if (!mine.heat.has(key)) {
      const drawn = byHandle((isKept) => {
        const fields = toPicture(panel.asked(isKept, at))
        fields.append('code', code)
        return explain(fields)
      })
      const heat = drawn.then((sheet) => URL.createObjectURL(sheet))
      mine.heat.set(key, heat)
      heat.catch((problem) => problem.isPassing && mine.heat.delete(key))
    }
    return mine.heat.get(key)
  }

  /** Where a code is seen best: {at: which picture, drawing: of it, part: looked at of it, heat: the place as a
   *  picture on it}, or null where that picture cannot be drawn. */
  const placeOf = async (mine, code) => {
    const at = await seenBest(mine, code)
    const drawing = await drawnOf(mine, at)
    if (!drawing || shown !== mine) return null
    const href = await heatOf(mine, code, at)
    const part = viewOf(mine, at).crop ?? [0, 0, ...drawing.size]
    const [x, y, width, height] = part
    return { at, drawing, part, heat: svg('image', { href, x, y, width, height, preserveAspectRatio: 'none' }) }
  }

  const removeHeat = () => document.querySelector('#query .stage-heat')?.remove()

  const openDialog = startCropDialog((turn) => shown.pictures[0].drawn(viewOf(shown).page, turn), look)
  const open = () => openDialog(viewOf(shown))
  document.querySelector('[data-action="crop"]').addEventListener('click', open)
  for (const [name, step] of [['previous-page', -1], ['next-page', 1]]) {
    document.querySelector(`[data-action="${name}"]`).addEventListener('click', () => {
      look({ page: viewOf(shown).page + step, crop: null })
    })
  }

  const draw = async (mine) => {
    const drawing = await drawnOf(mine)
    if (shown !== mine) return
    const { crop, page } = viewOf(mine)
    byId('stage-note').hidden = Boolean(drawing)
    image.hidden = !drawing
    document.querySelector('[data-action="crop"]').disabled = !drawing
    if (drawing) image.src = drawing.src
    else image.removeAttribute('src')
    cropper.set(crop, drawing?.size ?? null)
    showPages(page, drawing?.pages ?? 1)
  }

  const start = async ({ query, views }, signal) => {
    const mine = query.kind === 'mark' ? await ofMark(query, signal) : await ofPicture(query)
    signal.throwIfAborted() // another query is shown by now
    forget()
    byId('parts').hidden = true
    byId('add-view').hidden = query.kind === 'mark'
    shown = { ...mine, query, views }
    const { label } = shown.pictures[0]
    image.alt = label || t('Query picture')
    byId('query-title').textContent = shown.mark ? t('Query mark') : t('Your picture')
    byId('query-name').replaceChildren(
      shown.mark ? h('a', { href: pageOf(shown.mark.id) }, label) : label,
    )
    const named = label ? t('Similar to %(mark)s', { mark: label }) : t('Similar to your picture')
    document.title = `${named} · MarkLens`
    draw(shown)
    showOthers(shown)
  }

  const showOthers = (mine) => {
    const items = [...mine.pictures.keys()].slice(1).map((at) => {
      const number = at + 1
      const rest = [...mine.pictures.keys()].filter((one) => one !== at)
      const picture = figure(panel.figure(at).source, '')
      picture.setAttribute('aria-hidden', 'true')
      const first = h('button', {
        type: 'button', class: 'part', title: t('Show this picture first'),
        'aria-label': t('Show picture %(number)s first', { number }),
        onclick: () => onchange(withOrder(mine, [at, ...rest])),
      }, picture)
      drawnOf(mine, at).then((drawn) => {
        const { page } = viewOf(mine, at)
        if (drawn?.pages > 1) first.append(h('span', { class: 'part-page' }, `${page}/${drawn.pages}`))
      })
      return h('li', {}, first,
        h('button', {
          type: 'button', class: 'button is-quiet is-icon', 'aria-label': t('Remove picture %(number)s', { number }),
          onclick: () => onchange(withOrder(mine, rest)),
        }, icon('close')))
    })
    byId('others').replaceChildren(...items)
    byId('others').hidden = !items.length
  }

  const forget = () => shown?.pictures.forEach((one) => one.forget())
  const hide = () => {
    byId('query').hidden = true
    forget()
    shown = null
    document.title = `${t('Search marks by picture')} · MarkLens`
  }

  const panel = {
    /** Show the state's query; resolves to its files, or none for a mark. */
    async show(state, signal) {
      const [{ page, turn }, before] = [viewOf(state), shown && viewOf(shown)]
      byId('query').hidden = false
      if (!shown || !isSame(shown.query, state.query)) {
        await start(state, signal).catch((error) => {
          if (!signal.aborted) hide()
          throw error
        })
      } else {
        const isOther = page !== before.page || turn !== before.turn
        if (isOther) shown = { ...shown, parts: null }
        shown.views = state.views
        draw(shown)
      }
      shown.query = state.query // its handles may be new
      return shown.files
    },
    hide,
    codes: () => shown?.mark?.vienna ?? [],
    /** Note the handles that the server gave the shown pictures. */
    know(query) {
      shown.query = query
      showOthers(shown)
    },
    files: () => shown?.files ?? [],
    /** What `toPicture` takes: one of the pictures, by its handle if `isKept` and the server gave it one. */
    asked: (isKept = true, at = 0) => ({
      handle: isKept && shown.query.handles?.[at], picture: shown.files[at], markId: shown.mark?.id,
      view: viewOf(shown, at),
    }),
    /** One of the query's pictures as `figure` draws it: {label, source}. */
    figure(at = 0) {
      const { crop } = viewOf(shown, at)
      const source = drawnOf(shown, at).then((drawn) => drawn && { src: drawn.src, part: partOf(crop, drawn.size) })
      return { label: shown.pictures[at].label, source }
    },
    /** Offer the parts of what was searched with, boxes of which the first is the whole sign. Where that is one
     *  of those on offer, they stay: not parts of it. */
    async setParts([, ...boxes]) {
      const mine = shown
      const drawing = await (mine && drawnOf(mine))
      if (!drawing || shown !== mine) return
      const { crop } = viewOf(mine)
      const isChosen = (box) => String(boxIn(box, drawing.size)) === String(crop)
      if (!mine.parts?.some(isChosen)) mine.parts = boxes
      const items = mine.parts.map((box, at) => {
        const picture = figure({ src: drawing.src, part: box }, '')
        picture.setAttribute('aria-hidden', 'true')
        return h('li', {}, h('button', {
          type: 'button', class: 'part', title: t('Search with this part'),
          'aria-label': t('Search with part %(number)s', { number: at + 1 }), 'aria-pressed': String(isChosen(box)),
          onclick: () => look({ crop: isChosen(box) ? null : boxIn(box, drawing.size) }),
          onpointerenter: () => panel.outline(box),
          onpointerleave: () => panel.outline(null),
        }, picture))
      })
      byId('parts').replaceChildren(...items)
      byId('parts').hidden = !items.length
    },
    /** Show where a code was seen, on the picture in which it is seen best, or nothing; each is asked for once. */
    async point(code) {
      pointed = code
      removeHeat()
      const mine = shown
      const found = code && mine && await placeOf(mine, code).catch((problem) => {
        if (problem instanceof Problem) return null // the network does not know every code
        throw problem
      })
      if (!found || pointed !== code || shown !== mine) return
      const { at, drawing, part, heat } = found
      const viewBox = (at ? part : [0, 0, ...drawing.size]).join(' ') // a small picture shows its part alone
      const layer = svg('svg', { class: 'stage-lines stage-heat', viewBox, 'data-code': code, 'aria-hidden': 'true' }, heat)
      removeHeat()
      ;(at ? byId('others').children[at - 1].querySelector('.part') : frame).append(layer)
    },
    /** The picture in which a code is seen best, with its place; null where the picture cannot be drawn.
     *  A Problem is thrown where the server does not say. */
    async seenAt(code) {
      const found = shown && await placeOf(shown, code)
      if (!found) return null
      const { src, size: [width, height] } = found.drawing
      const picture = svg('image', { href: src, width, height, class: 'is-grey' })
      return svg('svg', { viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' }, picture, found.heat)
    },
    /** Outline a part of the picture (shares of it), or nothing. */
    async outline(box) {
      const mine = shown
      const drawing = await (mine && drawnOf(mine))
      if (!drawing || shown !== mine) return
      const lines = svg('svg', { class: 'stage-lines', viewBox: `0 0 ${drawing.size.join(' ')}`, 'aria-hidden': 'true' })
      lines.append(...boxLines(box, ...drawing.size))
      frame.querySelector('.stage-lines')?.remove()
      if (box) frame.append(lines)
    },
  }
  return panel
}

function showPages(page, pages) {
  byId('pages').hidden = pages < 2
  byId('page-of').textContent = t('Page %(page)s of %(pages)s', { page, pages })
  document.querySelector('[data-action="previous-page"]').disabled = page <= 1
  document.querySelector('[data-action="next-page"]').disabled = page >= pages
}

/** A crop as shares of the picture: left, top, right, bottom. */
const partOf = (crop, [width, height]) =>
  crop
    ? [crop[0] / width, crop[1] / height, (crop[0] + crop[2]) / width, (crop[1] + crop[3]) / height]
    : [0, 0, 1, 1]

/** A box as x, y, width, height in pixels. */
const boxIn = ([left, top, right, bottom], [width, height]) =>
  [left * width, top * height, (right - left) * width, (bottom - top) * height].map(Math.round)

const isSame = (one, other) => one.kind === other.kind && one.id === other.id && one.key === other.key

/** Draws a picture as a page and turn ask, by the browser where it can; each is drawn once. */
function drawer(plain, named) {
  const made = new Map()
  const draw = async (page, turn) => {
    if (page === 1 && turn === 0) {
      const found = await plain()
      if (found) return found
    }
    try {
      const { drawing, ...told } = await preview(toPicture({ ...named, view: { page, turn, crop: null } }))
      return { src: URL.createObjectURL(drawing), ...told }
    } catch (error) {
      if (error instanceof Problem) return null // the search tells of it
      throw error
    }
  }
  return {
    drawn(page, turn) {
      const key = `${page}/${turn}`
      if (!made.has(key)) made.set(key, draw(page, turn))
      return made.get(key)
    },
    async forget() {
      for (const drawing of made.values()) {
        const src = (await drawing)?.src
        if (src?.startsWith('blob:')) URL.revokeObjectURL(src)
      }
    },
  }
}

async function ofMark(query, signal) {
  const mark = await getMark(query.id, signal)
  const src = imagePath(mark.id, { digest: mark.image_digest })
  const plain = async () => {
    const natural = await sizeOf(src)
    return natural && { src, size: mark.width ? [mark.width, mark.height] : natural, pages: 1 }
  }
  return { mark, files: [], pictures: [{ label: titleOfMark(mark), ...drawer(plain, { markId: mark.id }) }] }
}

async function ofPicture(query) {
  const files = await Promise.all(query.key.split(',').map((key, at) => loadPicture(key, query.handles[at])))
  if (files.includes(null)) {
    const advice = t('This browser no longer keeps it: choose, drop or paste it again.')
    throw new Problem(t('The picture is gone'), advice, { isGone: true })
  }
  return { mark: null, files, pictures: files.map(ofFile) }
}

function ofFile(picture) {
  // Only the server knows the pages of a TIFF or PDF, and the size at which it draws an SVG.
  const isServers = /svg|tif|pdf/.test(`${picture.type} ${picture.name}`)
  const plain = async () => {
    if (isServers) return null
    const src = URL.createObjectURL(picture)
    const size = await sizeOf(src)
    return size && { src, size, pages: 1 }
  }
  return { label: picture.name ?? '', ...drawer(plain, { picture }) }
}
