// The filter form: what people set there becomes a change of the state, and the other way round.

import { byId, settled } from './dom.js'

const TYPING_MS = 350
const SLIDING_MS = 150
const PHONE = '(max-width: 44rem)'

/** Make the form; `onchange(change, isSoft)` is told of changes. Returns {set(state)}. */
export function startFilterForm(onchange) {
  const form = byId('filters')
  const sliders = [...form.querySelectorAll('[data-block]')]
  const reset = form.querySelector('[data-action="reset-weights"]')
  byId('filter-box').open = !matchMedia(PHONE).matches

  const chosen = () => {
    const given = new FormData(form)
    return {
      vienna_source: given.get('vienna_source'),
      min_probability: given.get('min_probability') ?? '',
      nice: given.getAll('nice'),
      status: given.getAll('status'),
      office: given.getAll('office'),
      filed_from: given.get('filed_from') ?? '',
      filed_to: given.get('filed_to') ?? '',
      text: given.get('text').trim(),
      weights: weightsOf(sliders),
    }
  }
  const soon = settled(() => onchange(chosen(), true), TYPING_MS)
  const slid = settled(() => onchange(chosen(), true), SLIDING_MS)

  form.addEventListener('submit', (event) => event.preventDefault())
  form.addEventListener('input', (event) => {
    if (event.target.name === 'text') soon()
    if (event.target.dataset.block) {
      showShares(sliders)
      slid()
    }
  })
  form.addEventListener('change', (event) => {
    const { name, type } = event.target
    if (name && name !== 'text' && type !== 'range') onchange(chosen(), false)
  })
  reset.addEventListener('click', () => onchange({ weights: new Map() }, false))

  return {
    set(state) {
      for (const control of form.elements) setControl(control, state)
      for (const slider of sliders) {
        slider.value = state.weights.get(slider.dataset.block) ?? slider.dataset.default
      }
      reset.hidden = state.weights.size === 0
      showShares(sliders)
      const nice = byId('nice-value')
      if (nice) nice.textContent = state.nice.join(', ')
      const minimum = byId('minimum-field')
      minimum.hidden = state.vienna_source === 'assigned'
    },
  }
}

function setControl(control, state) {
  const { name, type, value } = control
  if (!name || name === 'k' || !(name in state)) {
    if (name === 'k') control.value = state.k
    return
  }
  if (type === 'checkbox') control.checked = state[name].includes(value)
  else if (type === 'radio') control.checked = state[name] === value
  else if (control !== document.activeElement) control.value = state[name]
}

function weightsOf(sliders) {
  const weights = new Map()
  for (const { dataset, value } of sliders) {
    if (Number(value) !== Number(dataset.default)) weights.set(dataset.block, Math.round(1000 * value) / 1000)
  }
  return weights
}

/** What each block contributes to the score, which is the weighted mean. */
export function showShares(sliders) {
  const total = sliders.reduce((sum, { value }) => sum + Number(value), 0)
  for (const slider of sliders) {
    const share = total ? `${Math.round((100 * slider.value) / total)} %` : 'none'
    slider.parentElement.querySelector('output').textContent = share
    slider.setAttribute('aria-valuetext', `${share} of the score`)
  }
}
