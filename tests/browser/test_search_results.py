"""The hits on the search page: cards, thumbnails, list, comparison, on screens of all widths."""

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.browser


def test_hits_are_compared_side_by_side_with_arrow_keys(page):
    page.open("/?mark_id=EM-002")
    hits = page.hits()
    page.one(".hit-picture").click()
    assert page.one("#compare-dialog").is_displayed()
    assert page.text("#compare-title").startswith("1 of 23")
    page.until(
        lambda: len(page.all("#compare-body .comparison-plate image")) == 2, "not two pictures"
    )
    ActionChains(page.driver).send_keys("\ue014").perform()  # arrow right
    page.until(lambda: page.text("#compare-title").startswith("2 of 23"), "not the next one")
    assert hits[1] in page.text("#compare-body")
    ActionChains(page.driver).send_keys("s").perform()
    assert page.one('.comparison [aria-pressed="true"]').text == "Shortlist"
    ActionChains(page.driver).send_keys("x").perform()  # which goes to the next one
    page.until(lambda: page.text("#compare-title").startswith("2 of 22"), "it is not hidden")
    assert hits[2] in page.text("#compare-body")
    page.photograph("comparison")
    ActionChains(page.driver).send_keys("\ue00c").perform()  # escape
    page.until(lambda: not page.one("#compare-dialog").is_displayed(), "the dialog stays open")
    focused = page.js("return document.activeElement.closest('.hit').dataset.id")
    assert focused == hits[2]
    assert page.text("#shortlist-count") == "1"
    assert hits[1] not in page.hits()


def test_both_pictures_are_zoomed_and_moved_together(page):
    page.open("/?mark_id=EM-002")
    page.hits()
    page.one(".hit-picture").click()
    moved = "return [...document.querySelectorAll('.figure')].map(x => x.style.transform)"
    page.until(lambda: len(page.all(".comparison-plate image")) == 2, "not two pictures")
    ActionChains(page.driver).send_keys("+", "+").perform()
    assert page.text("#compare-zoom") == "196 %"
    plate = page.one(".comparison-plate")
    ActionChains(page.driver).drag_and_drop_by_offset(plate, 40, 30).perform()
    one, other = page.js(moved)
    assert one == other
    assert "scale(1.96)" in one
    assert "translate(0%" not in one
    ActionChains(page.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_LEFT).perform()
    ActionChains(page.driver).key_up(Keys.SHIFT).perform()
    assert page.js(moved)[0] != one
    assert page.text("#compare-title").startswith("1 of 23")
    page.click('[data-action="zoom-fit"]')
    assert page.js(moved) == ["translate(0%, 0%) scale(1)"] * 2


def test_all_marks_come_as_one_scrolls_and_compare_goes_on_past_those_shown(page):
    page.open("/?mark_id=EM-001")
    first = page.hits()
    assert len(first) == 20
    assert page.text("#more") == "3 more marks below"
    page.all(".hit-picture")[19].click()
    page.until(lambda: page.text("#compare-title").startswith("20 of 23"), "no comparison")
    ActionChains(page.driver).send_keys(Keys.ARROW_RIGHT).perform()
    page.until(lambda: page.text("#compare-title").startswith("21 of 23"), "it ends at 20")
    page.click("#compare-dialog [data-action=close-dialog]")
    everything = page.hits()
    assert (everything[:20], len(everything)) == (first, 23)
    assert page.text("#more") == "That is all: 23 marks."
    ranks = [rank.text for rank in page.all(".hit-rank")]
    assert ranks == [str(number) for number in range(1, 24)]


def test_the_list_is_sorted_by_a_column_over_all_marks(page):
    page.open("/?mark_id=EM-001")
    by_rank = page.hits()
    page.js("document.querySelector('[name=density][value=list]').click()")
    page.click('[data-field="filed"]')
    by_date = page.until_hits(lambda ids: len(ids) == 23)
    assert by_date == sorted(by_date)  # EM-000 was filed in 2000, EM-001 in 2001
    page.click('[data-field="filed"]')
    assert page.until_hits(lambda ids: ids != by_date) == by_date[::-1]
    page.resize(1440, 200)  # no further ones are fetched because they are near
    page.js("document.querySelector('[name=nice][value=\"9\"]').click()")
    filtered = page.until_hits(lambda ids: "EM-002" not in ids)
    assert filtered == [one for one in by_date[::-1] if int(one[3:]) % 2][: len(filtered)]
    page.back()
    page.click('[data-field=""]')
    assert page.until_hits(lambda ids: ids[0] == by_rank[0])[:20] == by_rank
    page.open("/?mark_id=EM-001")
    page.hits()
    assert page.one('[name="density"][value="list"]').is_selected()
    page.js("document.querySelector('[name=density][value=cards]').click()")


