"""Work on the marks of a search: groups, hidden marks, a shortlist with notes, and its report."""

import json

import pytest
from selenium.webdriver.common.keys import Keys

from indexer.marks import MarkRecord

pytestmark = pytest.mark.browser


def _star(mark_id: str) -> str:
    return f'.hit[data-id="{mark_id}"] .is-star'


def _focus(page, mark_id: str) -> None:
    page.js(f"document.querySelector('.hit[data-id=\"{mark_id}\"] .hit-picture').focus()")


def test_a_hidden_mark_is_gone_until_undo_and_back_undoes_it(page):
    page.open("/?mark_id=EM-001")
    whole = page.hits()
    first, second = whole[:2]
    _focus(page, first)
    page.driver.switch_to.active_element.send_keys("x")
    assert page.until_hits(lambda ids: first not in ids) == whole[1:]
    focused = page.js("return document.activeElement.closest('.hit').dataset.id")
    assert focused == second, "the keyboard goes on at the same place"
    page.js(f"document.querySelector('.hit[data-id=\"{second}\"] [title^=Hide]').click()")
    page.until_hits(lambda ids: ids == whole[2:])
    assert "2 marks hidden" in page.text("#hidden-marks")
    page.back()
    page.until_hits(lambda ids: ids == whole[1:])
    page.open("/?mark_id=EM-001")
    assert page.hits() == whole[1:], "hidden marks are kept for the search"
    page.open("/?mark_id=EM-001&office=EM")
    assert first not in page.hits(), "and under its filters"
    page.open("/?mark_id=EM-002")
    assert first in page.hits(), "not for another search"
    page.open("/?mark_id=EM-001")
    page.hits()
    page.button("Undo").click()
    page.until_hits(lambda ids: ids == whole)
    assert page.text("#hidden-marks") == ""


def test_a_shortlist_with_notes_is_kept_and_reported(page):
    page.open("/?mark_id=EM-001")
    first, second, third = page.hits()[:3]
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "deny"})
    for mark_id in (first, third):
        page.js(f"document.querySelector('{_star(mark_id)}').click()")
    _focus(page, second)
    page.driver.switch_to.active_element.send_keys("s")
    page.driver.switch_to.active_element.send_keys("s")  # off again
    assert page.one(_star(first)).get_attribute("aria-pressed") == "true"
    assert page.one(_star(second)).get_attribute("aria-pressed") == "false"
    assert page.text("#shortlist-count") == "2"
    page.click("#shortlist")
    page.until(lambda: len(page.all(".shortlisted")) == 2, "the marks are not listed")
    asked = page.js("return performance.getEntriesByType('resource').map((one) => one.name)")
    assert len([one for one in asked if "/marks?" in one]) == 1, "one request for all of them"
    assert page.text("#shortlist-title") == "Shortlist: 2 marks"
    page.all(".shortlisted textarea")[0].send_keys("Same device, class 9")
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.open("/?mark_id=EM-001&office=US")
    page.hits()
    page.click("#shortlist")
    page.until(lambda: len(page.all(".shortlisted")) == 2, "the shortlist is not kept")
    assert page.one(".shortlisted textarea").get_attribute("value") == "Same device, class 9"
    page.js(
        "window.__sent = null; const real = window.fetch;"
        "window.fetch = async (path, options) => { const answer = await real(path, options);"
        " if (path.endsWith('/report')) window.__sent = [answer.status, [...options.body]];"
        " return answer }"
    )
    page.click('#shortlist-dialog [data-format="csv"]')
    status, fields = page.until(lambda: page.js("return window.__sent"), "no report is asked for")
    assert status == 200
    assert [value for name, value in fields if name == "shortlist"] == [first, third]
    notes = next(value for name, value in fields if name == "notes")
    assert json.loads(notes) == {first: "Same device, class 9"}
    page.all(".shortlisted .button")[0].click()
    page.until(lambda: len(page.all(".shortlisted")) == 1, "the mark is not taken off")


