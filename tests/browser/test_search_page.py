"""The search page in a real browser: pictures in, ranked marks out."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from indexer.ingest import IngestProgress
from indexer.marks import RunCounts

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


def _type_crop(page, *numbers):
    """Choose a part by typing it in the dialog."""
    page.click('[data-action="crop"]')
    page.until(lambda: page.one(".crop-handle").is_displayed(), "no handles")
    for name, value in zip("xywh", numbers, strict=True):
        field = page.one(f"#crop-form [name={name}]")
        field.clear()
        field.send_keys(str(value))
    page.click('[data-action="use-crop"]')


@pytest.fixture
def scan(tmp_path: Path, draw_mark: Callable[..., Image.Image]) -> Path:
    """A large TIFF, which browsers do not draw, of the mark EM-007."""
    path = tmp_path / "scan.tif"
    large = draw_mark(7).resize((1600, 1600), Image.Resampling.NEAREST)
    large.save(path, compression="tiff_deflate")
    return path


_QUERY_FIGURE = ".comparison-side:first-child .figure"
_DRAWN_WIDTH = "return document.querySelector(arguments[0])?.naturalWidth"


def test_a_picture_that_browsers_do_not_draw_is_drawn_by_the_server(page, scan):
    page.open()
    page.upload(scan)
    assert page.hits()[0] == "EM-007"
    page.until(lambda: page.js(_DRAWN_WIDTH, "#query-image") == 1024, "no preview")
    assert not page.one("#stage-note").is_displayed()
    page.one(".hit-picture").click()
    page.until(lambda: page.all(f"{_QUERY_FIGURE} image"), "no picture to compare")
    assert page.one(_QUERY_FIGURE).get_dom_attribute("viewBox") == "0 0 1024 1024"
    page.click("#compare-dialog [data-action=close-dialog]")
    _type_crop(page, 100, 200, 9999, 400)
    page.until(lambda: "crop=100,200,1500,400" in page.path, "not cropped in the file's pixels")
    page.until_hits(bool)


def test_a_file_that_nothing_draws_says_that_it_has_no_preview(page, tmp_path):
    page.allowed_messages = ["422"]
    fake = tmp_path / "notes.tif"
    fake.write_text("this is not a picture")
    page.open()
    page.upload(fake)
    page.one('#problem [role="alert"]')
    page.until(lambda: page.one("#stage-note").is_displayed(), "nothing says that there is none")


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
    page.open("/?mark_id=EM-001&text=nobody")
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
    assert re.search(r"· registered 20\d\d-09-02 · filed 20\d\d-03-14 ·|· expired · filed", facts)


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
    page.allowed_messages = ["ERR_INTERNET_DISCONNECTED", "titles of codes"]
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


def _crop_of(page):
    return [int(v) for v in page.path.split("crop=")[1].split("&")[0].split(",")]


def test_a_rectangle_dragged_on_the_picture_is_what_is_searched(page):
    page.open("/?mark_id=EM-004")
    whole = page.hits()
    image = page.one("#query-image")
    page.until(lambda: page.js("return arguments[0].complete", image), "no picture")
    drag = ActionChains(page.driver).move_to_element_with_offset(image, -30, -30)
    drag.click_and_hold().move_by_offset(50, 45).release().perform()
    page.until(lambda: "crop=" in page.path, "the crop is not in the address")
    page.until_hits(lambda ids: bool(ids))
    x, y, width, height = _crop_of(page)
    assert 0 < x < 96
    assert 0 < y < 96
    assert 10 < width < 96
    assert 10 < height < 96
    assert page.one("#stage .crop-box").is_displayed()
    page.click('[data-action="crop"]')
    page.click('[data-action="whole-picture"]')
    page.click('[data-action="use-crop"]')
    page.until(lambda: "crop=" not in page.path, "the crop stays")
    assert page.until_hits(lambda ids: ids == whole)


def test_a_crop_can_be_typed(page):
    page.open("/?mark_id=EM-004")
    page.hits()
    _type_crop(page, 10, 20, 500, 40)
    page.until(lambda: "crop=10,20,86,40" in page.path, "the crop is not held in the picture")
    assert page.hits()


def test_a_crop_is_pulled_by_its_handles_with_mouse_and_keys(page):
    page.open("/?mark_id=EM-004")
    page.hits()
    _type_crop(page, 10, 10, 40, 40)
    page.hits()
    page.click('[data-action="crop"]')
    corner = page.one("#crop-frame .crop-handle.is-se")
    page.until(corner.is_displayed, "no handles")
    scale = page.one("#crop-image").size["width"] / 96
    drag = ActionChains(page.driver).click_and_hold(corner)
    drag.move_by_offset(round(20 * scale), round(10 * scale)).release().perform()
    typed = "return ['x', 'y', 'w', 'h'].map(n => +document.forms['crop-form'].elements[n].value)"
    assert page.js(typed) == pytest.approx([10, 10, 60, 50], abs=1)
    before = page.js(typed)
    page.one("#crop-frame .crop-handle.is-w").send_keys(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    left = page.js(typed)
    assert (left[0], left[2]) == (before[0] - 2, before[2] + 2)
    page.click("#crop-dialog [data-action=zoom-in]")
    assert page.one("#crop-image").size["width"] == pytest.approx(1.5 * 96 * scale, abs=2)
    assert page.js(typed) == left
    page.click('[data-action="use-crop"]')
    page.until(lambda: "crop=" in page.path and _crop_of(page) == left, "another crop")
    page.back()
    page.until(lambda: _crop_of(page) == [10, 10, 40, 40], "back does not undo the crop")


def test_a_picture_is_turned_before_it_is_searched(page, tmp_path, draw_mark):
    path = tmp_path / "upside_down.png"
    draw_mark(7).transpose(Image.Transpose.ROTATE_90).resize((192, 192)).save(path)
    page.open()
    page.upload(path)
    page.hits()
    page.click('[data-action="crop"]')
    page.click('[data-action="turn-right"]')
    assert page.text("#crop-degrees") == "90°"
    page.click('[data-action="use-crop"]')
    page.until(lambda: "turn=90" in page.path, "the turn is not in the address")
    assert page.until_hits(lambda ids: ids[0] == "EM-007")
    page.until(lambda: page.js(_DRAWN_WIDTH, "#query-image") == 192, "not drawn turned")


def test_a_page_of_a_tiff_is_chosen_on_the_stage(page, tmp_path, draw_mark):
    path = tmp_path / "paged.tif"
    draw_mark(3).save(path, save_all=True, append_images=[draw_mark(7)])
    page.open()
    page.upload(path)
    assert page.hits()[0] == "EM-003"
    page.until(lambda: page.text("#page-of") == "Page 1 of 2", "the pages are not counted")
    page.click('[data-action="next-page"]')
    assert page.until_hits(lambda ids: ids[0] == "EM-007")
    assert "page=2" in page.path
    page.until(lambda: page.text("#page-of") == "Page 2 of 2", "another page is shown")
    page.back()
    assert page.until_hits(lambda ids: ids[0] == "EM-003")


def test_words_of_a_mark_are_shown_as_words_and_never_run(page):
    page.open("/?mark_id=EM-001&text=onerror")
    assert page.hits() == ["EM-005"]
    assert page.text(".hit-title") == '<img src=x onerror="alert(1)">'
    page.open("/marks/EM-005")
    assert page.text("h1") == '<img src=x onerror="alert(1)">'


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
    ActionChains(page.driver).send_keys("\ue00c").perform()  # escape
    page.until(lambda: not page.one("#compare-dialog").is_displayed(), "the dialog stays open")
    focused = page.js("return document.activeElement.closest('.hit').dataset.id")
    assert focused == hits[1]


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


@pytest.mark.parametrize("width", [1440, 768, 390])
def test_nothing_jumps_while_a_search_is_under_way(page, width):
    page.resize(width)
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": _SHIFTS}
    )
    try:
        page.open("/?mark_id=EM-001")
        page.hits()
        page.until(lambda: page.all(".tag"), "no titles")
        page.settle()
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    assert page.js("return window.__shift") < 0.02, page.js("return window.__shifted")


def test_the_page_says_how_far_the_server_is_with_indexing(page, marklens):
    with marklens.indexing.followed(None) as note:
        note(IngestProgress(300, 1200, RunCounts(read=300, indexed=300)))
        page.open("/?mark_id=EM-002")
        assert "24 marks, more are being indexed" in page.text(".masthead-note")
        assert page.hits()
        page.until(lambda: page.text("#indexing").endswith("25 %"), "not how far it is")
    page.until(lambda: page.text("#indexing") == "all are indexed", "not that all are indexed")


def test_thumbnails_show_more_marks_at_once(page):
    page.open("/?mark_id=EM-002")
    page.hits()
    before = page.one(".hit").size["height"]
    page.js("document.querySelector('[name=density][value=thumbs]').click()")
    assert page.one(".hit").size["height"] < 0.6 * before


_DRAWN = "const sheet = document.getElementById('explain-image'); return [sheet.naturalWidth]"


@pytest.mark.parametrize("way", ["picture", "mark"])
def test_where_each_code_was_seen_is_drawn_in_a_dialog(page, logo, way):
    page.open("/?mark_id=EM-007" if way == "mark" else "/")
    if way == "picture":
        page.upload(logo)
    page.hits()
    page.click("#explain")
    page.until(lambda: page.js(_DRAWN)[0] >= 448, "no sheet: the picture and a copy a code")
    page.click("#explain-dialog [data-action='close-dialog']")
    assert not page.js("return document.getElementById('explain-dialog').open")
