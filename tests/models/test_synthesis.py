from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from models.errors import UnreadableImage
from models.synthesis.code_statistics import CodeStatistics
from models.synthesis.colour_codes import COLOURS, colour_codes
from models.synthesis.composer import ComposedMark, Composer
from models.synthesis.degrade import degrade
from models.synthesis.drawings import Pictogram
from models.synthesis.fonts import FontBook
from models.synthesis.grounds import PATTERNS, SPLITS
from models.vienna import ViennaCode

SEEDS = 12


def pictogram(name: str, codes: str, body: str, colour: bool = False) -> Pictogram:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{body}</svg>'
    divisions = tuple(ViennaCode.parse(text) for text in codes.split())
    return Pictogram("drawn-here", name, divisions, colour, "CC0-1.0", svg)


MOON = pictogram("moon", "01.07", '<path d="M14 2a10 10 0 1 0 8 14A8 8 0 0 1 14 2z"/>')
FISH = pictogram("fish", "03.09", '<path d="M2 12C6 5 13 5 17 12l5-5v10l-5-5C13 19 6 19 2 12z"/>')
SUN = pictogram("sun", "01.03", '<circle cx="12" cy="12" r="9" fill="#f80"/>', colour=True)
EMPTY = pictogram("empty", "05.03", "")
LETTERS = ViennaCode(27, 5)


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> FontBook:
    default = ImageFont.load_default(20)
    assert isinstance(default, ImageFont.FreeTypeFont)
    folder: Path = tmp_path_factory.mktemp("fonts")
    (folder / "default.ttf").write_bytes(default.font_bytes)
    return FontBook([folder])


def composer(fonts: FontBook, codes: list[str], words: bool = True) -> Composer:
    combinations = CodeStatistics.count([(codes, words)])
    return Composer([MOON, FISH, SUN, EMPTY], combinations, fonts, balance=0.0)


def compose(fonts: FontBook, codes: list[str], words: bool = True) -> list[ComposedMark]:
    source = composer(fonts, codes, words)
    return [source.compose(np.random.default_rng(seed)) for seed in range(SEEDS)]


def texts(mark: ComposedMark) -> set[str]:
    return {str(code) for code in mark.codes}


def test_equal_seeds_give_equal_marks(fonts: FontBook) -> None:
    source = composer(fonts, ["010702", "260103"])
    for seed in range(5):
        one = source.compose(np.random.default_rng(seed))
        other = source.compose(np.random.default_rng(seed))
        assert one.image.tobytes() == other.image.tobytes()
        assert (one.codes, one.sections, one.text) == (other.codes, other.sections, other.text)


def test_a_mark_has_the_codes_of_what_it_shows_and_no_others(fonts: FontBook) -> None:
    allowed = {"03.09", "27.05", "27.07", "29.01"}
    for mark in compose(fonts, ["030901"]):
        assert mark.members == (("drawn-here", "fish"),)
        assert {"03.09", "27.05"} <= texts(mark) <= allowed


def test_a_mark_without_words_has_no_letters(fonts: FontBook) -> None:
    for mark in compose(fonts, ["010702"], words=False):
        assert mark.text is None
        assert mark.kind == "device"
        assert LETTERS not in mark.codes


def test_category_29_is_what_the_pixels_say(fonts: FontBook) -> None:
    marks = [*compose(fonts, ["290104", "030901"]), *compose(fonts, ["010301"])]
    for mark in marks:
        assert (COLOURS in mark.codes) == (COLOURS in colour_codes(mark.image))
    claimed = marks[:SEEDS]
    assert sum(COLOURS in mark.codes for mark in claimed) > 0.8 * SEEDS


