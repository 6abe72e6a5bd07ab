"""The search page in a real browser: pictures in, ranked marks out."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from indexer.ingest import IngestProgress
from indexer.runs import RunCounts

pytestmark = pytest.mark.browser


@pytest.fixture
def logo(
    tmp_path: Path, draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]
) -> Path:
    """A file with the picture of the mark EM-007."""
    path = tmp_path / "logo.png"
    path.write_bytes(as_png(draw_mark(7)))
    return path


_HAND_OVER = """
    const [path, kind, names = ['handed.png']] = arguments
    return fetch(path).then(answer => answer.blob()).then(blob => {
      const clipboard = new DataTransfer()
      for (const name of names) {
        const type = name.endsWith('.png') ? 'image/png' : 'text/plain'
        clipboard.items.add(new File([blob], name, {type}))
      }
      const event = kind === 'paste'
        ? new ClipboardEvent('paste', {clipboardData: clipboard, bubbles: true})
        : new DragEvent('drop', {dataTransfer: clipboard, bubbles: true, cancelable: true})
      document.body.dispatchEvent(event)
    })
"""


def test_an_uploaded_picture_finds_its_own_mark_first(page, logo):
    page.open()
    page.upload(logo)
    hits = page.hits()
    assert hits[0] == "EM-007"
    assert len(hits) == 20
    assert page.text(".hit-value") == "1.000"
    assert "exact scan · 24 of 24 marks matched" in page.text("#plan")
    assert "encode" in page.text("#plan")
    assert page.text("#query-name") == "logo.png"


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_picture_handed_over_anywhere_on_the_page_is_searched(page, kind):
    page.open()
    page.js(_HAND_OVER, "/api/v1/marks/EM-003/image", kind)
    assert page.hits()[0] == "EM-003"


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_of_several_files_the_page_says_which_is_searched(page, kind):
    page.open()
    page.js(_HAND_OVER, "/api/v1/marks/EM-003/image", kind, ["notes.txt", "a.png", "b.png"])
    assert page.hits()[0] == "EM-003"
    assert page.text("#query-name") == "a.png"
    said = page.text('#notice [role="alert"]')
    assert "3 files came, one is used" in said
    assert "a.png" in said


_OTHER_PLAN = """
const real = window.fetch
window.fetch = async (...asked) => {
  const answer = await real(...asked)
  if (!String(asked[0]).endsWith('/search')) return answer
  return new Response((await answer.text()).replace(/"kind":"\\w+"/, '"kind":"ivf"'), answer)
}
"""


def test_a_search_that_may_miss_a_mark_does_not_call_itself_exact(page):
    before = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": _OTHER_PLAN}
    )
    try:
        page.open("/?mark_id=EM-001")
        page.hits()
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", before)
    assert page.text("#plan").startswith("approximate scan, may miss a mark · ")
    assert "exact" not in page.text("body")
    page.open("/?mark_id=EM-001&office=FR")
    page.until(lambda: page.text(".empty"), "nothing says that nothing was found")
    assert "checked" not in page.text("body")


def test_every_date_has_its_name(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    dates = {card.get_attribute("data-id"): card.text for card in page.all(".hit")}
    assert "registered 2010-09-02\nfiled 2009-03-14" in dates["EM-009"]
    assert "expired\nfiled 2012-03-14" in dates["EM-012"]
    page.one(".hit-picture").click()
    facts = page.text("#compare-body .hit-meta")
    assert re.search(r"· registered 20\d\d-09-02 · filed 20\d\d-03-14|· expired · filed", facts)


def test_no_score_is_shown_below_nought(page):
    page.open("/")
    shown = page.js(
        "const { score } = await import('/static/js/results.js');"
        "return [score(-0.2), score(-0.0001), score(0.87654), score(-0.001, 2)]"
    )
    assert shown == ["0.000", "0.000", "0.877", "0.00"]


def test_pasting_text_says_that_there_is_no_picture(page):
    page.open()
    page.js(
        "const held = new DataTransfer(); held.setData('text/plain', 'x');"
        "document.body.dispatchEvent("
        "new ClipboardEvent('paste', {clipboardData: held, bubbles: true}))"
    )
    assert "holds no picture" in page.one('[role="alert"] p').text


def test_a_sample_mark_starts_a_search_that_leaves_the_mark_itself_out(page):
    page.open()
    sample = page.one(".sample")
    mark = sample.get_attribute("data-mark-id")
    sample.click()
    hits = page.hits()
    assert hits
    assert mark not in hits
    assert page.path == f"/?mark_id={mark}"


def test_a_text_file_shows_what_is_wrong_with_it(page, tmp_path):
    page.allowed_messages = ["422"]
    fake = tmp_path / "notes.png"
    fake.write_text("this is not a picture")
    page.open()
    page.upload(fake)
    alert = page.one('#problem [role="alert"]').text
    assert alert.startswith("The picture cannot be read\n")
    assert "Try again" not in alert
    assert page.all(".hit") == []


def test_a_blank_picture_is_refused_with_the_reason(page, tmp_path):
    page.allowed_messages = ["422"]
    blank = tmp_path / "blank.png"
    Image.new("RGB", (200, 200), "white").save(blank)
    page.open()
    page.upload(blank)
    alert = page.one('#problem [role="alert"]').text
    assert alert.startswith("The picture cannot be read\n")
    assert "white" in alert
    assert page.all(".hit") == []


def test_a_picture_over_the_limit_is_refused_before_it_is_sent(page, tmp_path):
    huge = tmp_path / "huge.png"
    huge.write_bytes(b"\x89PNG" + bytes(300_000))
    page.open()
    page.upload(huge)
    assert "The picture is too large" in page.one('#notice [role="alert"]').text
    assert not any(url.endswith("/search") for url in page.requested())


def test_a_server_that_is_gone_is_said_and_can_be_tried_again(page):
    page.allowed_messages = ["ERR_INTERNET_DISCONNECTED", "titles of codes", "counts"]
    page.open("/?mark_id=EM-001")
    page.hits()
    network = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", network)
    page.one('[name="office"][value="EM"]').click()
    assert "The server does not answer" in page.one('#problem [role="alert"]').text
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": False})
    page.button("Try again").click()
    assert len(page.until_hits(lambda ids: len(ids) > 0)) == 8


def test_search_from_a_hit_makes_the_hit_the_query(page, logo):
    page.open()
    page.upload(logo)
    second = page.hits()[1]
    page.all(".hit-actions a")[2].click()
    hits = page.until_hits(lambda ids: second not in ids)
    assert page.path == f"/?mark_id={second}"
    assert "EM-007" in hits


def test_back_returns_to_the_uploaded_picture_also_from_a_marks_page(page, logo):
    page.open()
    page.upload(logo)
    first = page.hits()
    page.button("Search from this").click()
    page.until(lambda: "mark_id" in page.path, "the address does not change")
    page.hits()
    page.driver.back()
    assert page.until_hits(lambda ids: ids == first)
    page.button("Open").click()
    page.until(lambda: page.path == "/marks/EM-007", "the mark's page does not open")
    page.driver.back()
    page.one("#plan")
    assert page.until_hits(lambda ids: ids == first)
    assert page.text("#query-name") == "logo.png"


def test_words_of_a_mark_are_shown_as_words_and_never_run(page):
    page.open("/?mark_id=EM-001&number=EM-005")
    assert page.hits() == ["EM-005"]
    assert page.text(".hit-title") == '<img src=x onerror="alert(1)">'
    page.open("/marks/EM-005")
    assert page.text("h1") == '<img src=x onerror="alert(1)">'


def test_the_page_says_how_far_the_server_is_with_indexing(page, marklens):
    with marklens.indexing.followed(None) as note:
        note(IngestProgress(300, 1200, RunCounts(read=300, indexed=300)))
        page.open("/?mark_id=EM-002")
        assert "24 marks, more are being indexed" in page.text(".masthead-note")
        assert page.hits()
        page.until(lambda: page.text("#indexing").endswith("25 %"), "not how far it is")
    page.until(lambda: page.text("#indexing") == "all are indexed", "not that all are indexed")


@pytest.mark.parametrize("way", ["picture", "mark"])
def test_where_each_code_was_seen_is_drawn_in_a_dialog(page, logo, way):
    page.open("/?mark_id=EM-007" if way == "mark" else "/")
    if way == "picture":
        page.upload(logo)
    page.hits()
    page.click("#explain")
    page.until(
        lambda: len(page.all("#explained svg")) == len(page.all("#explained li")) > 0,
        "the places of a code are not drawn",
    )
    page.click("#explain-dialog [data-action='close-dialog']")
    assert not page.js("return document.getElementById('explain-dialog').open")


def test_a_place_that_the_server_had_no_time_for_is_told_and_asked_for_again(page):
    page.open("/?mark_id=EM-007")
    page.hits()
    page.js(
        "const real = window.fetch; window.__busy = true;"
        "window.fetch = (path, ...rest) => String(path).endsWith('/explain') && window.__busy"
        " ? Promise.resolve(Response.json({title: 'Too many requests'}, {status: 503}))"
        " : real(path, ...rest)"
    )
    page.click("#explain")
    page.until(lambda: "Too many requests" in page.text("#explained"), "the refusal is not told")
    page.click("#explain-dialog [data-action='close-dialog']")
    page.js("window.__busy = false")
    page.click("#explain")
    page.until(
        lambda: len(page.all("#explained svg")) == len(page.all("#explained li")) > 0,
        "the places are not asked for again",
    )