def test_marks_of_one_sign_are_folded_into_the_first_and_opened(page, marklens):
    page.open("/?mark_id=EM-001&nice=9")  # so few that all are drawn at once
    whole = page.hits()
    page.click("#grouped")
    folded = page.until_hits(lambda ids: len(ids) < len(whole))
    assert folded == [mark_id for mark_id in whole if mark_id in folded], "the order stays"
    leader, more, is_open = page.js(
        "const one = document.querySelector('.hit-group');"
        "return [one.closest('.hit').dataset.id, Number(one.textContent), one.ariaExpanded]"
    )
    assert is_open == "false"
    _focus(page, leader)
    page.driver.switch_to.active_element.send_keys("g")
    opened = page.until_hits(lambda ids: len(ids) == len(folded) + more)
    at = opened.index(leader)
    members = page.js("return [...document.querySelectorAll('.is-member')].map(x => x.dataset.id)")
    assert opened[at + 1 : at + 1 + more] == members
    page.back()
    page.until_hits(lambda ids: ids == folded)
    page.driver.forward()
    page.until_hits(lambda ids: ids == opened)
    page.click('.hit-group[aria-expanded="true"]')
    page.until_hits(lambda ids: ids == folded)
    page.click("#grouped")
    page.until_hits(lambda ids: ids == whole)


def test_a_shortlisted_mark_that_was_withdrawn_since_says_so_and_can_be_taken_off(
    page, marklens, draw_mark, as_png
):
    marklens.add(MarkRecord("GONE-1", text="VANISHING"), as_png(draw_mark(1)))
    try:
        page.open("/?text=vanishing")
        page.until_hits(lambda ids: ids == ["GONE-1"])
        page.click('[data-id="GONE-1"] .is-star')
    finally:
        marklens.delete("GONE-1")
    page.click("#shortlist")
    page.until(lambda: page.all(".shortlisted"), "the mark is left out")
    assert page.text(".shortlisted").startswith("GONE-1 Withdrawn since.")
    page.click(".shortlisted .button")
    page.until(lambda: not page.all(".shortlisted"), "the mark is not taken off")


def test_the_work_on_a_list_is_not_that_on_another_list(page):
    page.open("/?text=sign")
    hidden, listed = page.hits()[:2]
    page.click(f'.hit[data-id="{hidden}"] [title^=Hide]')
    page.until_hits(lambda ids: hidden not in ids)
    page.click(_star(listed))
    page.open("/?text=sign&status=registered&status=expired&status=opposed, pending")
    assert hidden not in page.hits(), "filters do not end the work on some words"
    assert page.text("#shortlist-count") == "1"
    for other in ("owner=owner", "number=EM-0", "office=EM&office=US&office=GB"):
        page.open(f"/?{other}")
        page.hits()
        assert (page.text("#hidden-marks"), page.text("#shortlist-count")) == ("", ""), other


@pytest.fixture
def numerals(marklens, draw_mark, as_png):
    """Two marks "NUMERAL" whose ids are numbers, not in their order."""
    ids = ["97123452", "97123451"]
    for at, number in enumerate(ids):
        marklens.add(MarkRecord(number, text="NUMERAL"), as_png(draw_mark(at)))
    yield ids
    for number in ids:
        marklens.delete(number)


def test_two_tabs_add_to_one_shortlist_whose_notes_outlast_the_star(page, numerals):
    first = page.driver.current_window_handle
    try:
        page.open("/?text=numeral")
        page.until_hits(lambda ids: set(ids) == set(numerals))
        page.driver.switch_to.new_window("tab")
        page.open("/?text=numeral")
        page.until_hits(lambda ids: set(ids) == set(numerals))
        second = page.driver.current_window_handle
        page.driver.switch_to.window(first)
        page.click(_star(numerals[0]))
        page.click("#shortlist")
        page.one(".shortlisted textarea").send_keys("Same device")
        page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        page.driver.switch_to.window(second)
        page.until(lambda: page.text("#shortlist-count") == "1", "the other tab is not heard of")
        pressed = page.one(_star(numerals[0])).get_attribute("aria-pressed")
        assert pressed == "true"
        for at in (1, 0, 1, 0, 1):
            page.click(_star(numerals[at]))
        page.click("#shortlist")
        page.until(lambda: len(page.all(".shortlisted")) == 2, "the marks are not listed")
        shown = [item.get_attribute("data-id") for item in page.all(".shortlisted")]
        assert shown == numerals, "in the order in which they were put there"
        assert page.one(".shortlisted textarea").get_attribute("value") == "Same device"
        page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
        page.click(f'.hit[data-id="{numerals[1]}"] [title^=Hide]')
        page.driver.close()
        page.driver.switch_to.window(first)
        page.until_hits(lambda ids: ids == numerals[:1])
        page.driver.refresh()
        page.until_hits(lambda ids: ids == numerals[:1])
    finally:
        page.driver.switch_to.window(first)
    assert page.text("#shortlist-count") == "2"


