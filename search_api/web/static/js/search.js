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
import { byId } from './dom.js'
import { compared, listed } from './finding.js'
import { startHiddenMarks } from './hiddenmarks.js'
import { startHistory } from './history.js'
import { showSkeletons, startHits } from './hits.js'
import { followIndexing } from './indexing.js'
import { startIntake } from './intake.js'
import { goOn, startLinks } from './links.js'
import { startLooks } from './looks.js'
import { dismiss, notify, notifyOf } from './notice.js'
import { savePicture } from './pictures.js'
import { startQueryPanel } from './querypanel.js'
import './printed.js'
import { pageOf, showNothing, showProblem } from './results.js'
import { startReport } from './report.js'
import { startSeenCodes } from './seencodes.js'
import { startSheet } from './sheet.js'
import { startShortlist } from './shortlist.js'
import { startWatch } from './watch.js'
import { startWords } from './words.js'
import {
  askedOf, blank, fromAddress, isCut, isSortedByServer, namesOf, phaseOf, toAddress, toFacets, toReport,
  toWatch, WHOLE, withCode, withoutFilters, withPicture,
} from './state.js'
import { number, plural, t } from './texts.js'
import { countCodes, loadVienna } from './vienna.js'


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
const looks = startLooks(hits, changeLooks)
const compare = startCompare()
const desk = startDesk(showShortlist, showElsewhere)
const showHidden = startHiddenMarks(desk, (ids) => work(...ids.map((id) => ['hidden', id, false])))
const showSeenCodes = startSeenCodes(chooseCode, (code) => panel.point(code))
const tree = startCodeTree((code) => state.codes.get(code) ?? 'off', chooseCode, notifyOf)

/** Change the state and search; each call is a step for the back button, but edits of one `control`
 *  that follow each other are one step. */
function go(change, control = null) {
  if (!control) form.flush()
  state = { ...state, opened: [], ...('query' in change && { order: '' }), ...change }
  hasFailed = false
  if ('query' in change) answer = null
  desk.of(namesOf(state))
  addStep(control)
  show(control)
  return run()
}

/** Add a step for the back button: what is asked and shown now, with `changes` of the marks worked on. */
function addStep(control = null, changes = []) {
  const held = { picture: state.query?.key ?? null, opened: state.opened, looks: looks.now() }
  steps.add(toAddress(state), held, control, changes)
}

/** Hide marks, put them on the shortlist, or the reverse: ['hidden' or 'listed', id, whether it is to be there]
 *  of each; a step for the back button. */
function work(...changes) {
  const named = changes.map((change) => [desk.name(), ...change])
  desk.work(named)
  addStep(null, named)
  hits.rearrange()
  showHidden()
}

/** Show what was found in another order, or with other groups open; a step for the back button. */
function arrange(change) {
  const changed = { ...state, ...change }
  if (askedOf(changed) !== askedOf(state)) return go(change) // the server sorts a list
  state = changed
  addStep()
  hits.arrange(state)
}

