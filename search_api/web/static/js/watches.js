// The page of watches: what came near each, with pictures, and whether somebody read it.

import { imagePath, readWatch, removeWatch, watchEvents, watches } from './api.js'
import { byId, h, icon } from './dom.js'
import { dismiss, notifyOf } from './notice.js'
import { blockLabel, pageOf, score, showProblem, titleOfMark } from './results.js'
import { activeFilters, fromWatch } from './state.js'
import { day, number, plural, t } from './texts.js'

const AT_ONCE = 100 // marks
const SIGNS = 24 // whose pictures are shown
const OTHER_WEIGHTS = { parts: t('Parts'), places: t('Places'), same_codes: t('Same codes') }

/** From which score on, among which marks and how they are compared, and who is told. */
function asked({ threshold, asked, webhook }) {
  const state = fromWatch(asked)
  const filters = activeFilters(state, () => '').map(({ label }) => label)
  const weights = [...state.weights].map(([name, weight]) => `${OTHER_WEIGHTS[name] ?? blockLabel(name)} ${weight ? number(weight, 2) : t('off')}`)
  return [
    t('From a score of %(score)s on', { score: score(threshold, 2) }),
    ...filters,
    weights.length && t('Weights: %(weights)s', { weights: weights.join(', ') }),
    webhook && t('Webhook: %(host)s', { host: new URL(webhook).host }),
  ].filter(Boolean).map((text) => h('li', {}, text))
}

function signs(watch) {
  const shown = watch.signs.slice(0, SIGNS).map((sign, at) =>
    h('li', {}, h('img', { src: watch.pictures[at], alt: '', loading: 'lazy' }), h('span', { title: sign }, sign)))
  const more = watch.signs.length - shown.length
  return h('ul', { class: 'watched-signs', 'aria-label': t('Watched signs') },
    shown, more > 0 && h('li', {}, plural(more, 'and %(n)s more sign', 'and %(n)s more signs')))
}

function eventItem(event) {
  const title = titleOfMark({ ...event, id: event.mark })
  return h('li', { class: `hit watch-event${event.read ? '' : ' is-new'}` },
    !event.withdrawn && h('a', { class: 'hit-picture', href: pageOf(event.mark), 'aria-label': title },
      event.image_digest && h('img', { src: imagePath(event.mark, { size: 320, digest: event.image_digest }), alt: '', loading: 'lazy' })),
    h('div', { class: 'hit-body' },
      h('p', { class: 'hit-title', title }, title),
      event.withdrawn && h('p', { class: 'hit-meta' }, t('Withdrawn since.')),
      h('p', { class: 'hit-meta' }, t('score %(score)s', { score: score(event.score) })),
      h('p', { class: 'hit-meta' }, t('near %(sign)s', { sign: event.sign })),
      h('p', { class: 'hit-meta' }, day(event.found.slice(0, 10)), !event.read && h('strong', { class: 'tag' }, t('new')))))
}

async function section(watch) {
  const { events } = await watchEvents(watch.name)
  const isUnread = (event) => !event.read
  const left = watch.unread - events.filter(isUnread).length
  const list = h('ol', { class: 'hits' })
  const read = h('button', {
    type: 'button', class: 'button', 'data-action': 'read',
    onclick: () => change(readWatch(watch.name, events[0].id), watch.name),
  }, icon('check'), t('Mark as read'))
  const more = h('button', { type: 'button', class: 'button', 'data-action': 'more', onclick: showMore }, t('Show more'))
  const remove = () => {
    if (confirm(t('Remove the watch %(name)s and what it found?', { name: watch.name }))) change(removeWatch(watch.name))
  }
  function showMore() {
    const first = list.children.length
    list.append(...events.slice(first, first + AT_ONCE).map(eventItem))
    const hidden = events.slice(list.children.length)
    read.hidden = !watch.unread || hidden.some(isUnread) // what nobody saw is not read
    more.hidden = !hidden.length
    if (first) list.children[first].querySelector('a')?.focus()
  }
  showMore()
  return h('section', { class: 'sheet-part', 'aria-label': watch.name },
    h('header', { class: 'section-head' },
      h('h2', { tabindex: -1 }, watch.name, ' ', watch.unread > 0 && h('span', { class: 'badge' }, number(watch.unread))),
      h('div', { class: 'button-row' },
        read,
        h('a', { class: 'button', href: watch.feed, type: 'application/atom+xml' }, t('Atom feed')),
        h('button', { type: 'button', class: 'button', 'data-action': 'remove', onclick: remove }, icon('close'), t('Remove')))),
    signs(watch),
    h('ul', { class: 'watch-asked hint', 'aria-label': t('What is asked') }, asked(watch)),
    watch.webhook_error && h('p', { class: 'field-error', lang: 'en' }, watch.webhook_error),
    events.length ? list : h('p', { class: 'hint' }, t('Nothing has come near yet.')),
    left > 0 && h('p', { class: 'hint' }, plural(left, '%(n)s older new mark is not shown here.', '%(n)s older new marks are not shown here.')),
    more)
}

/** Show the watches as they are after a change, and go on at the watch of a name, or else at the top. */
async function change(done, name = null) {
  try {
    await done
  } catch (problem) {
    return notifyOf(problem)
  }
  dismiss()
  await show()
  const part = [...document.querySelectorAll('#watches section')].find((one) => one.ariaLabel === name)
  ;(part?.querySelector('h2') ?? byId('content')).focus()
}

async function show() {
  try {
    const found = await watches()
    const sections = await Promise.all(found.watches.map(section))
    byId('problem').replaceChildren()
    byId('watches').replaceChildren(...(sections.length ? sections : [h('p', { class: 'empty' }, t('There is no watch yet.'))]))
    byId('status').textContent = plural(sections.length, '%(n)s watch', '%(n)s watches')
  } catch (problem) {
    byId('watches').replaceChildren()
    showProblem(problem)
  } finally {
    byId('watches').setAttribute('aria-busy', 'false')
  }
}

show()
