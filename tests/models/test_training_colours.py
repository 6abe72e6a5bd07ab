import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.synthesis.colour_codes import CHROMATIC, VISIBLE, colour_codes
from models.synthesis.degrade import jpeg, scanned


def patch(share: float, colour: tuple[int, int, int], ground: str = "white") -> Image.Image:
    """A square picture of which a share is one colour."""
    image = Image.new("RGB", (300, 300), ground)
    side = round(300 * share**0.5)
    ImageDraw.Draw(image).rectangle((40, 40, 40 + side - 1, 40 + side - 1), fill=colour)
    return image


def names(image: Image.Image) -> set[str]:
    return {str(code) for code in colour_codes(image)}


def test_black_white_and_grey_are_no_colours() -> None:
    assert names(patch(0.4, (0, 0, 0))) == set()
    assert names(patch(0.4, (128, 128, 128), "black")) == set()


def test_yellowed_and_grainy_paper_is_no_colour() -> None:
    rng = np.random.default_rng(1)
    worn = jpeg(scanned(patch(0.3, (0, 0, 0)), rng), 25)
    assert names(worn) == set()


def test_a_colour_counts_from_half_a_percent_of_the_surface() -> None:
    assert "29.01" in names(patch(VISIBLE * 2, (200, 20, 30)))
    assert names(patch(VISIBLE / 4, (200, 20, 30))) == set()


def test_a_colour_counts_from_the_least_difference_of_channels() -> None:
    assert "29.01" in names(patch(0.3, (150 + CHROMATIC, 150, 150)))
    assert names(patch(0.3, (149 + CHROMATIC, 150, 150))) == set()


@pytest.mark.parametrize(
    ("colour", "section"),
    [
        ((214, 20, 30), "29.01.01"),
        ((250, 220, 20), "29.01.02"),
        ((30, 140, 60), "29.01.03"),
        ((20, 70, 180), "29.01.04"),
        ((120, 40, 170), "29.01.05"),
        ((110, 70, 35), "29.01.07"),
        ((245, 130, 20), "29.01.98"),
    ],
)
def test_plain_colours_are_named(colour: tuple[int, int, int], section: str) -> None:
    assert names(patch(0.3, colour)) == {"29.01", section}


def test_several_colours_are_all_named() -> None:
    image = patch(0.2, (20, 70, 180))
    ImageDraw.Draw(image).rectangle((200, 200, 290, 290), fill=(214, 20, 30))
    assert names(image) == {"29.01", "29.01.01", "29.01.04"}