def _hide_in_another_tab(page, mark_id: str) -> None:
    first = page.driver.current_window_handle
    try:
        page.driver.switch_to.new_window("tab")
        page.open("/?mark_id=EM-001")
        page.hits()
        page.click(f'.hit[data-id="{mark_id}"] [title^=Hide]')
        page.until_hits(lambda ids: mark_id not in ids)
        page.driver.close()
    finally:
        page.driver.switch_to.window(first)


def test_back_undoes_one_thing_and_nothing_that_another_tab_did(page):
    page.open("/?mark_id=EM-001")
    whole = page.hits()
    page.click('[name="status"][value="registered"]')
    filtered = page.until_hits(lambda ids: ids != whole)
    hidden, listed = filtered[:2]
    _hide_in_another_tab(page, hidden)
    page.until_hits(lambda ids: ids == filtered[1:])
    pressed = "return document.querySelector(arguments[0]).ariaPressed"
    page.click(_star(listed))
    page.js("document.querySelector('[name=density][value=list]').click()")
    page.click('[data-field="score"]')
    assert page.path.endswith("&order=-score")
    assert page.hits() == filtered[1:], "the best score is the first"
    page.click('[data-field="filed"]')
    assert page.until_hits(lambda ids: ids != filtered[1:]) == sorted(filtered[1:])
    page.back()
    page.back()
    page.until_hits(lambda ids: ids == filtered[1:])
    assert page.path == "/?mark_id=EM-001&status=registered"
    page.back()
    page.until(lambda: not page.all(".hit-row"), "the list is not undone")
    assert page.js(pressed, _star(listed)) == "true"
    page.back()
    page.until(lambda: page.js(pressed, _star(listed)) == "false", "the star is not undone")
    assert page.hits() == filtered[1:]
    page.back()
    again = page.until_hits(lambda ids: ids != filtered[1:])
    assert again == [mark_id for mark_id in whole if mark_id != hidden][: len(again)]
    assert page.path == "/?mark_id=EM-001"
    page.driver.forward()
    page.driver.forward()
    page.until(lambda: page.js(pressed, _star(listed)) == "true", "forward does not put it back")
    assert "1 mark hidden" in page.text("#hidden-marks")


_FORBIDDEN = """
if (location.protocol === 'http:') Object.defineProperty(window, 'localStorage', {
  get() { throw new DOMException('Access is denied', 'SecurityError') },
})
"""


def test_a_storage_that_is_damaged_full_or_forbidden_does_not_end_the_page(page):
    page.open("/")
    for damaged in ("{bad", "null", '[null, {"names": ["mark EM-001"], "hidden": null}]'):
        page.js("localStorage['marklens-desks'] = arguments[0]", damaged)
        page.js("localStorage['marklens-density'] = arguments[0]", damaged)
        page.open("/?mark_id=EM-001")
        first = page.until_hits(bool)[0]
    page.js(
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError') }"
    )
    page.click(_star(first))
    assert page.one(_star(first)).get_attribute("aria-pressed") == "true"
    assert "keeps nothing more" in page.text("#notice")
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": _FORBIDDEN}
    )
    try:
        page.open("/?mark_id=EM-001")
        page.until_hits(bool)
        page.click("#grouped")
        page.click(_star(first))
        assert page.text("#shortlist-count") == "1"
        assert "keeps nothing more" in page.text("#notice")
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
        page.open("/")


def test_hits_of_the_search_before_take_no_orders_while_another_is_under_way(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.js("window.fetch = () => new Promise(() => {})")
    page.button("Search from this").click()
    assert page.js("return document.getElementById('hits').inert")
