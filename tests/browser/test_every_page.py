"""What holds for every page: keyboard, widths, contrast, names, no inline code, no other hosts."""

import re

import httpx
import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.browser

PAGES = [
    "/",
    "/?mark_id=EM-001&vienna_none=24&status=registered",
    "/?text=sign",
    "/results?mark_id=EM-001",
    "/marks/EM-009",
    "/watches",
    "/batches",
]

_LOW_CONTRAST = """
const parse = text => (text.match(/[\\d.]+/g) || []).map(Number)
const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0)
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const style = getComputedStyle(at)
    const colour = parse(style.backgroundColor)
    if (colour.length === 3 || colour[3] > 0) return colour
  }
  return [255, 255, 255]
}
const low = []
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim())
  if (!own || !element.checkVisibility({visibilityProperty: true})) continue
  if (element.closest(':disabled, option, .visually-hidden, .skip, noscript')) continue
  const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))]
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
  if (ratio < 4.5) low.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`)
}
return low
"""


def _ready(page, path):
    page.open(path)
    if "mark" in path and "results" not in path:
        page.hits()


_TOO_WIDE = """
return [...document.querySelectorAll('body *')]
  .filter(x => x.getBoundingClientRect().right > innerWidth + 1 && !x.closest('svg, [popover]'))
  .map(x => x.className || x.id || x.tagName)
"""


_NAMED = {
    "button", "link", "textbox", "searchbox", "combobox", "checkbox", "radio", "slider",
    "spinbutton", "dialog", "img", "image", "menuitemradio", "Date",
}  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_a_page_names_its_controls_stands_out_and_never_scrolls_sideways(page, path):
    _ready(page, path)
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    nameless = [
        node["role"]["value"]
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in _NAMED
        and not node.get("name", {}).get("value", "").strip()
    ]
    assert nameless == []
    for scheme, media in (("light", ""), ("dark", ""), ("dark", "print")):  # as WCAG AA asks
        page.resize(1440, scheme=scheme, media=media)
        assert page.js(_LOW_CONTRAST) == [], (scheme, media)
    for width in (390, 320, 768):
        page.resize(width)
        if path == "/" and width == 390:
            page.click('#welcome [data-action="filters"]')
        found = page.js("return document.documentElement.scrollWidth")
        assert found <= width, (width, page.js(_TOO_WIDE))


@pytest.mark.parametrize("path", [*PAGES, "/marks/EM-999"])
def test_pages_hold_no_inline_code_and_forbid_it(address, path):
    answer = httpx.get(address + path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=\"|javascript:", answer.text)
    assert re.findall(r"<script(?![^>]*\ssrc=)", answer.text) == []
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//", answer.text) == []


def test_scripts_and_styles_are_asked_for_again_after_an_upgrade(address):
    answer = httpx.get(f"{address}/static/js/search.js")
    assert answer.headers["cache-control"] == "no-cache"
    again = httpx.get(
        f"{address}/static/js/search.js", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


def _press(page, *keys):
    ActionChains(page.driver).send_keys(*keys).perform()


def _focused(page):
    return page.js(
        "const e = document.activeElement; return e.closest('.hit')?.dataset.id ?? e.className"
    )


def _until_focused(page, mark_id):
    page.until(lambda: _focused(page) == mark_id, f"the focus does not come to {mark_id}")


def test_a_search_is_done_and_a_mark_opened_with_the_keyboard_alone(page):
    page.open("/")
    for _ in range(30):
        _press(page, Keys.TAB)
        if _focused(page) == "sample":
            break
    _press(page, Keys.ENTER)
    hits = page.hits()
    page.until(lambda: page.js("return document.activeElement.id") == "results-title", "no focus")
    for _ in range(10):
        _press(page, Keys.TAB)
        if _focused(page) == hits[0]:
            break
    tops = "return [...document.querySelectorAll('.hit')].map(x => x.offsetTop)"
    columns = page.js(tops).count(page.js(tops)[0])
    below = hits[columns]
    for key, place in (
        (Keys.ARROW_RIGHT, 1),
        (Keys.END, -1),
        (Keys.HOME, 0),
        (Keys.ARROW_DOWN, columns),
    ):
        _press(page, key)
        _until_focused(page, hits[place])
    _press(page, Keys.ENTER)
    page.until(lambda: page.one("#compare-dialog").is_displayed(), "nothing is compared")
    _press(page, Keys.ESCAPE)
    _until_focused(page, below)
    _press(page, Keys.TAB, Keys.TAB, Keys.ENTER)
    page.until(lambda: page.path == f"/marks/{below}", "the mark's page does not open")


def test_codes_are_chosen_with_the_keyboard(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    must = "#seen-codes .chip-button.is-all"
    code = page.one("#seen-codes .chip").get_attribute("data-code")
    # The chips are drawn again when the titles have come.
    page.until(lambda: page.one(must).send_keys(Keys.ENTER) or True, "no key is taken")
    page.until(lambda: f"vienna_all={code}" in page.path, "the code is no filter")
    focused = "const e = document.activeElement; return [e.dataset.choice, e.ariaPressed]"
    page.until(lambda: page.js(focused) == ["all", "true"], "the focus is lost")
    page.hits()
    assert page.js(focused) == ["all", "true"]


def test_where_the_focus_is_can_be_seen(page):
    page.open("/")
    for _ in range(6):
        _press(page, Keys.TAB)
        outline = page.js(
            "const e = document.activeElement; const ring = x => getComputedStyle(x).outlineStyle;"
            "return [ring(e), e.nextElementSibling ? ring(e.nextElementSibling) : 'none']"
        )
        assert "solid" in outline
