// The page's texts in its language; numbers, shares and days as that language writes them. English
// texts stand where they are shown, and are the keys of the catalogue (search_api/web/catalogue).

export const language = document.documentElement.lang
const texts = new Map(Object.entries(JSON.parse(document.body.dataset.texts))) // none in English
const rules = new Intl.PluralRules(language)

const fill = (text, values) => text.replace(/%\((\w+)\)s/g, (said, name) => (Object.hasOwn(values, name) ? values[name] : said))

/** A text, `%(name)s` in it filled from `values`. */
export const t = (text, values = {}) => fill(texts.get(text) ?? text, values)

/** A text for `count` things, which `%(n)s` says: singular and plural. */
export function plural(count, one, many, values = {}) {
  const [singular, others] = texts.get(one) ?? [one, many]
  return fill(rules.select(count) === 'one' ? singular : others, { n: number(count), ...values })
}

const formats = [0, 1, 2, 3].map((digits) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }))

/** 1742 as 1,742; with `digits` behind the point, three at most. */
export const number = (value, digits = 0) => formats[digits].format(value)

export const percent = (share) => `${Math.round(100 * share)} %`

const days = new Intl.DateTimeFormat(language, { dateStyle: 'short', timeZone: 'UTC' })

const moments = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' })

/** When something happened, as clocks here show it. */
export const dateTime = (iso) => moments.format(new Date(iso))

/** A day as ISO 8601 has it; English keeps that, which cannot be misread, and an address may hold what is none. */
export const day = (iso) => (language === 'en' || Number.isNaN(Date.parse(iso)) ? iso : days.format(new Date(iso)))
