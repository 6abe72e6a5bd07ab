"""The query picture on the search page: previews, pages, cropping and turning."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from indexer.marks import MarkRecord

pytestmark = pytest.mark.browser


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
    page.crop(100, 200, 9999, 400)
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
    page.crop(10, 20, 500, 40)
    page.until(lambda: "crop=10,20,86,40" in page.path, "the crop is not held in the picture")
    assert page.hits()


_MIDDLE = """
const box = document.querySelector(arguments[0]).getBoundingClientRect()
return [box.x + box.width / 2, box.y + box.height / 2]
"""


def test_a_crop_is_pulled_by_its_handles_with_mouse_and_keys(page):
    page.open("/?mark_id=EM-004")
    page.hits()
    page.crop(10, 10, 40, 40)
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
    place = page.js(_MIDDLE, "#crop-frame .crop-box")
    page.click("#crop-dialog [data-action=zoom-in]")
    assert page.one("#crop-image").size["width"] == pytest.approx(1.5 * 96 * scale, abs=2)
    assert page.js(typed) == left
    for _ in range(3):
        page.click("#crop-dialog [data-action=zoom-in]")
    room = page.js("return document.querySelector('.crop-area').getBoundingClientRect().toJSON()")
    x, y = page.js(_MIDDLE, "#crop-frame .crop-box")
    assert room["left"] < x < room["right"]
    assert y == pytest.approx(place[1], abs=3)
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


def test_a_box_stays_on_its_place_of_the_sign_when_the_picture_is_turned(page):
    page.open("/?mark_id=EM-004&crop=10,20,40,30")
    page.hits()
    page.click('[data-action="crop"]')
    page.until(lambda: page.one(".crop-handle").is_displayed(), "no handles")
    page.click('[data-action="turn-right"]')
    page.click('[data-action="use-crop"]')  # before the turned picture is there
    page.until(lambda: "turn=90" in page.path, "the turn is not in the address")
    assert _crop_of(page) == [46, 10, 30, 40]
    page.settle()
    page.click('[data-action="crop"]')
    page.until(lambda: page.one(".crop-handle").is_displayed(), "no handles")
    for _ in range(5):
        page.one("#crop-angle").send_keys(Keys.ARROW_LEFT)
    page.until(lambda: page.one("#crop-frame .crop-box").is_displayed(), "the box is lost")
    page.click('[data-action="use-crop"]')
    page.until(lambda: "turn=85" in page.path, "not straightened")
    x, y, width, height = _crop_of(page)
    assert (width, height) == (30, 40)
    middle = (
        x + width / 2,
        y + height / 2,
    )  # 13 pixels right and 18 above the middle, turned back by 5 degrees
    side = 96 * (math.cos(math.radians(5)) + math.sin(math.radians(5)))
    assert middle == pytest.approx((side / 2 + 11.4, side / 2 - 19.1), abs=2)


@pytest.mark.parametrize("suffix", ["tif", "pdf"])
def test_a_page_is_chosen_on_the_stage(page, tmp_path, draw_mark, suffix):
    path = tmp_path / f"paged.{suffix}"
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


def test_a_mark_that_browsers_do_not_draw_is_cropped_in_its_own_pixels_when_turned(
    page, marklens, scan
):
    marklens.add(MarkRecord("SCAN"), scan.read_bytes())
    try:
        page.open("/?mark_id=SCAN&turn=90")
        page.until(lambda: page.js(_DRAWN_WIDTH, "#query-image") == 1024, "no preview")
        page.crop(100, 200, 9999, 400)
        page.until(lambda: "crop=100,200,1500,400" in page.path, "not cropped in its own pixels")
        page.until_hits(bool)
    finally:
        marklens.delete("SCAN")


def test_pointing_at_a_code_shows_its_place_on_the_picture_asked_for_once(page):
    page.open("/?mark_id=EM-001")
    page.hits()
    page.until(lambda: page.all("#seen-codes .chip.is-predicted"), "no codes")
    page.settle()
    code = page.one("#seen-codes .chip.is-predicted").get_attribute("data-code")
    page.js(
        "window.__asked = 0; const real = window.fetch;"
        "window.fetch = (path, ...rest) => {"
        " if (String(path).endsWith('/explain')) window.__asked += 1; return real(path, ...rest) }"
    )
    box = page.js("return document.getElementById('stage').getBoundingClientRect().toJSON()")
    button = f'#seen-codes [data-code="{code}"] .chip-button'
    for _ in range(2):
        page.js(f"document.querySelector('{button}').focus()")
        page.until(lambda: page.all(f'.stage-heat[data-code="{code}"] image'), "no place is shown")
        page.js("document.activeElement.blur()")
        page.until(lambda: not page.all(".stage-heat"), "the place stays")
    assert page.js("return window.__asked") == 1
    same = page.js("return document.getElementById('stage').getBoundingClientRect().toJSON()")
    assert same == box, "the layout shifts"
