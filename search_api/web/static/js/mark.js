// A mark's page: the marks most like it.

import { search } from './api.js'
import { startCompare } from './compare.js'
import { startDialogs } from './dialogs.js'
import { byId } from './dom.js'
import { showSkeletons, startHits } from './hits.js'
import { planLine, showNothing, showProblem } from './results.js'
import { blank, toFields } from './state.js'
import { plural, t } from './texts.js'
import { loadVienna } from './vienna.js'

const id = byId('content').dataset.markId
const picture = document.querySelector('.plate img')

async function showSimilar() {
  const results = byId('results')
  results.setAttribute('aria-busy', 'true')
  showSkeletons(6)
  try {
    const [answer] = await Promise.all([piece(0, hits.firstPiece()), loadVienna().catch(() => null)])
    await show(answer)
  } catch (error) {
    fail(error)
  } finally {
    results.setAttribute('aria-busy', 'false')
  }
}

const piece = (offset, k) => search(toFields({ ...blank(), query: { kind: 'mark', id } }, [], offset, k))
function fail(error) {
  hits.clear()
  showProblem(error, error.isPassing && { label: t('Try again'), act: showSimilar })
}

async function show(answer) {
  byId('plan').textContent = planLine(answer.plan)
  const assigned = [...document.querySelectorAll('[aria-labelledby="assigned-title"] .code')]
  const codes = [...answer.query.vienna.map(({ code }) => code), ...assigned.map((link) => link.textContent)]
  const context = { queryCodes: codes, asked: [] }
  const query = { source: { src: picture.src }, label: picture.alt }
  const oncompare = (place) => compare(place, { hits, queryOf: () => query, ...context })
  await hits.show({ hits: answer.hits, total: answer.hits.length, context, actions: { oncompare } }, 0)
  if (!answer.hits.length) showNothing(0)
  byId('status').textContent = plural(answer.hits.length, '%(n)s similar mark found', '%(n)s similar marks found')
}

const compare = startCompare()
startDialogs()
const hits = picture && startHits(fail)
if (picture) showSimilar()
