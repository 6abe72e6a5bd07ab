"""Where query and hit match: parts are outlined, and searched with by one click."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from selenium.webdriver import ActionChains

from indexer.marks import MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings

pytestmark = pytest.mark.browser

COLOUR_ALONE = "weights=visual=0,concept=0"


def _mark(word: str = "", colour: str = "red") -> bytes:
    """A disc, alone or with a black word to its right."""
    picture = Image.new("RGB", (384, 192), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((10, 70, 59, 119), fill=colour)
    pen.text((76, 74), word, fill="black", font=ImageFont.load_default(30))
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def address(
    tiny_settings: Callable[..., Settings],
    checkpoint_with_parts: Path,
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A server of a network that compares parts, over three marks."""
    settings = tiny_settings(tmp_path_factory.mktemp("parts"), checkpoint=checkpoint_with_parts)
    with MarkLens.open(settings) as marklens:
        marklens.add(MarkRecord("QUERY"), _mark("MARKE"))
        marklens.add(MarkRecord("ALONE"), _mark())
        marklens.add(MarkRecord("BLUE"), _mark("OTHER", "blue"))
        with serving(marklens) as listening:
            yield listening


_LINES = "return document.querySelector(arguments[0])?.getBBox?.().x / 384"


def test_the_parts_that_match_are_outlined_on_both_pictures(page):
    page.open(f"/?mark_id=QUERY&{COLOUR_ALONE}")
    assert page.hits()[0] == "ALONE"
    first = ".hit:first-child"
    page.until(lambda: page.all(f"{first} .hit-lines .box-line"), "nothing outlined on the hit")
    assert "matched by a part" in page.one(f"{first} .hit-picture").get_attribute("aria-label")
    ActionChains(page.driver).move_to_element(page.one(f"{first} .hit-picture")).perform()
    page.until(lambda: page.all(".stage-lines .box-line"), "nothing outlined on the query")
    at = page.js(_LINES, ".stage-lines .box-line")
    assert at == pytest.approx(10 / 384, abs=0.02)
    page.one(f"{first} .hit-picture").click()
    page.until(lambda: len(page.all(".comparison-plate .box-line")) == 2, "not two outlines")
    at = page.js(_LINES, ".comparison-side:first-child .box-line")
    assert at == pytest.approx(10 / 384, abs=0.02)


def test_a_part_that_is_seen_is_searched_with_one_click(page):
    page.open("/?mark_id=QUERY")
    page.hits()
    page.until(lambda: len(page.all("#parts .part")) == 1, "no part is offered")
    page.click("#parts .part")
    page.until(lambda: "crop=" in page.path, "the part is not searched")
    x, y, width, height = (int(v) for v in page.path.split("crop=")[1].split(","))
    assert (x, y, width, height) == pytest.approx((10, 70, 50, 50), abs=6)
    page.back()
    page.until(lambda: "crop=" not in page.path, "back does not undo it")


def test_parts_are_not_compared_where_that_is_switched_off(page):
    page.open(f"/?mark_id=QUERY&{COLOUR_ALONE}")
    page.hits()
    page.until(lambda: page.all(".hit-lines"), "nothing outlined")
    page.one("#weight-parts").click()
    page.until(lambda: "parts=0" in page.path, "the switch is not in the address")
    page.until_hits(lambda ids: len(ids) == 2)
    page.until(lambda: not page.all(".hit-lines"), "a part is still outlined")
    page.button("Default weights").click()
    page.until(lambda: "weights" not in page.path, "the weights stay")
    assert page.one("#weight-parts").is_selected()
