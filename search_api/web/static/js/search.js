// The search page: one state, changed only through `go`, which writes the address, shows the state
// and searches.

import { showActiveFilters } from './activefilters.js'
import { Problem, facets } from './api.js'
import { isByPart } from './cards.js'
import { startCodeInput } from './codepicker.js'
import { startCodeTree } from './codetree.js'
import { startCompare } from './compare.js'
import { startDesk } from './desk.js'
import { startDialogs } from './dialogs.js'
import { startExplain } from './explain.js'
import { startFilterForm } from './filterform.js'
import { byId, h } from './dom.js'
import { compared, listed } from './finding.js'
import { startHistory } from './history.js'
import { showSkeletons, startHits } from './hits.js'
import { followIndexing } from './indexing.js'
import { startIntake } from './intake.js'
import { startLooks } from './looks.js'
import { dismiss, notify, notifyOf } from './notice.js'
import { savePicture } from './pictures.js'
import { startQueryPanel } from './querypanel.js'
import { pageOf, showNothing, showProblem } from './results.js'
import { startReport } from './report.js'
import { startSeenCodes } from './seencodes.js'
import { startSheet } from './sheet.js'
import { startShortlist } from './shortlist.js'
import { startWatch } from './watch.js'
import { startWords } from './words.js'
import {
  activeFilters, blank, fromAddress, namesOf, toAddress, toFacets, toReport, toWatch, WHOLE, withCode,
  withoutFilters, withPicture,
} from './state.js'
import { number, plural, t } from './texts.js'
import { countCodes, loadVienna, titleOf } from './vienna.js'

const MOST = 1000 // marks that a search ranks
const REPORTED = 50 // marks of a report

const page = byId('content')
const results = byId('results')

let state = fromAddress(location.href)
let answer = null // of the last search
let hasFailed = false // the last search
let running = null // AbortController of the search under way
let counting = null // AbortController of the counts under way

const panel = startQueryPanel(go)
const words = startWords(go)
const form = startFilterForm(go)
const hits = startHits(notifyOf)
const steps = startHistory(arrive, hits)
const compare = startCompare()
const desk = startDesk(showShortlist, showElsewhere)
const showSeenCodes = startSeenCodes(chooseCode, (code) => panel.point(code))
const tree = startCodeTree((code) => state.codes.get(code) ?? 'off', chooseCode, notifyOf)

/** Change the state and search; each call is a step for the back button, but edits of one `control`
 *  that follow each other are one step. */
function go(change, control = null) {
  if (!control) form.flush()
  state = { ...state, ...change }
  hasFailed = false
  if ('query' in change) answer = null
  desk.of(namesOf(state))
  steps.add(toAddress(state), state.query?.key ?? null, control, desk.hidden())
  show(control)
  return run()
}

/** Hide marks, or show them again, as `edit` changes the ids of hidden ones; a step for the back button. */
function setHidden(edit) {
  desk.setHidden(edit)
  steps.add(toAddress(state), state.query?.key ?? null, null, desk.hidden())
  hits.rearrange()
  showHidden()
}

function showHidden() {
  const ids = desk.hidden()
  const button = (text, edit) => h('button', { type: 'button', class: 'link', onclick: () => setHidden(edit) }, text)
  byId('hidden-marks').replaceChildren(...(ids.length
    ? [
        h('span', {}, plural(ids.length, '%(n)s mark hidden, but not from a report', '%(n)s marks hidden, but not from a report')),
        button(t('Undo'), (hidden) => hidden.slice(0, -1)),
        ids.length > 1 ? button(t('Show all'), () => []) : '',
      ]
    : []))
}

function showShortlist() {
  const count = desk.listed().length
  byId('shortlist-count').textContent = number(count)
  byId('shortlist-count').hidden = !count
}

/** Show what another tab did with the marks of this search. */
function showElsewhere() {
  showHidden()
  if (answer?.hits.length) hits.rearrange()
}

function shortlist({ id }) {
  desk.toggle(id)
  const star = byId('hits').querySelector(`[data-id="${CSS.escape(id)}"] .is-star`)
  star?.setAttribute('aria-pressed', String(desk.isListed(id)))
}

function chooseCode(code, chosen) {
  go(withCode(state, code, chosen))
}

/** Bring the page in line with the state; the results follow when they come. */
function show(edited = null) {
  const phase = phaseOf(state)
  page.dataset.phase = phase
  byId('welcome').hidden = phase !== 'empty'
  results.hidden = phase === 'empty'
  byId('watch').hidden = !state.query // only a search by picture is watched
  byId('results-title').textContent = phase === 'list' ? t('Marks found') : t('Most similar marks')
  form.set(state, edited)
  showCodes()
  showHidden()
}

