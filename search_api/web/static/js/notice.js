// What is said over the page and is not the result of a search.

import { Problem } from './api.js'
import { byId, h, icon } from './dom.js'
import { problemBox } from './results.js'
import { t } from './texts.js'

/** Say something that is not the result of a search, until the next search or Esc. */
export function notify(problem) {
  const close = h('button', {
    type: 'button', class: 'button is-quiet is-icon', 'aria-label': t('Dismiss'), onclick: dismiss,
  }, icon('close'))
  const box = problemBox(problem)
  box.append(close)
  byId('notice').replaceChildren(box)
}

export function notifyOf(error) {
  if (error.name === 'AbortError') return // what it asked for is wanted no longer
  if (!(error instanceof Problem)) console.error(error)
  notify(error instanceof Problem ? error : new Problem(t('It cannot be drawn'), error.message, { lang: 'en' }))
}

export const dismiss = () => byId('notice').replaceChildren()