@pytest.mark.parametrize(
    ("codes", "division"),
    [
        (["260103"], "26.01"),
        (["260402"], "26.04"),
        (["240101"], "24.01"),
        (["240301"], "24.03"),
        (["250501"], "25.05"),
        (["250707"], "25.07"),
        (["251201"], "25.12"),
        (["261101"], "26.11"),
        (["270106"], "27.01"),
        (["270721"], "27.07"),
    ],
)
def test_frames_grounds_and_writing_of_a_recipe_are_drawn(
    fonts: FontBook, codes: list[str], division: str
) -> None:
    marks = compose(fonts, [*codes, "030901"])
    assert sum(division in texts(mark) for mark in marks) >= 0.4 * SEEDS
    assert all("03.09" in texts(mark) for mark in marks)


def test_scripts_without_a_font_are_not_written(fonts: FontBook) -> None:
    for mark in compose(fonts, ["2803", "030901"]):
        assert "28.03" not in texts(mark)


def test_pictures_are_rgb_of_the_promised_size(fonts: FontBook) -> None:
    for mark in compose(fonts, ["030901", "260402", "250707"]):
        assert mark.image.mode == "RGB"
        assert 256 <= max(mark.image.size) <= 320
        assert np.asarray(mark.image).std() > 5


def test_every_section_stands_below_a_division_of_the_mark(fonts: FontBook) -> None:
    for mark in compose(fonts, ["030901", "260103", "290104"]):
        for section in mark.sections:
            assert section.ancestors()[-1] in mark.codes


def test_a_given_device_is_shown_in_every_composition(fonts: FontBook) -> None:
    source = composer(fonts, ["010702", "260402"])
    for seed in range(SEEDS):
        mark = source.compose(np.random.default_rng(seed), FISH)
        assert mark.members == (("drawn-here", "fish"),)
        assert "03.09" in texts(mark)
        assert "01.07" not in texts(mark)


def test_a_pictogram_alone_has_its_own_codes_and_perhaps_colour(fonts: FontBook) -> None:
    source = composer(fonts, ["260402"])
    for seed in range(SEEDS):
        mark = source.alone(np.random.default_rng(seed), MOON)
        assert {"01.07"} <= texts(mark) <= {"01.07", "29.01"}
        assert mark.text is None


def test_drawings_that_show_nothing_are_passed_over_or_reported(fonts: FontBook) -> None:
    assert all("05.03" not in texts(mark) for mark in compose(fonts, ["050302"]))
    with pytest.raises(UnreadableImage, match="drawn-here/empty"):
        composer(fonts, ["050302"]).alone(np.random.default_rng(0), EMPTY)


def test_balance_shows_divisions_that_the_register_lacks(fonts: FontBook) -> None:
    combinations = CodeStatistics.count([(["030901"], True)])
    source = Composer([MOON, FISH, SUN], combinations, fonts, balance=1.0)
    marks = [source.compose(np.random.default_rng(seed)) for seed in range(SEEDS)]
    shown = set().union(*(texts(mark) for mark in marks))
    assert {"01.03", "01.07", "03.09"} <= shown


def test_wear_keeps_the_size_and_mostly_the_picture(fonts: FontBook) -> None:
    image = composer(fonts, ["010702"], words=False).alone(np.random.default_rng(1), MOON).image
    before = np.asarray(image.convert("L"), float)
    for seed in range(30):
        worn = degrade(image, np.random.default_rng(seed))
        assert worn.size == image.size
        after = np.asarray(worn.convert("L"), float)
        assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8


def test_every_split_and_pattern_covers_some_but_not_all_of_a_ground() -> None:
    x = np.linspace(0, 1, 60, endpoint=False, dtype=np.float32)[None, :]
    y = np.linspace(0, 1, 60, endpoint=False, dtype=np.float32)[:, None]
    for scale, table in ((1, SPLITS), (6, PATTERNS)):
        for name, (pattern, codes) in table.items():
            share = np.broadcast_to(pattern(x * scale, y * scale), (60, 60)).mean()
            assert 0.15 < share < 0.85, name
            assert {code.category for code in codes} == {25}
