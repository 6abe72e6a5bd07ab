// The filter form: what people set there becomes a change of the state, and the other way round.

import { byId, debounced } from './dom.js'
import { number, percent, t } from './texts.js'

const TYPING_MS = 350
const SLIDING_MS = 150

/**
 * Make the form. `onchange(change, control)` is called with what a person changed: only that, since
 * an address may ask for values that have no control here. `control` is the name of the one being
 * edited where more of the same will follow (typing, sliding), else null.
 */
export function startFilterForm(onchange) {
  const form = byId('filters')
  const sliders = [...form.querySelectorAll('[data-block]')]
  const ofWords = byId('weight-words')
  const parts = byId('weight-parts')
  const alone = [...form.querySelectorAll('[data-alone]')]
  const weights = () => weightsOf([...sliders, ...alone], parts)
  const reset = form.querySelector('[data-action="reset-weights"]')
  let shown = null // the state as last set

  const typed = debounced((control) => onchange({ [control.name]: control.value.trim() }, control.name), TYPING_MS)
  const slid = debounced((control) => onchange({ weights: weights() }, control.id), SLIDING_MS)

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    typed.flush()
  })
  form.addEventListener('input', ({ target }) => {
    if (target.type === 'search') typed(target)
    if (target.dataset.block) {
      showShares(sliders)
      slid(target)
    } else if (target.dataset.alone) {
      showAlone(target)
      slid(target)
    }
  })
  form.addEventListener('change', ({ target }) => {
    const { name, type, value } = target
    if (target === parts) onchange({ weights: weights() }, null)
    if (!name || type === 'search' || type === 'range') return
    onchange({ [name]: type === 'checkbox' ? ticked(form, name, shown[name]) : value }, null)
  })
  reset.addEventListener('click', () => onchange({ weights: new Map() }, null))
  const flush = () => {
    typed.flush()
    slid.flush()
  }
  form.addEventListener('focusout', flush) // the next edit must not take the place of this one

  return {
    /** Show how many marks the present search would find with each value of a field. */
    count(counts) {
      for (const count of form.querySelectorAll('[data-count-of]')) {
        const box = count.parentElement.querySelector('input')
        const found = new Map(Object.entries(counts[box.name])).get(box.value) ?? 0
        count.textContent = number(found)
        count.parentElement.classList.toggle('is-empty', !found)
      }
    },
    /** Report an edit that still waits for more of the same. */
    flush,
    /** Show a state; the control being edited, if any, is left as it is. */
    set(state, edited) {
      shown = state
      for (const control of form.elements) if (control.name !== edited) setControl(control, state)
      for (const slider of sliders) {
        slider.value = state.weights.get(slider.dataset.block) ?? slider.dataset.default
      }
      for (const slider of alone) {
        slider.value = state.weights.get(slider.dataset.alone) ?? slider.dataset.default
        showAlone(slider)
      }
      parts.checked = state.weights.get('parts') !== 0
      reset.hidden = state.weights.size === 0
      ofWords.disabled = !state.text // there is nothing to weigh
      showShares(sliders)
      for (const value of form.querySelectorAll('[data-value-of]')) {
        value.textContent = state[value.dataset.valueOf].join(', ')
      }
      const minimum = byId('minimum-field')
      minimum.hidden = state.vienna_source === 'assigned'
    },
  }
}

/** The values ticked in a list, and those asked for by the address that have no box. */
function ticked(form, name, asked) {
  const boxes = [...form.elements].filter((control) => control.name === name)
  const others = asked.filter((value) => !boxes.some((box) => box.value === value))
  return [...boxes.filter((box) => box.checked).map((box) => box.value), ...others]
}

function setControl(control, state) {
  const { name, type, value } = control
  if (!name || !(name in state)) return
  if (type === 'checkbox') control.checked = state[name].includes(value)
  else if (type === 'radio') control.checked = state[name] === value
  else {
    if (type === 'select-one') offer(control, state[name])
    control.value = state[name]
  }
}

/** Make sure that the shares to choose from hold the one that an address asks for. */
function offer(select, value) {
  if ([...select.options].some((option) => option.value === value)) return
  const larger = [...select.options].find((option) => Number(option.value) > Number(value))
  select.add(new Option(percent(value), value), larger ?? null)
}

function weightsOf(sliders, parts) {
  const weights = new Map(parts.checked ? [] : [['parts', 0]])
  for (const { dataset, value } of sliders) {
    if (Number(value) !== Number(dataset.default)) weights.set(dataset.block ?? dataset.alone, Math.round(1000 * value) / 1000)
  }
  return weights
}

/** How much a slider counts that has no share of the mean. */
export function showAlone(slider) {
  const text = Number(slider.value) ? number(Number(slider.value), 2) : t('off')
  slider.parentElement.querySelector('output').textContent = text
  slider.setAttribute('aria-valuetext', text)
}

/** What each block contributes to the score, which is the weighted mean. */
function showShares(sliders) {
  const total = sliders.reduce((sum, { value, disabled }) => sum + (disabled ? 0 : Number(value)), 0)
  for (const slider of sliders) {
    const share = total && !slider.disabled ? percent(slider.value / total) : t('none')
    slider.parentElement.querySelector('output').textContent = share
    slider.setAttribute('aria-valuetext', t('%(share)s of the score', { share }))
  }
}
