// The page of batches: many pictures are sent, and how far the server is with them is shown.

import { batchState, forgetBatch, startBatch } from './api.js'
import { byId, h, icon } from './dom.js'
import { filesIn } from './dropped.js'
import { dismiss, notifyOf } from './notice.js'
import { keep, kept, onElsewhere } from './storage.js'
import { dateTime, number, plural, t } from './texts.js'

const NAME = 'marklens-batches'
const EVERY_MS = 1000
const NOT_TAKEN = /(^|\/)(\.|Thumbs\.db$|desktop\.ini$)/i // hidden, or of the system

/** The batches that this browser sent: {id, name, created}, the newest first. */
const mine = () => JSON.parse(kept(NAME) ?? '[]')
const keepMine = (batches) => keep(NAME, JSON.stringify(batches))

let chosen = [] // {file, path}
const form = byId('batch-form')

function choose(files) {
  chosen = files.filter(({ path }) => !NOT_TAKEN.test(path))
  const megabytes = chosen.reduce((sum, { file }) => sum + file.size, 0) / 1e6
  byId('chosen').textContent = chosen.length
    ? plural(chosen.length, '%(n)s file, %(size)s MB', '%(n)s files, %(size)s MB', { size: number(megabytes, 1) })
    : ''
  byId('start').disabled = !chosen.length
}

async function send(event) {
  event.preventDefault()
  const fields = new FormData(form)
  for (const { file, path } of chosen) fields.append('images', file, path)
  const name = chosen.length === 1 ? chosen[0].path : plural(chosen.length, '%(n)s file', '%(n)s files')
  byId('start').disabled = true
  form.setAttribute('aria-busy', 'true')
  try {
    const { id, created } = await startBatch(fields)
    keepMine([{ id, name, created }, ...mine()])
    dismiss()
    choose([])
    show()
    byId('batches-title').focus()
  } catch (problem) {
    notifyOf(problem)
    byId('start').disabled = false
  } finally {
    form.setAttribute('aria-busy', 'false')
  }
}

async function remove(id) {
  try {
    await forgetBatch(id)
  } catch (problem) {
    return notifyOf(problem)
  }
  dismiss()
  keepMine(mine().filter((one) => one.id !== id))
  show()
  byId('batches-title').focus()
}

/** What is said of how long it will take. */
function timeLeft(seconds) {
  if (seconds === null) return ''
  const [whole, minutes] = [Math.max(1, Math.round(seconds)), Math.round(seconds / 60)]
  if (whole < 60) return plural(whole, '%(n)s second left', '%(n)s seconds left')
  return plural(minutes, '%(n)s minute left', '%(n)s minutes left')
}

const STATES = { waiting: t('waits'), running: t('is searched with'), done: t('done'), stopped: t('stopped') }

/** An item of the list, which follows its batch until it is over. */
function item({ id, name, created }) {
  const state = h('span', { class: 'tag' })
  const progress = h('progress', { 'aria-label': t('Progress of %(name)s', { name }), max: 1, value: 0 })
  const far = h('p', { class: 'hint number' })
  const details = h('div', {})
  const results = h('a', { class: 'button', hidden: true, download: true }, icon('down'), t('Results'))
  const drop = h('button', { type: 'button', class: 'button', 'aria-label': t('Remove %(name)s', { name }), onclick: () => remove(id) }, icon('close'), t('Remove'))
  const shown = h('li', { class: 'batch', 'data-id': id },
    h('div', { class: 'section-head' },
      h('h3', {}, name, ' ', state),
      h('div', { class: 'button-row' }, results, drop)),
    h('p', { class: 'hint' }, dateTime(created)),
    progress, far, details)

  function say(batch) {
    state.textContent = STATES[batch.state]
    progress.hidden = batch.state === 'stopped'
    progress.max = Math.max(batch.total, 1)
    progress.value = batch.done
    far.textContent = [
      t('%(done)s of %(total)s pictures', { done: number(batch.done), total: number(batch.total) }),
      timeLeft(batch.seconds_left),
    ].filter(Boolean).join(' · ')
    if (batch.results) results.href = batch.results
    results.hidden = !batch.results
    details.replaceChildren(...[
      batch.error && h('p', { class: 'field-error', lang: 'en' }, batch.error),
      batch.unreadable.length > 0 && h('details', { class: 'fold' },
        h('summary', {}, icon('right'), plural(batch.unreadable.length, '%(n)s picture could not be read', '%(n)s pictures could not be read')),
        h('ul', { class: 'unreadable', lang: 'en' }, batch.unreadable.map(({ image, reason }) =>
          h('li', {}, reason.startsWith(image) ? reason : `${image}: ${reason}`)))),
    ].filter(Boolean))
  }

  async function follow() {
    if (!shown.isConnected) return
    try {
      const batch = await batchState(id)
      say(batch)
      if (batch.state === 'done' || batch.state === 'stopped') return
    } catch (problem) {
      if (problem.isUnknown) {
        state.textContent = t('gone')
        progress.hidden = true
        far.textContent = t('The server keeps it no longer.')
        return
      }
      far.textContent = problem.message
    }
    setTimeout(follow, EVERY_MS)
  }

  setTimeout(follow)
  return shown
}

/** Show the list as it is kept; what is shown already goes on as it is. */
function show() {
  const there = new Map([...byId('batches').children].map((one) => [one.dataset.id, one]))
  const batches = mine()
  byId('batches').replaceChildren(...batches.map((one) => there.get(one.id) ?? item(one)))
  byId('no-batches').hidden = batches.length > 0
}

for (const kind of ['files', 'folder']) {
  const input = byId(kind)
  document.querySelector(`[data-action="${kind}"]`).addEventListener('click', () => input.click())
  input.addEventListener('change', () => {
    if (input.files.length) choose([...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name })))
    input.value = ''
  })
}
addEventListener('dragover', (event) => event.preventDefault())
addEventListener('drop', async (event) => {
  event.preventDefault()
  const files = await filesIn(event.dataTransfer)
  if (files.length) choose(files)
})
form.addEventListener('submit', send)
onElsewhere(NAME, show)
show()
