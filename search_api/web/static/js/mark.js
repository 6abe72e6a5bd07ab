// A mark's page: the marks most like it.

import { search } from './api.js'
import { startCompare, startDialogs } from './compare.js'
import { byId, plural } from './dom.js'
import { planLine, showHits, showNothing, showProblem, showSkeletons, startGridKeys } from './results.js'
import { blank, toFields } from './state.js'
import { loadVienna } from './vienna.js'

const id = byId('content').dataset.markId
const picture = document.querySelector('.plate img')

async function showSimilar() {
  const results = byId('results')
  results.setAttribute('aria-busy', 'true')
  showSkeletons(6)
  try {
    const fields = toFields({ ...blank(), query: { kind: 'mark', id } }, null)
    const [answer] = await Promise.all([search(fields), loadVienna().catch(() => null)])
    show(answer)
  } catch (error) {
    showProblem(error, error.isPassing && showSimilar)
  } finally {
    results.setAttribute('aria-busy', 'false')
  }
}

function show(answer) {
  byId('plan').textContent = planLine(answer.plan)
  const assigned = [...document.querySelectorAll('[aria-labelledby="assigned-title"] .code')]
  const codes = [...answer.query.vienna.map(({ code }) => code), ...assigned.map((link) => link.textContent)]
  const context = { queryCodes: codes, asked: [] }
  const query = { src: picture.src, label: picture.alt, crop: null }
  const oncompare = (place) => compare(place, { hits: answer.hits, query, ...context })
  if (answer.hits.length) showHits(answer.hits, context, { oncompare })
  else showNothing(0)
  byId('status').textContent = `${plural(answer.hits.length, 'similar mark')} found`
}

const compare = startCompare()
startDialogs()
if (picture) {
  startGridKeys()
  showSimilar()
}
