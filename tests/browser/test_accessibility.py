"""Every state of every page, in English and French: axe-core finds nothing of impact serious or
worse, and the French one says nothing in English.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium_axe_python import Axe

from search_api.languages import LANGUAGES

pytestmark = pytest.mark.browser

# Every rule, those that axe-core calls experimental included: one of them compares what is read
# on a control with its name.
_RUN = """
const done = arguments[arguments.length - 1]
const experimental = axe.getRules(['experimental']).map(({ ruleId }) => [ruleId, { enabled: true }])
axe.run(arguments[0], { resultTypes: ['violations'], rules: Object.fromEntries(experimental) })
  .then(({ violations }) => done(violations.map(({ id, impact, nodes }) =>
    [id, impact, nodes.slice(0, 5).map((node) => `${node.html} ${node.failureSummary}`)])))
"""
# Cards of hits are one template: the first seven are enough, but for one state in one window.
_WHOLE = ("search", 1440)
_SEVEN_CARDS = {"exclude": [[".hit:nth-child(n+8)"]]}
_WINDOWS = ((1440, "light", "en"), (768, "dark", "fr"), (390, "light", "fr"))
# Controls that cannot be scrolled to, or that something else lies on.
_OUT_OF_REACH = """
// What lies over the page, and goes away by Esc, is looked at alone.
const area = document.activeElement.closest('dialog')
  ?? document.querySelector('#notice [role=alert]') ?? document.body
