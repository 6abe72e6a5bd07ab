// Adding codes that were not seen in the picture: a text field that completes codes and subjects.

import { byId, h } from './dom.js'
import { number, t } from './texts.js'
import { find, isKnown, normalised } from './vienna.js'

/** Make the field add codes; `onadd(code)` is called with each. */
export function startCodeInput(onadd) {
  const input = byId('code-input')
  const list = byId('code-options')
  let shown = []
  let at = -1

  const close = () => {
    list.hidden = true
    at = -1
    input.setAttribute('aria-expanded', 'false')
    input.removeAttribute('aria-activedescendant')
  }
  const say = (problem) => {
    byId('code-error').textContent = problem
    byId('code-error').hidden = !problem
    input.setAttribute('aria-invalid', String(Boolean(problem)))
  }
  const add = (code) => {
    input.value = ''
    say('')
    close()
    onadd(code)
  }
  const mark = (place) => {
    at = place
    shown.forEach(({ option }, index) => option.setAttribute('aria-selected', String(index === at)))
    shown[at]?.option.scrollIntoView({ block: 'nearest' })
    if (at >= 0) input.setAttribute('aria-activedescendant', shown[at].option.id)
    else input.removeAttribute('aria-activedescendant')
  }
  const open = () => {
    say('')
    shown = find(input.value).map((node, index) => ({ node, option: optionFor(node, index, add) }))
    list.replaceChildren(...shown.map(({ option }) => option))
    list.hidden = shown.length === 0
    input.setAttribute('aria-expanded', String(shown.length > 0))
    mark(-1)
  }

  input.addEventListener('input', open)
  input.addEventListener('blur', close)
  input.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      if (list.hidden) open()
      if (shown.length) mark((Math.max(at, step < 0 ? 0 : -1) + step + shown.length) % shown.length)
    } else if (event.key === 'Escape' && !list.hidden) {
      event.preventDefault()
      close()
    } else if (event.key === 'Enter') {
      event.preventDefault()
      const code = shown[at]?.node.code ?? chosenFrom(input.value, shown)
      if (code) add(code)
      else if (input.value.trim()) say(refusal(input.value))
    }
  })
}

/** What Enter means without a marked option: the typed code, or the only subject that fits. */
function chosenFrom(text, shown) {
  const code = normalised(text)
  if (code) return isKnown(code) ? code : null
  return shown.length === 1 ? shown[0].node.code : null
}

function refusal(text) {
  const code = normalised(text)
  if (code) return t('%(code)s is not in the Vienna Classification.', { code })
  if (find(text).length) return t('Choose one of the codes with the arrow keys.')
  return t('No Vienna code has “%(text)s” in its title.', { text: text.trim() })
}

function optionFor(node, index, add) {
  return h(
    'li',
    {
      class: 'option',
      role: 'option',
      id: `code-option-${index}`,
      'aria-selected': 'false',
      onmousedown: (event) => event.preventDefault(), // keeps the focus in the field
      onclick: () => add(node.code),
    },
    h('span', { class: 'code' }, node.code),
    h('span', { lang: 'en' }, node.title),
    h('span', { class: 'count' }, number(node.marks)),
  )
}