/** 'query': marks are compared with a picture; 'list': those that pass filters; 'empty': nothing asked. */
function phaseOf(asked) {
  if (asked.query) return 'query'
  return activeFilters(asked, titleOf).length ? 'list' : 'empty'
}

function showCodes() {
  showSeenCodes(hasFailed ? { ...state, query: null } : state, answer, panel.codes())
  showActiveFilters(state, go)
}

const clearFilters = () => go(withoutFilters())

async function run() {
  running?.abort()
  running = null
  counting?.abort()
  hasFailed = false
  dismiss()
  const phase = phaseOf(state)
  if (phase !== 'query') panel.hide()
  if (phase === 'empty') {
    setBusy(false)
    hits.clear()
    steps.place()
    return count()
  }
  const mine = new AbortController()
  running = mine
  setBusy(true)
  if (!byId('hits').querySelector('[data-id]')) showSkeletons(8)
  try {
    const find = phase === 'list' ? listed : compared
    const came = await find(state, hits.firstPiece(steps.drawn()), mine.signal, panel, keepHandles)
    if (running === mine) await showAnswer(came, mine)
  } catch (error) {
    if (running === mine && error.name !== 'AbortError') showFailure(error)
  } finally {
    if (running === mine) {
      running = null
      setBusy(false)
      steps.place()
      count() // after the hits, which are waited for
    }
  }
}

/** Say that other hits are to come; those on show belong to what was asked before. */
function setBusy(isBusy) {
  results.setAttribute('aria-busy', String(isBusy))
  byId('progress').hidden = !isBusy
  byId('hits').inert = isBusy
}

/** Take the handles of a query into the state, and so into the address, if it is still asked for. */
function keepHandles(asked, query) {
  if (state.query !== asked) return
  state = { ...state, query }
  steps.rename(toAddress(state))
  desk.of(namesOf(state))
  panel.know(query)
}

async function showAnswer(came, mine) {
  answer = came
  byId('plan').textContent = came.said
  byId('plan').title = came.index
  showCodes()
  setTools(true)
  if (came.query) panel.setParts(came.query.boxes)
  if (came.hits.length) {
    const { hits: found, fetch } = came
    const total = Math.min(MOST, came.total)
    const shown = { hits: found, total, fetch, context: context(), actions: actionsFor(came) }
    await hits.show(shown, steps.drawn()) // to where the step that is returned to was left
    if (running !== mine) return
  } else {
    hits.clear()
    showNothing(state, clearFilters)
  }
  if (came.query) words.show(state, panel.asked)
  byId('status').textContent = `${plural(hits.total(), '%(n)s mark found', '%(n)s marks found')}, ${came.said}`
  if (document.activeElement === document.body) byId('results-title').focus({ preventScroll: true })
}

/** Whether there is an answer that can be reported and watched; the buttons stay where they are. */
function setTools(isAnswered) {
  for (const id of ['report', 'watch']) byId(id).disabled = !isAnswered
}

function showFailure(error) {
  if (!(error instanceof Problem)) console.error(error)
  if (error.isGone && isResent()) return
  answer = null
  byId('plan').textContent = ''
  byId('status').textContent = ''
  hasFailed = true
  showCodes()
  setTools(false)
  hits.clear()
  if (error.isGone) panel.hide()
  const choose = error.isGone && { label: t('Choose a picture'), act: () => byId('file').click() }
  showProblem(error, error.isPassing ? { label: t('Try again'), act: run } : choose)
}

/** Whether the picture, which the server keeps no longer, is sent again: this browser may have it. */
function isResent() {
  const { query } = state
  if (query?.kind !== 'picture' || !query.handles.length || query.key === query.handles.join(',')) return false
  state = { ...state, query: { ...query, handles: [] } }
  run()
  return true
}

const isForAnotherTab = (event) => event.ctrlKey || event.metaKey || event.shiftKey

const context = () => ({
  queryCodes: [...(answer?.query?.vienna ?? []).map(({ code }) => code), ...panel.codes()],
  asked: [...state.codes].filter(([, chosen]) => chosen !== 'none').map(([code]) => code),
})

const onsearch = (event, hit) => {
  if (isForAnotherTab(event)) return
  event.preventDefault()
  searchFrom(hit.id)
}

/** What can be done with a hit; of a list, whose marks nothing is compared with, it is opened. */
const actionsFor = ({ query }) => ({
  onsearch,
  isHidden: (id) => desk.hidden().includes(id),
  isListed: desk.isListed,
  onlist: shortlist,
  onhide: ({ id }) => setHidden((hidden) => [...hidden.filter((one) => one !== id), id]),
  ...(query
    ? {
        oncompare: (place) => compare(place, { hits, queryOf: (hit) => panel.figure(hit.pair.picture), ...context() }),
        onpoint: (hit) => panel.outline(hit && isByPart(hit) && !hit.pair.picture ? hit.pair.query_box : null),
      }
    : { onopen: (hit) => location.assign(pageOf(hit.id)) }),
})

