"""Where query and hit match: parts are outlined, and searched with by one click."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from indexer.marks import MarkRecord
from models.network.checkpoint import record_scores
from models.network.score_calibration import ScoreCalibration
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
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
    """A server of a network that compares parts and knows what scores mean, over four marks."""
    folder = tmp_path_factory.mktemp("network") / "calibrated"
    shutil.copytree(checkpoint_with_parts, folder)
    settings = tiny_settings(tmp_path_factory.mktemp("parts"), checkpoint=folder)
    with MarkLens.open(settings) as marklens:
        marklens.add(MarkRecord("QUERY"), _mark("MARKE"))
        marklens.add(MarkRecord("ALONE"), _mark())
        marklens.add(MarkRecord("BLUE"), _mark("OTHER", "blue"))
        marklens.add(MarkRecord("GREEN"), _mark("QUITE ANOTHER", "green"))
        scores = [hit.score or 0 for hit in marklens.search(SearchRequest(mark_id="QUERY")).hits]
    middle = (scores[0] + scores[-1]) / 2
    slope = 20 / (scores[0] - scores[-1])  # the first is certain, the last is chance
    record_scores(folder, ScoreCalibration(-slope * middle, slope, 0.0), {})
    with MarkLens.open(settings) as marklens, serving(marklens) as listening:
        yield listening


def test_likeness_is_a_word_with_its_number_on_demand_and_chance_is_marked(page):
    page.open("/?mark_id=QUERY")
    page.hits()
    bands = [value.text.lower().replace("\u2011", "-") for value in page.all(".hit-value")]
    assert set(bands) <= {"near-identical", "strong", "some", "weak"}
    assert bands[-1] == "weak"
    said = page.one(".hit-value").get_attribute("title")
    assert re.fullmatch(r"\d+ % likely the same sign or a variant, score 0\.\d{3}", said)
    chance = page.text(".chance")
    assert "by chance" in chance
    at = page.js(
        "return [...document.getElementById('hits').children].findIndex(x => x.matches('.chance'))"
    )
    assert at == bands.index("weak")
    page.open(f"/?mark_id=QUERY&{COLOUR_ALONE}")
    page.hits()
    assert re.fullmatch(r"\d\.\d{3}", page.text(".hit-value"))
    assert page.text(".chance") == ""


_FROM_MIDDLE = """
const middle = ({ x, y, width, height }) => [x + width / 2, y + height / 2]
return [...document.querySelectorAll('.comparison-plate')].map((plate) => {
  const [x, y] = middle(plate.querySelector('.box-line').getBoundingClientRect())
  const [across, down] = middle(plate.getBoundingClientRect())
  return [x - across, y - down]
})
"""
_LINES = "return document.querySelector(arguments[0])?.getBBox?.().x / 384"


def test_the_part_of_the_query_that_matches_is_outlined_on_it(page):
    page.open(f"/?mark_id=QUERY&{COLOUR_ALONE}")
    assert page.hits()[0] == "ALONE"
    first = ".hit:first-child"
    assert page.text(f"{first} .tag.is-part") == "like a part of the query"
    assert "matched by a part" in page.one(f"{first} .hit-picture").get_attribute("aria-label")
    ActionChains(page.driver).move_to_element(page.one(f"{first} .hit-picture")).perform()
    page.until(lambda: page.all(".stage-lines .box-line"), "nothing outlined on the query")
    at = page.js(_LINES, ".stage-lines .box-line")
    assert at == pytest.approx(10 / 384, abs=0.02)
    page.one(f"{first} .hit-picture").click()
    page.until(lambda: len(page.all(".comparison-plate .box-line")) == 2, "not two outlines")
    at = page.js(_LINES, ".comparison-side:first-child .box-line")
    assert at == pytest.approx(10 / 384, abs=0.02)
    for _ in range(5):
        page.click("#compare-dialog [data-action=zoom-in]")
    # What matched stays in sight on either plate: its middle goes to the plate's.
    for place in page.js(_FROM_MIDDLE):
        assert place == pytest.approx([0, 0], abs=12)
    ActionChains(page.driver).send_keys(Keys.ARROW_DOWN).perform()
    assert max(down for _, down in page.js(_FROM_MIDDLE)) < -20


def test_the_part_of_a_hit_that_matches_is_outlined_on_it(page):
    page.open(f"/?mark_id=ALONE&{COLOUR_ALONE}")
    assert page.hits()[0] == "QUERY"
    lines = ".hit:first-child .hit-lines .box-line"
    page.until(lambda: page.all(lines), "nothing outlined on the hit")
    assert page.js(_LINES, lines) == pytest.approx(10 / 384, abs=0.02)


def test_a_part_that_is_seen_is_searched_with_one_click(page):
    page.open("/?mark_id=QUERY")
    page.hits()
    page.until(lambda: len(page.all("#parts .part")) == 1, "no part is offered")
    page.click("#parts .part")
    page.until(lambda: "crop=" in page.path, "the part is not searched")
    x, y, width, height = (int(v) for v in page.path.split("crop=")[1].split(","))
    assert (x, y, width, height) == pytest.approx((10, 70, 50, 50), abs=6)
    page.until(lambda: page.all('#parts [aria-pressed="true"]'), "the part is no longer offered")
    page.settle()
    page.click('#parts [aria-pressed="true"]')
    page.until(lambda: "crop=" not in page.path, "it leads not back to the whole")
    page.back()
    page.until(lambda: "crop=" in page.path, "no step of its own")
    page.back()
    page.until(lambda: "crop=" not in page.path, "back does not undo it")


def test_parts_are_not_compared_where_that_is_switched_off(page):
    page.open(f"/?mark_id=ALONE&{COLOUR_ALONE}")
    page.hits()
    page.until(lambda: page.all(".hit-lines"), "nothing outlined")
    page.one("#weight-parts").click()
    page.until(lambda: "parts=0" in page.path, "the switch is not in the address")
    page.until_hits(lambda ids: len(ids) == 3)
    page.until(lambda: not page.all(".hit-lines"), "a part is still outlined")
    page.button("Default weights").click()
    page.until(lambda: "weights" not in page.path, "the weights stay")
    assert page.one("#weight-parts").is_selected()


_WITH_PLACES = """
const real = window.fetch
window.fetch = async (...asked) => {
  const answer = await real(...asked)
  if (!String(asked[0]).endsWith('/search')) return answer
  const body = await answer.json()
  body.hits[0].places = { share: 0.43, points: [[0.1, 0.5, 0.12, 0.52], [0.4, 0.5, 0.6, 0.5]] }
  return new Response(JSON.stringify(body), answer)
}
"""


def test_places_that_match_are_dots_of_one_colour_on_both_pictures(page):
    script = page.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": _WITH_PLACES}
    )
    try:
        page.open("/?mark_id=QUERY")
        page.hits()
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    page.one(".hit-picture").click()
    page.until(lambda: len(page.all(".comparison-plate .place")) == 4, "not two places on each")
    drawn = (
        "return [...document.querySelectorAll('.comparison-side')].map(side =>"
        "[...side.querySelectorAll('.place')].map(x => [x.getAttribute('fill'), "
        "+x.getAttribute('cx'), +x.getAttribute('cy')]))"
    )
    query, mark = page.js(drawn)
    assert [colour for colour, *_ in query] == [colour for colour, *_ in mark]
    assert query[0][0] != query[1][0]
    assert query[0][1:] == pytest.approx([0.1 * 384, 0.5 * 192])
    assert mark[1][1:] == pytest.approx([0.6 * 384, 0.5 * 192])
    assert "43 %" in page.text(".comparison-scores .choice")
    page.click(".comparison-scores .choice input")
    assert not page.one(".place").is_displayed()
