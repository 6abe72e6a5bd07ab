// Links of the search page that go on in it, without loading it anew.

import { byId } from './dom.js'

/** Do what a link is for in this tab, unless it is opened in another one. */
export function goOn(event, act) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return
  event.preventDefault()
  act()
}

/** `onhome()` leads to the start page, `onsearch(event, mark)` searches from a sample. */
export function startLinks(onhome, onsearch) {
  // The address of an uploaded picture is that of the start page.
  document.querySelector('.brand').addEventListener('click', (event) => goOn(event, onhome))
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault() // a step in the history without the picture would lose it
    byId('content').focus()
  })
  for (const link of document.querySelectorAll('.sample')) {
    link.addEventListener('click', (event) => onsearch(event, { id: link.dataset.markId }))
  }
}
