// Small helpers to build and find elements. Text is always set as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg'

export const byId = (id) => document.getElementById(id)

/** Make an element: attributes (`onclick` and the like are listeners), then children. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? '' : value)
  }
  node.append(...children.flat().filter((child) => child || child === 0))
  return node
}

export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

export function icon(name) {
  const attributes = { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }
  return svg('svg', attributes, svg('use', { href: `#i-${name}` }))
}

/**
 * A bar filled to `fraction` (0 to 1; what lies outside is clipped). Templates, which may not set styles,
 * draw an SVG; five of these in each card were a good part of the work of scrolling, by Chromium's trace.
 */
export function bar(fraction) {
  const width = `${(100 * Math.min(1, Math.max(0, fraction))).toFixed(1)}%`
  const drawn = h('span', { class: 'bar', 'aria-hidden': 'true' })
  drawn.style.setProperty('--filled', width)
  return drawn
}

/** Call `run` once, `wait` milliseconds after the last call; `flush()` makes a call that waits now. */
export function debounced(run, wait) {
  let timer = 0
  let waiting = null
  const flush = () => {
    clearTimeout(timer)
    const call = waiting
    waiting = null
    call?.()
  }
  const call = (...values) => {
    clearTimeout(timer)
    waiting = () => run(...values)
    timer = setTimeout(flush, wait)
  }
  return Object.assign(call, { flush })
}
