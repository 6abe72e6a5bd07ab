// Adding codes that were not seen in the picture: a text field that completes codes and subjects.

import { titleWith } from './chips.js'
import { byId, debounced, h } from './dom.js'
import { number, t } from './texts.js'
import { find, isKnown, marksOf, normalised } from './vienna.js'

const TYPING_MS = 100

/** Make the field add codes; `onadd(code)` is called with each, `onerror(error)` where none can be found. */
export function startCodeInput(onadd, onerror) {
  const input = byId('code-input')
  const list = byId('code-options')
  let shown = []
  let at = -1
  let finding = null // the offer for what was typed last

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
    finding = offer(input.value)
    return finding
  }
  const offer = async (text) => {
    say('')
    const found = await find(text).catch(onerror)
    if (text !== input.value || !found) return
    shown = found.map((one, index) => ({ node: one.node, isWhole: one.isWhole, option: optionFor(one, index, add) }))
    list.replaceChildren(...shown.map(({ option }) => option))
    list.hidden = shown.length === 0
    input.setAttribute('aria-expanded', String(shown.length > 0))
    mark(-1)
  }

  const typed = debounced(open, TYPING_MS)
  input.addEventListener('input', typed)
  input.addEventListener('blur', close)
  input.addEventListener('keydown', async (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      typed.flush()
      await (list.hidden ? open() : finding)
      if (shown.length) mark((Math.max(at, step < 0 ? 0 : -1) + step + shown.length) % shown.length)
    } else if (event.key === 'Escape' && !list.hidden) {
      event.preventDefault()
      close()
    } else if (event.key === 'Enter') {
      event.preventDefault()
      if (!normalised(input.value)) { // which codes a subject means is still to come
        typed.flush()
        await finding
      }
      const code = shown[at]?.node.code ?? chosenFrom(input.value, shown)
      if (code) add(code)
      else if (input.value.trim()) say(refusal(input.value, shown))
    }
  })
}

/** What Enter means without a marked option: the typed code, or the first subject that has all of the words,
 *  or the only one that fits. */
function chosenFrom(text, shown) {
  const code = normalised(text)
  if (code) return isKnown(code) ? code : null
  return shown[0]?.isWhole || shown.length === 1 ? shown[0].node.code : null
}

function refusal(text, shown) {
  const code = normalised(text)
  if (code) return t('%(code)s is not in the Vienna Classification.', { code })
  if (shown.length) return t('Choose one of the codes with the arrow keys.')
  return t('No Vienna code is called “%(text)s”.', { text: text.trim() })
}

function optionFor({ node, by }, index, add) {
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
    titleWith(node.title, by),
    h('span', { class: 'count' }, number(marksOf(node.code))),
  )
}