if (document.activeElement.ariaExpanded === 'true') document.activeElement.blur()
const controls = area.querySelectorAll('a, button, input, select, summary')
return [...controls].filter((control) => {
  const shown = control.closest('label') ?? control
  if (!control.checkVisibility() || control.matches('.visually-hidden, .skip')) return false
  shown.scrollIntoView({ block: 'center', inline: 'nearest', behavior: 'instant' })
  const { left, top, width, height } = shown.getBoundingClientRect()
  const [x, y] = [left + width / 2, top + height / 2]
  const found = document.elementFromPoint(x, y)
  return !found || !(shown.contains(found) || found.contains(shown))
    || left < -1 || left + width > innerWidth + 1
}).map((control) => control.outerHTML.slice(0, 160) + control.textContent.trim())
"""
# What people see, or a screen reader says, in the page's own language.
_SAID = """
const attributes = ['title', 'aria-label', 'placeholder', 'alt']
const said = [document.title]
for (const element of document.querySelectorAll('body, body *')) {
  if (element.closest('body [lang=en], noscript, script')) continue
  const inner = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE)
  said.push(...inner.map(({ data }) => data))
  said.push(...attributes.map((name) => element.getAttribute(name)))
}
return said.filter(Boolean).map((text) => text.trim())
"""
# Drops a file of a name and a text.
_AS_DROPPED = """
const transfer = new DataTransfer()
transfer.items.add(new File([arguments[1]], arguments[0]))
return dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true })) === false
"""
_SEARCH = "/?mark_id=EM-001&vienna_any=03&vienna_none=24&status=registered&nice=9"


def _search(page: Any, address: str = "/?mark_id=EM-001") -> None:
    page.open(address)
    page.hits()
    page.until(lambda: page.all("#seen-codes .chip"), "no codes")


def _start(page: Any) -> None:
    page.open("/")
    _open_sheet(page)


def _open_sheet(page: Any) -> None:
    """Show the filters, which a phone has in a sheet."""
    page.js(
        "const isShown = (button) => button.checkVisibility();"
        "[...document.querySelectorAll('[data-action=filters]')].find(isShown)?.click()"
    )


def _filtered(page: Any) -> None:
    page.open(_SEARCH)
    page.hits()
    page.js("for (const fold of document.querySelectorAll('details')) fold.open = true")
    _open_sheet(page)


def _thumbnails(page: Any) -> None:
    _search(page)
    page.js("document.querySelector('[name=density][value=thumbs]').click()")


def _list(page: Any) -> None:
    _search(page)
    page.js("document.querySelector('[name=density][value=list]').click()")


def _grouped(page: Any) -> None:
    _search(page)
    page.js("const group = document.getElementById('grouped'); if (!group.checked) group.click()")
    page.click(".hit-group")
    page.js("document.querySelector('.hit .is-star + button').click()")


def _shortlist(page: Any) -> None:
    _search(page)
    page.js("document.querySelector('.hit .is-star[aria-pressed=false]').click()")
    page.click("#shortlist")
    page.until(lambda: page.all(".shortlisted"), "no shortlist")


def _watch(page: Any) -> None:
    _search(page)
    page.click("#watch")


def _watches(page: Any) -> None:
    page.open("/watches")
    page.until(lambda: page.text("#watches"), "no watches")


def _batches(page: Any) -> None:
    page.open("/batches")
    picture = page.js(_AS_DROPPED, "no picture.png", "nothing")
    assert picture
    page.until(page.one("#start").is_enabled, "nothing came")
    page.click("#start")
    page.until(lambda: page.all(".batch .fold"), "the batch is not done")


def _crop(page: Any) -> None:
    _search(page)
    page.click('[data-action="crop"]')
    page.until(lambda: page.one(".crop-handle").is_displayed(), "no handles")


def _typed_code(page: Any) -> None:
    _start(page)
    field = page.one("#code-input")
    field.send_keys("dogs")
    page.until(lambda: page.all(".option"), "no code is offered")
    field.send_keys(Keys.ARROW_DOWN)


def _refused_code(page: Any) -> None:
    _start(page)
    page.one("#code-input").send_keys("3.77", Keys.ENTER)


def _perhaps(page: Any) -> None:
    _search(page)
    _open_sheet(page)
    page.js("document.getElementById('perhaps').open = true")


def _classification(page: Any) -> None:
    _search(page, _SEARCH)
    _open_sheet(page)
    page.click('[data-action="browse"]')
    page.until(lambda: page.all("#tree-body .node"), "no tree")
    page.click("#tree-body .node-toggle")


def _comparison(page: Any) -> None:
    _search(page)
    page.click(".hit-picture")


def _report(page: Any) -> None:
    _search(page)
    page.click("#report")


def _explanation(page: Any) -> None:
    _search(page)
    _open_sheet(page)
    page.click("#explain")
    page.until(lambda: page.one("#explain-dialog").is_displayed(), "no drawing")


def _nothing_found(page: Any) -> None:
    page.open("/?mark_id=EM-001&office=FR")
    page.until(lambda: page.text(".empty"), "nothing says that nothing was found")


def _unknown_mark(page: Any) -> None:
    page.allowed_messages = ["404"]
    page.open("/?mark_id=EM-999")
    page.one('#problem [role="alert"]')


def _notice(page: Any) -> None:
    page.open("/")
    page.js(
        "const held = new DataTransfer(); held.setData('text/plain', 'x');"
        "document.body.dispatchEvent("
        "new ClipboardEvent('paste', {clipboardData: held, bubbles: true}))"
    )
    page.one('#notice [role="alert"]')


def _listing(page: Any) -> None:
    page.open("/?text=sign")
    page.hits()


def _plain(page: Any) -> None:
    page.open("/results?mark_id=EM-001")


def _mark(page: Any) -> None:
    page.open("/marks/EM-009")
    page.hits()


def _lost(page: Any) -> None:
    page.allowed_messages = ["404"]
    page.open("/marks/EM-999")


_STATES: dict[str, Callable[[Any], None]] = {
    state.__name__.removeprefix("_"): state
    for state in (
        _start, _search, _filtered, _thumbnails, _list, _grouped, _shortlist, _watch, _watches,
        _batches, _crop, _typed_code, _refused_code,
        _perhaps, _classification, _comparison, _report, _explanation, _nothing_found,
        _unknown_mark,
        _notice, _listing, _plain, _mark, _lost,
    )
}  # fmt: skip


@pytest.mark.parametrize("state", _STATES)
def test_axe_finds_nothing_serious_and_french_says_nothing_in_english(page, state):
    found = []
    for width, scheme, language in _WINDOWS:
        page.resize(width, scheme=scheme)
        page.speak(language)
        _STATES[state](page)
        page.photograph(f"{state}-{width}-{scheme}-{language}")
        assert page.js("return document.documentElement.lang") == language
        english = [text for text in page.js(_SAID) if _english().fullmatch(text)]
        if language == "en":
            assert english, "the check finds nothing"
        else:
            assert english == []
        found += [
            (width, scheme, language, rule, impact, places)
            for rule, impact, places in _violations(page, with_all=(state, width) == _WHOLE)
            if impact in ("serious", "critical")
        ]
    assert found == []


def _violations(page: Any, with_all: bool = True) -> list[tuple[str, str, list[str]]]:
    """Rule, impact and places of what axe-core finds on a page."""
    Axe(page.driver).inject()
    context = {"include": [["html"]]} | ({} if with_all else _SEVEN_CARDS)
    found: list[tuple[str, str, list[str]]] = page.driver.execute_async_script(_RUN, context)
    return found


@cache
def _english() -> re.Pattern[str]:
    """Every text of the catalogue that French says otherwise, with anything in its gaps."""
    texts = [
        (one, french)
        for one, french in LANGUAGES["fr"].texts.items()
        if one != french and len(re.sub(r"%\(\w+\)s|\W", "", one)) > 5
    ]
    gaps = [re.sub(r"%\\\(\w+\\\)s", ".+", re.escape(one)) for one, _ in texts]
    return re.compile("|".join(gaps))


@pytest.mark.parametrize("state", _STATES)
def test_nothing_is_lost_at_200_and_400_percent(page, state):
    """A window of 1280 by 1024 pixels at these sizes (WCAG 1.4.4 and 1.4.10)."""
    page.speak("fr")
    for percent in (200, 400):
        page.resize(1280 * 100 // percent, 1024 * 100 // percent)
        _STATES[state](page)
        page.photograph(f"{state}-zoomed-{percent}-fr")
        root = "document.scrollingElement"
        assert page.js(f"return {root}.scrollWidth - {root}.clientWidth") <= 0, percent
        assert (percent, page.js(_OUT_OF_REACH)) == (percent, [])


def test_pictures_are_compared_in_half_a_laptop_s_window(page):
    """1440 by 900 pixels at 200 percent."""
    page.resize(720, 450)
    _comparison(page)
    heights = page.js(
        "return [...document.querySelectorAll('.comparison .figure')]"
        ".map((one) => one.clientHeight)"
    )
    assert len(heights) == 2
    assert min(heights) > 180


def test_a_control_that_is_covered_or_cut_off_is_found(page):
    page.open("/")
    button = "document.querySelector('#welcome .button')"
    page.js(f"Object.assign({button}.style, {{ position: 'fixed', left: '-9rem' }})")
    assert any("Choose a file" in one for one in page.js(_OUT_OF_REACH))


def test_the_language_is_switched_in_place_and_stays(page, draw_mark, tmp_path):
    path = tmp_path / "own.png"
    draw_mark(3).save(path)
    page.open("/")
    page.upload(path)
    page.hits()
    page.click(".masthead [hreflang]")
    page.until(lambda: page.text("#results-title") == "Marques les plus similaires", "no French")
    assert "own.png" in page.text("#query-name")
    assert page.hits()[0] == "EM-003"
    page.open("/?text=sign")
    page.until(lambda: page.text("#results-title") == "Marques trouvées", "French did not stay")
    page.click(".masthead [hreflang]")
    page.until(lambda: page.text("#results-title") == "Marks found", "no English")


def test_the_rules_are_those_of_axe_core_and_find_a_nameless_button(page):
    page.open("/")
    page.js("document.querySelector('main').append(document.createElement('button'))")
    assert "button-name" in [rule for rule, *_ in _violations(page)]
