"""axe-core finds nothing of impact serious or worse on any state of any page."""

from collections.abc import Callable
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium_axe_python import Axe

pytestmark = pytest.mark.browser

# Every rule, those that axe-core calls experimental included: one of them compares what is read
# on a control with its name.
_RUN = """
const done = arguments[arguments.length - 1]
const experimental = axe.getRules(['experimental']).map(({ ruleId }) => [ruleId, { enabled: true }])
axe.run(document, { resultTypes: ['violations'], rules: Object.fromEntries(experimental) })
  .then(({ violations }) => done(violations.map(({ id, impact, nodes }) =>
    [id, impact, nodes.slice(0, 5).map((node) => `${node.html} ${node.failureSummary}`)])))
"""
_WINDOWS = ((1440, "light"), (768, "dark"), (390, "light"))
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


def _crop(page: Any) -> None:
    _search(page)
    page.click('[data-action="crop"]')
    page.until(lambda: page.one(".crop-handle").is_displayed(), "no handles")


def _typed_code(page: Any) -> None:
    _start(page)
    field = page.one("#code-input")
    page.until(lambda: field.send_keys("dogs") or page.all(".option") or field.clear(), "no titles")
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


def _explanation(page: Any) -> None:
    _search(page)
    _open_sheet(page)
    page.click("#explain")
    page.until(lambda: page.one("#explain-dialog").is_displayed(), "no drawing")


def _nothing_found(page: Any) -> None:
    page.open("/?mark_id=EM-001&text=nobody")
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


def _patterns(page: Any) -> None:
    page.open("/patterns")
    page.one("#pattern-hits .hit")


_STATES: dict[str, Callable[[Any], None]] = {
    state.__name__.removeprefix("_"): state
    for state in (
        _start, _search, _filtered, _thumbnails, _list, _crop, _typed_code, _refused_code,
        _perhaps, _classification, _comparison, _explanation, _nothing_found, _unknown_mark,
        _notice, _listing, _plain, _mark, _lost, _patterns,
    )
}  # fmt: skip


@pytest.mark.parametrize("state", _STATES)
def test_axe_finds_nothing_serious(page, state):
    found = []
    for width, scheme in _WINDOWS:
        page.resize(width, scheme=scheme)
        _STATES[state](page)
        Axe(page.driver).inject()
        serious = [
            (width, scheme, rule, impact, places)
            for rule, impact, places in page.driver.execute_async_script(_RUN)
            if impact in ("serious", "critical")
        ]
        found.extend(serious)
    assert found == []


def test_the_rules_are_those_of_axe_core_and_find_a_nameless_button(page):
    page.open("/")
    page.js("document.querySelector('main').append(document.createElement('button'))")
    Axe(page.driver).inject()
    assert "button-name" in [rule for rule, *_ in page.driver.execute_async_script(_RUN)]
