// What only paper says of a search: the day, and what its weights are.

import { byId } from './dom.js'
import { day, t } from './texts.js'

/** The sliders as they are set; nothing where no picture is compared. */
function weights() {
  if (byId('content').dataset.phase !== 'query') return []
  const sliders = [...byId('filters').querySelectorAll('.slider')]
  return sliders.filter((one) => !one.querySelector('input').disabled).map((one) =>
    `${one.querySelector('label').firstChild.textContent.trim()} ${one.querySelector('output').textContent}`)
}

addEventListener('beforeprint', () => {
  const today = day(new Date().toISOString().slice(0, 10))
  const set = weights()
  byId('printed').textContent = set.length ? `${today} · ${t('Weights: %(weights)s', { weights: set.join(', ') })}` : today
})
