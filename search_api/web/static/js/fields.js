// The fields of a mark and the conditions of a filter, as the server's tables describe them: what is
// added there is searched by and shown here.

const described = JSON.parse(document.body.dataset.fields)

/** {name, kind, title} of each; kinds: id, text, word, day, nice, vienna, us_design. */
export const MARK_FIELDS = described.mark

/** {name, kind, title} of each but those of Vienna codes; kinds: classes, words, first_day, last_day, text. */
export const FILTER_FIELDS = described.filter

/** Whether the server puts a list in an order: a field's name, with - before it the other way round. */
export const isServed = (order) =>
  MARK_FIELDS.some(({ name, kind }) => name === order.replace(/^-/, '') && (kind === 'id' || kind === 'day'))

export const isList = ({ kind }) => kind === 'classes' || kind === 'words'
