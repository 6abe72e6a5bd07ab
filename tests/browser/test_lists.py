"""Marks listed without a picture, and the search without JavaScript."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from indexer.marks import EncodedMark, MarkRecord

pytestmark = pytest.mark.browser

NOTE_REPORT = """
const fetched = window.fetch
window.fetch = async (path, options) => {
  const answer = await fetched(path, options)
  if (path.endsWith('/report')) window.reported = [answer.status, [...options.body]]
  return answer
}
"""


def test_enter_on_the_start_page_lists_marks_by_their_words(page):
    page.open("/")
    page.one('#filters [name="text"]').send_keys("sign 1", Keys.ENTER)
    hits = page.until_hits(lambda ids: len(ids) > 0)
    assert page.path == "/?text=sign+1"
    assert hits[0] == "EM-001"
    assert page.text("#results-title") == "Marks found"
    assert page.text(".hit-score .hint")
    page.back()
    page.until(lambda: page.one("#welcome").is_displayed(), "back does not undo it")


def test_words_alone_are_searched_for_in_the_middle_of_the_start_page(page):
    page.open("/")
    page.one("#words").send_keys("sing 1")
    page.one(".by-words button").click()
    hits = page.until_hits(lambda ids: len(ids) > 0)
    assert page.path == "/?text=sing+1"
    assert "EM-001" in hits
    assert page.one('#filters [name="text"]').get_attribute("value") == "sing 1"


def test_what_words_found_is_shortlisted_and_reported(page):
    page.open("/?text=sign+1")
    page.until_hits(lambda ids: len(ids) > 0)
    assert page.one("#report").is_displayed()
    assert not page.one("#watch").is_displayed()
    page.click('[data-id="EM-001"] .is-star')
    page.js(NOTE_REPORT)
    page.one("#shortlist").click()
    page.until(lambda: page.all(".shortlisted"), "the shortlist is empty")
    page.one("#shortlist-dialog [data-format=csv]").click()
    status, fields = page.until(lambda: page.js("return window.reported"), "nothing is reported")
    assert status == 200
    assert ["text", "sign 1"] in fields
    assert ["shortlist", "EM-001"] in fields


def test_a_picture_that_a_busy_server_refused_is_asked_for_again(page):
    page.allowed_messages.append("ERR_BLOCKED_BY_CLIENT")
    page.driver.execute_cdp_cmd("Network.enable", {})
    block = "Network.setBlockedURLs"
    try:
        page.driver.execute_cdp_cmd(block, {"urls": ["*/marks/EM-001/image*"]})
        page.open("/?text=sign+1")
        page.until(lambda: page.all(".hit-picture .is-missing"), "the picture came")
    finally:
        page.driver.execute_cdp_cmd(block, {"urls": []})
    came = "return document.querySelector('[data-id=\"EM-001\"] img').naturalWidth"
    page.until(lambda: page.js(came), "the picture is not asked for again")
    assert not page.all(".hit-picture .is-missing")


def test_marks_that_pass_filters_are_listed_to_the_last_and_searched_from(page):
    page.open("/?status=registered")
    assert len(page.hits()) == 19
    page.open("/?office=EM&office=US&office=GB")
    first = page.hits()
    assert len(first) == 20
    page.js("document.getElementById('more').scrollIntoView()")
    everything = page.until_hits(lambda ids: len(ids) == 24)
    assert everything == [f"EM-{number:03d}" for number in range(24)]
    page.click('.hit[data-id="EM-004"] .hit-actions a')
    page.until(lambda: page.path.startswith("/?mark_id=EM-004&"), "no search from the mark")
    assert page.text("#results-title") == "Most similar marks"
    page.back()
    page.until_hits(lambda ids: ids == everything)
    page.click('.hit[data-id="EM-002"] .hit-picture')
    page.until(lambda: page.path == "/marks/EM-002", "the mark does not open")


LOSE_ONE = """
const fetched = window.fetch
window.fetch = async (path, options) => {
  const answer = await fetched(path, options)
  if (!path.includes('/marks?')) return answer
  const page = await answer.json()
  if (page.next === null) page.marks.shift()
  return Response.json(page)
}
"""


def test_a_list_of_which_a_mark_was_withdrawn_meanwhile_shows_none_twice(page):
    page.open("/?office=EM&office=US&office=GB")
    first = page.hits()
    assert len(first) == 20
    page.js(LOSE_ONE)
    page.js("document.getElementById('more').scrollIntoView()")
    page.until_hits(lambda ids: len(ids) >= 23)
    page.js("document.getElementById('more').scrollIntoView()")
    page.until(lambda: page.text("#more") == "That is all: 23 marks.", "the list has no end")
    assert len(set(page.hits())) == len(page.hits()) == 23


CROWD = 1030  # marks, more than a search ranks


@pytest.fixture
def crowd(marklens) -> Iterator[list[str]]:
    """Ids of marks of one owner without picture and words, the youngest first."""
    ids = [f"X-{number:04d}" for number in range(CROWD)]
    days = [date(1990, 1, 1) + timedelta(days=CROWD - number) for number in range(CROWD)]
    records = [
        MarkRecord(one, owner="Crowd", filed=day) for one, day in zip(ids, days, strict=True)
    ]
    marklens.register.add([EncodedMark(one, one.id) for one in records])
    yield ids
    marklens.register.delete(ids)


SCROLL_ON = """
const more = document.getElementById('more')
const scrolling = setInterval(() => {
  more.scrollIntoView()
  if (more.textContent.startsWith('That is all')) clearInterval(scrolling)
}, 20)
"""


def test_a_long_list_goes_on_to_its_last_mark_in_the_order_asked_for(page, crowd):
    page.open("/?owner=crowd")
    assert page.hits()[0] == crowd[0]
    page.js("document.querySelector('[name=density][value=list]').click()")
    assert page.text("[data-id='X-0000'] .hit-title") == "–", "its number is no words"
    said = "return document.getElementById('status').textContent"
    assert page.js(said) == "1,030 marks found by words and data, no picture compared"
    assert not page.one("#grouped").is_displayed(), "there are no groups"
    page.click('[data-field="filed"]')
    page.until_hits(lambda ids: ids[0] == crowd[-1])
    assert page.path == "/?owner=crowd&order=filed"
    assert page.js("return document.activeElement.dataset.field") == "filed"
    page.click('[data-field="filed"]')
    page.until_hits(lambda ids: ids[0] == crowd[0])
    page.back()
    page.until_hits(lambda ids: ids[0] == crowd[-1])
    page.driver.refresh()
    page.until_hits(lambda ids: ids[0] == crowd[-1])
    assert page.one('[data-field="filed"]').get_attribute("aria-pressed") == "true"
    page.js(SCROLL_ON)
    page.until(lambda: page.text("#more") == "That is all: 1,030 marks.", "the list has no end")
    assert page.hits() == crowd[::-1]
    page.js("scrollTo(0, 0)")
    page.click('[data-field="office"]')
    partly = "Only the first 1,000 of 1,030 marks are sorted; by number or a date, all are."
    page.until(lambda: page.text("#sorted") == partly, "nothing says that some are not sorted")
    assert page.path == "/?owner=crowd&order=office"
    page.js("document.querySelector('[name=density][value=cards]').click()")
    page.until(lambda: page.path == "/?owner=crowd", "cards, which say no order, keep one")


@pytest.fixture
def bare(page) -> Iterator[object]:
    """The page in a browser that runs no scripts."""
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    yield page
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    page.open("/")


def _found(page) -> list[str]:
    links = page.driver.find_elements(By.CSS_SELECTOR, ".hit-picture")
    return [link.get_dom_attribute("href").rpartition("/")[2] for link in links]


def test_without_scripts_the_form_searches_and_lists(
    bare, tmp_path: Path, draw_mark: Callable[..., Image.Image]
):
    bare.open("/")
    form = bare.driver.find_element(By.CSS_SELECTOR, ".plain-form")
    form.find_element(By.NAME, "text").send_keys("sign 3")
    form.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    bare.until(lambda: _found(bare)[:1] == ["EM-003"], "the words find another mark")
    path = tmp_path / "logo.png"
    draw_mark(7).save(path)
    bare.driver.find_element(By.NAME, "text").clear()  # it keeps what was asked
    bare.driver.find_element(By.NAME, "image").send_keys(str(path))
    bare.driver.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    bare.until(lambda: _found(bare)[:1] == ["EM-007"], "the picture finds another mark")
    assert len(_found(bare)) == 24
    bare.driver.find_element(By.CSS_SELECTOR, ".hit-actions a").click()
    bare.until(lambda: "EM-007" not in _found(bare), "the mark finds itself")
    bare.open("/?mark_id=EM-004&office=EM")  # a link that a browser with scripts made
    bare.until(lambda: _found(bare), "the link leads nowhere")
    assert len(_found(bare)) == 8


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 422, "Choose a picture"),
        ({"vienna_any": "lion"}, 422, "lion"),
        ({"k": "many"}, 422, "k: "),
        ({"mark_id": "EM-999"}, 404, "EM-999"),
        ({"viena": "3"}, 422, "no such field"),
    ],
)
def test_what_cannot_be_searched_is_said_on_the_plain_page(address, fields, status, words):
    answer = httpx.post(f"{address}/results", data=fields)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text.partition('role="alert"')[2].partition("</p>")[0]