function changeLooks() {
  const isUnsorted = looks.now().density !== 'list' && state.order // no head says then how it is sorted
  if (isUnsorted) arrange({ order: '' })
  else addStep()
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

const shortlist = ({ id }) => work(['listed', id, !desk.isListed(id)])

function chooseCode(code, chosen) {
  go(withCode(state, code, chosen))
}

/** Bring the page in line with the state; the results follow when they come. */
function show(edited = null) {
  const phase = phaseOf(state)
  page.dataset.phase = phase
  byId('welcome').hidden = phase !== 'empty'
  results.hidden = phase === 'empty'
  for (const tool of [byId('watch'), byId('grouped').parentElement]) tool.hidden = !state.query // a list has no groups
  byId('results-title').textContent = phase === 'list' ? t('Marks found') : t('Most similar marks')
  form.set(state, edited)
  showCodes()
  showHidden()
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
    const isToSort = Boolean(state.order) && !isSortedByServer(state)
    const came = await find(state, hits.firstPiece(steps.drawn(), isToSort), mine.signal, panel, keepHandles)
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
    const { order, opened } = state
    const shown = { ...came, order, opened, isServed: isSortedByServer(state), context: context(), actions: actionsFor(came) }
    await hits.show(shown, steps.drawn()) // to where the step that is returned to was left
    if (running !== mine) return
  } else {
    hits.clear()
    showNothing(state, clearFilters)
  }
  if (came.query) words.show(state, panel.asked)
  byId('status').textContent = came.query
    ? `${plural(hits.total(), '%(n)s mark found', '%(n)s marks found')}, ${came.said}`
    : came.said
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

const context = () => ({
  queryCodes: [...(answer?.query?.vienna ?? []).map(({ code }) => code), ...panel.codes()],
  asked: [...state.codes].filter(([, chosen]) => chosen !== 'none').map(([code]) => code),
})

const onsearch = (event, { id }) => goOn(event, () => searchFrom(id))

const deskActions = {
  isListed: desk.isListed,
  onlist: shortlist,
  onhide: ({ id }) => work(['hidden', id, true]),
}

/** What can be done with a hit; of a list, whose marks nothing is compared with, it is opened. */
const actionsFor = ({ query }) => ({
  onsearch,
  isHidden: (id) => desk.hidden().includes(id),
  ...deskActions,
  onsort: (order) => arrange({ order }),
  ongroup: ({ group }) => arrange({
    opened: state.opened.includes(group) ? state.opened.filter((one) => one !== group) : [...state.opened, group],
  }),
  ...(query
    ? {
        oncompare: (place) =>
          compare(place, { hits, queryOf: (hit) => panel.figure(hit.pair.picture), desk: deskActions, ...context() }),
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
  startDialogs()
  followIndexing(() => phaseOf(state) === 'empty' && !document.querySelector('dialog[open]'))
  startSheet()
  startExplain(() => answer?.query?.vienna ?? [], panel.seenAt)
  startReport(reported)
  startWatch((isKept, isNew) => toWatch(sent(isKept), panel.files(), isNew))
  startShortlist(desk, (isKept) => reported(isKept, 1), shortlist, notifyOf)
  startCodeInput((code) => chooseCode(code, 'any'), notifyOf)
  startIntake(searchPicture, addPicture, (text) => notify(new Problem(t('No picture in it'), text)))
  addEventListener('keydown', (event) => event.key === 'Escape' && dismiss())
  document.querySelector('[data-action="browse"]').addEventListener('click', tree.open)
  document.querySelector('[data-action="clear-query"]').addEventListener('click', () => {
    go({ query: null, ...WHOLE })
    document.querySelector('#welcome [data-action="choose"]').focus()
  })
  startLinks(() => {
    go(blank())
    scrollTo({ top: 0 })
  }, onsearch)
  arrive([])
  if (isCut(location.href)) {
    notify(new Problem(t('This link is not complete'), t('It names a picture, but not all of its name is there: copy the whole link.')))
  }
  loadTitles()
}

/** The state whose pictures are sent by their handles, or else as they are. */
const sent = (isKept) => (isKept || state.query?.kind !== 'picture' ? state : { ...state, query: { ...state.query, handles: [] } })
const reported = (isKept, k) => toReport(sent(isKept), panel.files(), k)

/** Show what a step in the history asks for, and do what it takes with the marks worked on. */
function arrive(changes) {
  const shown = answer && !running ? askedOf(state) : null
  const { picture, opened, looks: held } = steps.held({ picture: null, opened: [], looks: looks.now() })
  state = { ...fromAddress(location.href), narrowed: state.narrowed, opened }
  if (picture) state.query = { kind: 'picture', key: picture, handles: state.query?.handles ?? [] }
  desk.of(namesOf(state))
  desk.work(changes)
  looks.put(state.order ? { ...held, density: 'list' } : held)
  if (askedOf(state) === shown) {
    show()
    hits.arrange(state).then(steps.place)
    return
  }
  answer = null
  hasFailed = false
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
