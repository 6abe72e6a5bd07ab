"""Words are really read in pictures, and painted over; without the extra that is said plainly."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from models import errors
from models.errors import MissingReader
from models.reading import READER, joined, paint_over
from tests.lettering import GROUND, lettered


@pytest.fixture(scope="module")
def cafe() -> Image.Image:
    return lettered("LION CAFE")


def test_words_are_read_with_their_place(cafe: Image.Image) -> None:
    (line,) = READER.read(cafe)
    assert line.text == "LION CAFE"
    assert line.confidence > 0.9
    left, top, right, bottom = line.box
    assert 0 <= left < 0.2 < 0.8 < right <= 1
    assert 0.6 < top < 0.75 < 0.8 < bottom < 0.95


@pytest.mark.parametrize("degrees", [15, -20, 180])
def test_words_that_stand_askew_or_upside_down_are_read(cafe: Image.Image, degrees: int) -> None:
    turned = cafe.rotate(degrees, expand=True, fillcolor=GROUND)
    assert joined(READER.read(turned)) == "LION CAFE"


def test_a_figure_has_no_words(draw_mark: Callable[..., Image.Image]) -> None:
    assert [READER.read(draw_mark(seed)) for seed in range(3)] == [(), (), ()]


def test_words_are_painted_over_with_their_ground(cafe: Image.Image) -> None:
    painted = paint_over(cafe, READER.read(cafe))
    assert READER.read(painted) == ()
    bare = np.asarray(painted)
    assert (bare[150:] == GROUND).all()
    assert (bare[:145] == np.asarray(cafe)[:145]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (9, 2000)])
def test_any_size_is_read(size: tuple[int, int]) -> None:
    speckled = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    picture = Image.fromarray(speckled)
    assert paint_over(picture, READER.read(picture)).size == size


def test_threads_read_the_same(cafe: Image.Image) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(lambda _: joined(READER.read(cafe)), range(12)))
    assert found == {"LION CAFE"}


def test_without_the_extra_it_is_said_how_to_install_it(
    cafe: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda name: name != "rapidocr" or None)
    with pytest.raises(MissingReader, match=r"pip install '\.\[words\]'"):
        READER.read(cafe)
