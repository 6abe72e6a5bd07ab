from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from models.synthesis.elements import IllegibleError, Stencil, fit, side_by_side, stacked
from models.synthesis.frames import Framed, ring_text
from models.synthesis.outlines import SHAPES, Shape
from models.synthesis.paint import Inks
from models.vienna import ViennaCode

BLACK_ON_WHITE = Inks((255, 255, 255), (0, 0, 0), (0, 0, 0), (0, 0, 0), (255, 255, 255))
CAT = frozenset({ViennaCode(3, 1)})


def block(width: int, height: int) -> Stencil:
    return Stencil(Image.new("L", (width, height), 255), CAT, (("set", "cat"),))


def named(name: str) -> Shape:
    return next(shape for shape in SHAPES if shape.name == name)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_what_a_frame_contains_lies_inside_its_outline(shape: Shape) -> None:
    for aspect in shape.aspects:
        size = (round(200 * max(1.0, aspect)), round(200 * max(1.0, 1 / aspect)))
        mask = np.asarray(shape.mask(size))
        left, top, right, bottom = (np.array(shape.inner) * [*size, *size]).astype(int)
        assert (mask[top:bottom, left:right] > 0).all()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_an_outline_is_open_in_the_middle_and_touches_all_sides(shape: Shape) -> None:
    ring = np.asarray(shape.ring((160, 160), 5.0))
    assert ring[80, 80] == 0
    assert ring[:5].any()
    assert ring[-5:].any()
    assert ring[:, :5].any()
    assert ring[:, -5:].any()


@pytest.mark.parametrize("style", ["line", "double", "solid", "inset"])
def test_a_framed_device_carries_both_codes_and_is_printed(style: str) -> None:
    part = Framed(block(40, 40), 1.0, named("circle"), style, 0.03)  # type: ignore[arg-type]
    assert {str(code) for code in part.codes} >= {"03.01", "26.01", "26.01.15"}
    canvas = Image.new("RGB", (200, 200), "white")
    part.draw(canvas, (0, 0, 200, 200), BLACK_ON_WHITE)
    middle, ground = canvas.getpixel((100, 100)), canvas.getpixel((100, 30))
    assert middle != ground


def test_two_outlines_are_one_inside_the_other() -> None:
    part = Framed(None, 1.0, named("square"), "double", 0.03)
    assert ViennaCode(26, 4, 7) in part.codes


def test_parts_in_a_row_do_not_overlap_and_stay_in_their_box() -> None:
    parts = [block(50, 80), block(200, 30), block(40, 40)]
    for row in (side_by_side(parts, [1.0, 0.5, 0.8], 0.1), stacked(parts, [0.4, 1.0, 0.6], 0.1)):
        box = fit((0, 0, 300, 300), row.aspect)
        places = row.places(box)
        axis = 1 if row.upright else 0
        ends = [(place[axis], place[axis + 2]) for place in places]
        assert all(first[1] <= second[0] + 1 for first, second in pairwise(ends))
        assert all(place[side] >= box[side] - 1 for place in places for side in (0, 1))
        assert all(place[side] <= box[side] + 1 for place in places for side in (2, 3))


def test_a_device_too_small_to_be_seen_is_refused() -> None:
    canvas = Image.new("RGB", (300, 300), "white")
    with pytest.raises(IllegibleError):
        block(50, 50).draw(canvas, (0, 0, 20, 20), BLACK_ON_WHITE)


def test_circular_writing_stands_above_and_below() -> None:
    strip = Image.new("L", (200, 40), 255)
    above = np.asarray(ring_text(strip, None, 200, (0.3, 0.44)))
    both = np.asarray(ring_text(strip, strip, 200, (0.3, 0.44)))
    assert above[:60].any()
    assert not above[150:].any()
    assert both[150:].any()
    assert not both[80:120, 80:120].any()
