"""An embedding's boxes lie on the picture as it was sent: they hold the ink of sign and parts."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from models.encoder import Embedding, Encoder
from models.images import decode_image

TURNED = {  # EXIF orientation → how the pixels of an upright picture are stored
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    5: Image.Transpose.TRANSPOSE,
}
Bounds = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def encoder(checkpoint_with_parts: Path) -> Encoder:
    return Encoder.load(checkpoint_with_parts, device="cpu", runtime="torch")


@st.composite
def lockups(draw: st.DrawFn) -> tuple[Image.Image, Bounds, Bounds]:
    """A disc and a bar of writing right of it or below: mode RGBA; the disc's box, the sign's."""
    unit = draw(st.integers(40, 160))
    word = round(unit * draw(st.floats(1.0, 6.0)))
    gap = unit // 3
    beside = draw(st.booleans())
    margins = [draw(st.integers(3, 300)) for _ in range(4)]
    left, top = margins[:2]
    if beside:
        bar = (left + unit + gap, top + unit // 3, left + unit + gap + word, top + 2 * unit // 3)
        sign = (left, top, bar[2], top + unit)
        disc = (left, top, left + unit, top + unit)
    else:
        wide = max(word, unit)
        disc = (left + (wide - unit) // 2, top, left + (wide - unit) // 2 + unit, top + unit)
        bar = (left, top + unit + gap, left + wide, top + unit + gap + unit // 3)
        sign = (left, top, left + wide, bar[3])
    size = (sign[2] + margins[2], sign[3] + margins[3])
    ink = draw(st.sampled_from([(0, 0, 0), (190, 20, 40), (20, 60, 160)]))
    paper = draw(st.sampled_from([(255, 255, 255, 255), (255, 255, 255, 0), (230, 240, 200, 255)]))
    picture = Image.new("RGBA", size, paper)
    pen = ImageDraw.Draw(picture)
    for box, shape in ((disc, pen.ellipse), (bar, pen.rectangle)):
        shape((box[0], box[1], box[2] - 1, box[3] - 1), fill=(*ink, 255))
    return picture, disc, sign


def stored(picture: Image.Image, orientation: int) -> bytes:
    """The picture's PNG, its pixels turned as EXIF then says."""
    turned = TURNED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    (picture if turned is None else picture.transpose(turned)).save(file, "PNG", exif=exif)
    return file.getvalue()


def in_pixels(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return box * np.tile(size, 2)


def assert_around(embedding: Embedding, size: tuple[int, int], disc: Bounds, sign: Bounds) -> None:
    """Row 0 is the sign's box; one part's holds the disc, and little more."""
    assert in_pixels(embedding.boxes[0], size) == pytest.approx(np.array(sign), abs=0.01)
    assert (embedding.boxes >= 0).all()
    assert (embedding.boxes <= 1).all()
    # A part is found anew in the cut, whose outermost pixels may be too faint for ink.
    faint = 0.5
    spare = 3.5 * 1.1 * max(sign[2] - sign[0], sign[3] - sign[1]) / 192 + 1
    found = []
    for box in embedding.boxes[1:]:
        left, top, right, bottom = in_pixels(box, size) - np.array(disc)
        found.append(
            -spare <= left <= faint
            and -spare <= top <= faint
            and -faint <= right <= spare
            and -faint <= bottom <= spare
        )
    assert any(found)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lockups(), st.sampled_from(sorted(TURNED)))
def test_boxes_hold_the_ink_of_the_sign_and_of_its_device(
    encoder: Encoder, drawn: tuple[Image.Image, Bounds, Bounds], orientation: int
) -> None:
    picture, disc, sign = drawn
    image = decode_image(stored(picture, orientation), "drawn.png")
    assert image.size == picture.size
    assert_around(encoder.encode([image]).embeddings[0], image.size, disc, sign)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lockups(), st.integers(0, 500))
def test_more_paper_around_a_sign_moves_its_boxes_and_nothing_else(
    encoder: Encoder, drawn: tuple[Image.Image, Bounds, Bounds], more: int
) -> None:
    picture, disc, sign = drawn
    paper = picture.getpixel((0, picture.height - 1))
    wide = Image.new("RGBA", (picture.width + more, picture.height + 1), (*paper[:3], 255))
    wide.paste(picture, (more, 0), picture)
    one, other = (
        decode_image(stored(drawn_on, 1), "drawn.png").crop(box)
        for drawn_on, box in ((wide, (0, 0, *wide.size)), (wide, (more, 0, *wide.size)))
    )
    first, second = encoder.encode([one, other]).embeddings
    moved = (disc[0] + more, disc[1], disc[2] + more, disc[3])
    assert_around(first, one.size, moved, (sign[0] + more, sign[1], sign[2] + more, sign[3]))
    assert_around(second, other.size, disc, sign)
    assert first.vectors.tobytes() == second.vectors.tobytes()