function searchFrom(id) {
  go({ query: { kind: 'mark', id }, ...WHOLE })
  scrollTo({ top: 0 })
}

/** Search with another picture of the same sign, too. */
const addPicture = (file) => takeIn(file, (key) => ({ query: withPicture(state.query, key) }))

/** Keep a file and change the state as `change(key)` says; whether it could be read. */
async function takeIn(file, change) {
  if (isTooLarge(file)) return false
  setBusy(true)
  const key = await savePicture(file).catch(notifyOf)
  if (!key) setBusy(Boolean(running))
  else go(change(key))
  return Boolean(key)
}

function isTooLarge(file) {
  const largest = Number(page.dataset.maxUpload)
  if (file.size <= largest) return false
  const [has, most] = [file.size, largest].map((bytes) => number(bytes / 2 ** 20, 1))
  const values = { file: file.name, has, most }
  const detail = t('%(file)s has %(has)s MB; at most %(most)s MB are taken: choose a smaller one.', values)
  notify(new Problem(t('The picture is too large'), detail))
  return true
}

/** Search with a file, one of `count` that came at once. */
async function searchPicture(file, count = 1) {
  if (!await takeIn(file, (key) => ({ query: { kind: 'picture', key, handles: [] }, ...WHOLE }))) return
  scrollTo({ top: 0 })
  if (count > 1) {
    const detail = t('The search is for %(file)s. Add others of the same sign with +.', { file: file.name })
    notify(new Problem(t('%(count)s files came, one is used', { count }), detail))
  }
}

function startPage() {
  startLooks(hits)
  startDialogs()
  followIndexing(() => phaseOf(state) === 'empty' && !document.querySelector('dialog[open]'))
  startSheet()
  startExplain(() => answer?.query?.vienna ?? [], panel.seenAt)
  startReport(reported, notifyOf)
  startWatch((isKept) => toWatch(sent(isKept), panel.files()))
  startShortlist(desk, reported, hits.rearrange, notifyOf)
  startCodeInput((code) => chooseCode(code, 'any'), notifyOf)
  startIntake(searchPicture, addPicture, (text) => notify(new Problem(t('No picture in it'), text)))
  addEventListener('keydown', (event) => event.key === 'Escape' && dismiss())
  document.querySelector('[data-action="browse"]').addEventListener('click', tree.open)
  document.querySelector('[data-action="clear-query"]').addEventListener('click', () => {
    go({ query: null, ...WHOLE })
    document.querySelector('#welcome [data-action="choose"]').focus()
  })
  document.querySelector('.brand').addEventListener('click', (event) => {
    if (isForAnotherTab(event)) return
    event.preventDefault() // the address of an uploaded picture is that of the start page
    go(blank())
    scrollTo({ top: 0 })
  })
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault() // a step in the history without the picture would lose it
    page.focus()
  })
  for (const link of document.querySelectorAll('.sample')) {
    link.addEventListener('click', (event) => onsearch(event, { id: link.dataset.markId }))
  }
  arrive(steps.picture())
  loadTitles()
}

/** The state whose pictures are sent by their handles, or else as they are. */
const sent = (isKept) => (isKept || state.query?.kind !== 'picture' ? state : { ...state, query: { ...state.query, handles: [] } })
const reported = (isKept) => toReport(sent(isKept), panel.files(), REPORTED)

/** Show what the address and the picture of a step in the history ask for. */
function arrive(picture) {
  answer = null
  hasFailed = false
  state = { ...fromAddress(location.href), narrowed: state.narrowed }
  if (picture) state.query = { kind: 'picture', key: picture, handles: state.query?.handles ?? [] }
  desk.of(namesOf(state))
  const ids = steps.hidden(desk.hidden())
  if (String(ids) !== String(desk.hidden())) desk.setHidden(() => ids)
  show()
  run()
}

/** Count the marks of the present search by what filters ask. */
async function count() {
  counting = new AbortController()
  try {
    const counts = await facets(toFacets(state), counting.signal)
    countCodes(counts.vienna, state.vienna_source)
    form.count(counts)
    tree.count()
  } catch (error) {
    if (error.name !== 'AbortError') console.warn(`counts: ${error.message}`) // those before stay
  }
}

async function loadTitles() {
  try {
    await loadVienna()
  } catch (error) {
    console.warn(`titles of codes: ${error.message}`)
    return
  }
  tree.refresh()
  showCodes()
  if (answer?.hits.length) hits.again(context())
}

startPage()
