// The page of watches: what came near each, with pictures, and whether somebody read it.

import { getMark, imagePath, readWatch, removeWatch, watchEvents, watches } from './api.js'
import { byId, h, icon } from './dom.js'
import { pageOf, score, showProblem, titleOfMark } from './results.js'
import { day, number, plural, t } from './texts.js'

async function eventItem(event) {
  const mark = await getMark(event.mark).catch(() => null) // withdrawn since
  const title = mark ? titleOfMark(mark) : event.mark
  return h('li', { class: `hit watch-event${event.read ? '' : ' is-new'}` },
    h('a', { class: 'hit-picture', href: pageOf(event.mark), 'aria-label': title },
      mark?.image && h('img', { src: imagePath(event.mark, { size: 320, digest: mark.image_digest }), alt: '', loading: 'lazy' })),
    h('div', { class: 'hit-body' },
      h('p', { class: 'hit-title', title }, title),
      h('p', { class: 'hit-meta' }, t('score %(score)s', { score: score(event.score) })),
      h('p', { class: 'hit-meta' }, t('near %(sign)s', { sign: event.sign })),
      h('p', { class: 'hit-meta' }, day(event.found.slice(0, 10)), !event.read && h('strong', { class: 'tag' }, t('new')))))
}

async function section(watch) {
  const { events } = await watchEvents(watch.name)
  const items = await Promise.all(events.map(eventItem))
  const markRead = () => readWatch(watch.name, events[0].id).then(show, fail)
  const remove = async () => {
    if (!confirm(t('Remove the watch %(name)s and what it found?', { name: watch.name }))) return
    await removeWatch(watch.name).then(show, fail)
  }
  return h('section', { class: 'sheet-part', 'aria-label': watch.name },
    h('header', { class: 'section-head' },
      h('h2', {}, watch.name, ' ', watch.unread > 0 && h('span', { class: 'badge' }, number(watch.unread))),
      h('div', { class: 'button-row' },
        watch.unread > 0 && h('button', { type: 'button', class: 'button', 'data-action': 'read', onclick: markRead }, icon('check'), t('Mark as read')),
        h('a', { class: 'button', href: watch.feed, type: 'application/atom+xml' }, t('Atom feed')),
        h('button', { type: 'button', class: 'button', 'data-action': 'remove', onclick: remove }, icon('close'), t('Remove')))),
    h('p', { class: 'hint' }, t('%(signs)s, from a score of %(score)s on', { signs: watch.signs.join(', '), score: score(watch.threshold, 2) })),
    watch.webhook_error && h('p', { class: 'field-error', lang: 'en' }, watch.webhook_error),
    items.length ? h('ol', { class: 'hits' }, items) : h('p', { class: 'hint' }, t('Nothing has come near yet.')))
}

function fail(problem) {
  byId('watches').replaceChildren()
  showProblem(problem)
}

async function show() {
  try {
    const found = await watches()
    const sections = await Promise.all(found.watches.map(section))
    byId('watches').replaceChildren(...(sections.length ? sections : [h('p', { class: 'empty' }, t('There is no watch yet.'))]))
    byId('status').textContent = plural(sections.length, '%(n)s watch', '%(n)s watches')
  } catch (problem) {
    fail(problem)
  } finally {
    byId('watches').setAttribute('aria-busy', 'false')
  }
}

show()
