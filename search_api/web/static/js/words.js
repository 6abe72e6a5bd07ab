// The words that the server reads in the query picture: offered to search for, or to be left out.

import { Problem, byHandle, readWords } from './api.js'
import { byId } from './dom.js'
import { toPicture, viewOf } from './state.js'
import { t } from './texts.js'

/** Make the row below the picture; `go(change)` searches. Nothing where the server cannot read. */
export function startWords(go) {
  const use = byId('use-words')
  const ignore = byId('ignore-words')
  if (!use) return { show: () => {} }
  const unread = byId('words-unread')
  let of = null // what was read last: the fields of the request as text
  let text = ''
  let running = null // AbortController of the reading under way
  use.addEventListener('click', () => go({ text }))
  ignore.addEventListener('change', () => go({ ignoreWords: ignore.checked }))
  let again = null // reads what could not be read
  byId('read-again').addEventListener('click', () => again())

  const offer = (state) => {
    use.hidden = !text || text === state.text
    use.firstElementChild.textContent = t('Read: %(words)s', { words: text })
    use.title = t('Search by these words, too')
  }

  const words = {
    /** Read the picture of a state that was searched with; `asked(isKept)` gives what `toPicture` takes. */
    async show(state, asked) {
      ignore.checked = state.ignoreWords
      const mine = JSON.stringify([state.query.key ?? state.query.id, viewOf(state)])
      if (of !== mine) {
        of = mine
        text = ''
        unread.hidden = true
        running?.abort()
        running = new AbortController()
        offer(state)
        try {
          const { signal } = running
          text = (await byHandle((isKept) => readWords(toPicture(asked(isKept)), signal))).text
        } catch (error) {
          if (error.name === 'AbortError') return
          if (!(error instanceof Problem)) throw error
          of = null // the next search asks again; what is wrong with the picture it says itself
          unread.hidden = !error.isPassing
          again = () => words.show(state, asked)
        }
      }
      offer(state)
    },
  }
  return words
}
