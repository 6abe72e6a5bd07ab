// /patterns: the elements that scripts make, from made-up values and the register's pictures.

import { chip } from './chips.js'
import { comparison } from './compare.js'
import { byId, h, icon } from './dom.js'
import { showShares } from './filterform.js'
import { hitCard } from './cards.js'
import { hitRow } from './list.js'
import { codeTag, nothingBox, problemBox } from './results.js'
import { Problem } from './api.js'
import { loadVienna, titleOf } from './vienna.js'

const SEEN = [
  { code: '03', probability: 0.97, state: 'off' },
  { code: '03.01', probability: 0.91, state: 'any' },
  { code: '26', probability: 0.64, state: 'all' },
  { code: '27.05', probability: 0.42, state: 'none' },
]

const samples = [...document.querySelectorAll('.sample')].map((link) => ({
  id: link.dataset.markId,
  text: link.title,
  image: link.href,
}))

const hitOf = (sample, place) => ({
  ...sample,
  image_digest: null,
  rank: place + 1,
  score: 0.93 - 0.07 * place,
  scores: {
    visual: 0.95 - 0.06 * place,
    concept: 0.88 - 0.1 * place,
    colour: 0.7 - 0.12 * place,
    codes: 0.9 - 0.2 * place,
  },
  owner: 'An owner with quite a long name Ltd',
  office: ['EM', 'US', null][place % 3],
  status: ['registered', 'filed', null][place % 3],
  filed: ['2019-01-07', null, '2021-11-30'][place % 3],
  registered: ['2019-06-21', null, null][place % 3],
  nice: [9, 42],
  vienna: [['03.01.08', '26.01'], ['27.05.10'], []][place % 3],
  predicted: [{ code: '03.01', title: '', probability: 0.8 }],
})

function show() {
  byId('pattern-chips').replaceChildren(
    ...SEEN.map(({ code, probability, state }) =>
      chip({ code, probability, title: titleOf(code) }, state, () => {}, code === '03.01' ? 1 : 0)),
    chip({ code: '24.09.01', title: titleOf('24.09.01'), isAssigned: true }, 'all', () => {}),
    chip({ code: '05', title: titleOf('05'), isAssigned: true, probability: 0.7 }, 'off', () => {}),
  )
  byId('pattern-tags').replaceChildren(
    codeTag('03.01', 'is-shared'), codeTag('24.09.01', 'is-asked'), codeTag('26.04'),
  )
  showShares([...document.querySelectorAll('[data-block]')])
  const hits = samples.slice(0, 5).map(hitOf)
  const context = { queryCodes: ['03.01', '26'], asked: ['27.05'] }
  const cards = () => hits.map((hit, place) => hitCard(hit, place, context, { oncompare: () => {} }))
  byId('pattern-hits').replaceChildren(...cards())
  byId('pattern-rows').replaceChildren(
    ...hits.map((hit, place) => hitRow(hit, place, context, { oncompare: () => {} })),
  )
  byId('pattern-thumbs').replaceChildren(...cards(), h('li', { class: 'hit skeleton' }))
  if (hits.length) {
    const { src } = document.querySelector('.sample img')
    const query = { source: { src }, label: samples[0].text }
    byId('pattern-comparison').replaceChildren(comparison(hits[hits.length - 1], { query, ...context }))
  }
  byId('pattern-filters').replaceChildren(
    h('button', { class: 'filter-chip' }, h('span', {}, 'any 03.01 Quadrupeds'), icon('close')),
    h('button', { class: 'filter-chip is-not' }, h('span', {}, 'not 26'), icon('close')),
    h('button', { type: 'button', class: 'filter-chip is-clear' }, 'Clear all'),
  )
  const down = new Problem('The server does not answer', 'Check that it is running, then try again.')
  byId('pattern-problem').replaceChildren(problemBox(down, { label: 'Try again', act: () => {} }))
  byId('pattern-nothing').replaceChildren(nothingBox(2, () => {}))
}

loadVienna().catch(() => null).then(show)