def test_on_a_phone_the_first_hit_is_on_the_first_screen_and_filters_are_in_a_sheet(page):
    page.resize(390, 844)
    page.open("/?mark_id=EM-001")
    page.hits()
    picture = page.one(".hit-picture")
    assert picture.location["y"] + picture.size["height"] < 844
    assert not page.one("#code-input").is_displayed()
    page.click('#results [data-action="filters"]')
    assert page.one("#code-input").is_displayed()
    page.one('[name="status"][value="expired"]').click()
    page.until_hits(lambda ids: len(ids) == 4)
    page.click('[data-action="show-results"]')
    assert not page.one("#filter-sheet").is_displayed()
    assert page.text("#filter-count") == "1"


def test_comparing_ends_with_the_last_mark_on_show_and_long_words_break(page):
    page.open("/?mark_id=EM-001&office=US")
    hits = page.hits()
    page.click(f'.hit[data-id="{hits[0]}"] [title^=Hide]')
    page.until_hits(lambda ids: ids == hits[1:])
    page.all(".hit-picture")[-1].click()
    page.until(lambda: page.text("#compare-title"), "no comparison")
    assert page.text("#compare-title").startswith(f"{len(hits) - 1} of {len(hits) - 1}")
    assert not page.one('#compare-dialog [data-action="next"]').is_enabled()
    widths = page.js(
        "document.querySelector('.comparison figcaption').textContent = 'x'.repeat(500);"
        "return [...document.querySelectorAll('.comparison-plate')].map(x => x.clientWidth)"
    )
    assert widths[0] == widths[1]
    page.js(
        "const long = ['#query-name', '.hit-dates span', '.filters .choice span'];"
        "for (const css of long) document.querySelector(css).textContent = 'x'.repeat(500)"
    )
    panel = "const panel = document.querySelector('.panel-scroll'); return "
    assert page.js(panel + "panel.scrollWidth === panel.clientWidth"), "the panel is pushed open"
    card = "const card = document.querySelector('.hit'); return "
    assert page.js(card + "card.scrollWidth === card.clientWidth"), "a card is pushed open"


_SHIFTS = """
window.__shift = 0
window.__shifted = []
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue
    window.__shift += entry.value
    const nameOf = ({ node }) => node?.id || node?.className || node?.nodeName
    window.__shifted.push(`${entry.value.toFixed(3)} ${entry.sources.map(nameOf).join(' ')}`)
  }
}).observe({ type: 'layout-shift', buffered: true })
"""


@pytest.mark.parametrize(("width", "language"), [(1440, "en"), (768, "fr"), (390, "en")])
def test_nothing_jumps_while_a_search_is_under_way(page, width, language):
    page.resize(width)
    page.speak(language)
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": _SHIFTS}
    )
    try:
        for address in ("/?mark_id=EM-001", "/?text=sign", "/?text=zzzqqq", "/watches"):
            page.open(address)
            page.settle()
            # Half of what Core Web Vitals call good; a slow machine paints before the scripts run.
            moved = page.js("return window.__shifted")
            assert page.js("return window.__shift") < 0.05, (address, moved)
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_thumbnails_show_more_marks_at_once(page):
    page.open("/?mark_id=EM-002")
    page.hits()
    before = page.one(".hit").size["height"]
    page.js("document.querySelector('[name=density][value=thumbs]').click()")
    assert page.one(".hit").size["height"] < 0.6 * before
    fits = page.js(
        "const [value, bar] = document.querySelectorAll('.hit-value, .hit-score .bar');"
        "value.textContent = 'Near‑identical';"
        "return [value.scrollWidth <= value.clientWidth, bar.clientWidth > 20]"
    )
    assert fits == [True, True], "the longest band sticks out, or hides the bar"


_DOWNLOADED = """
window.__downloads = []
let text = null
URL.createObjectURL = (blob) => { text = blob.text(); return 'blob:' }
HTMLAnchorElement.prototype.click = function () {
  text.then((read) => window.__downloads.push([this.download, read]))
}
"""


@pytest.mark.parametrize("kind", ["csv", "pdf"])
def test_a_report_of_the_search_is_downloaded(page, kind):
    page.open("/?mark_id=EM-001&status=registered")
    hits = page.hits()
    page.js(_DOWNLOADED)
    page.make_report(kind, 2)
    page.until(lambda: page.js("return window.__downloads.length"), "nothing is downloaded")
    name, text = page.js("return window.__downloads[0]")
    assert name == f"marklens-report.{kind}"
    if kind == "pdf":
        assert text.startswith("%PDF")
    else:
        assert [mark_id in text for mark_id in hits[:3]] == [True, True, False]
        assert "EM-006" not in text  # expired
