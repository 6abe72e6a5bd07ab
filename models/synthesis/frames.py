"""Frames around a sign: outlines, filled tiles, medallions with circular writing, split grounds."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from PIL import Image

from models.synthesis.elements import Codes, Surround, fit, inset, rounded
from models.synthesis.outlines import SHAPES, Shape
from models.synthesis.paint import Box, Inks, lay_ink
from models.vienna import ViennaCode

Style = Literal["line", "double", "solid", "inset"]

CIRCLE: Final = next(shape for shape in SHAPES if shape.name == "circle")
# Sections "containing …" by what is inside; 26.01, 26.03, 26.04 and 26.05 number them alike.
_GEOMETRY: Final = {"sky": 13, "human": 14, "life": 15, "thing": 16, "numeral": 17, "letter": 18}
_SHIELD: Final = {"sky": 7, "human": 8, "animal": 9, "plant": 10, "place": 11, "thing": 12}
_SEAL: Final = {"sky": 11, "human": 12, "animal": 13, "plant": 14, "place": 15, "thing": 16}
_DOUBLE: Final = {
    ViennaCode(26, 1): ViennaCode(26, 1, 4),
    ViennaCode(26, 3): ViennaCode(26, 3, 2),
    ViennaCode(26, 4): ViennaCode(26, 4, 7),
    ViennaCode(26, 5): ViennaCode(26, 5, 2),
}


@dataclass(frozen=True)
class Framed(Surround):
    """An element inside an outline.

    Attributes:
        shape: the outline.
        style: one line, two lines, a filled surface, or one with a line inside.
        weight: thickness of lines as a share of the shorter side.
    """

    shape: Shape
    style: Style
    weight: float

    @property
    def own_codes(self) -> Codes:
        """The outline's codes, and sections for what it contains."""
        inside = self.content.codes if self.content else frozenset()
        own = self.shape.codes | _containing(self.shape.division, inside)
        if self.style == "double" and self.shape.division in _DOUBLE:
            own |= {_DOUBLE[self.shape.division]}
        return own

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the frame, then what is inside it."""
        place = fit(box, self.aspect)
        size = (place[2] - place[0], place[3] - place[1])
        line = max(1.5, self.weight * min(size))
        inner, room = inks, 1.0
        if self.style in ("solid", "inset"):
            lay_ink(canvas, place, self.shape.mask(size), inks, inks.tile)
            inner = inks.on_surface()
            if self.style == "inset":
                room = 1 - 3.5 * line / min(size)
                lay_ink(canvas, place, self.shape.ring(size, line, 1.5 * line), inner, inner.main)
        else:
            room = 1 - (4.0 if self.style == "double" else 2.0) * line / min(size)
            lay_ink(canvas, place, self.shape.ring(size, line), inks, inks.main)
            if self.style == "double":
                lay_ink(canvas, place, self.shape.ring(size, line / 2, 2 * line), inks, inks.main)
        self.draw_content(canvas, _narrowed(inset(place, self.shape.inner), room), inner)


@dataclass(frozen=True)
class Medallion(Surround):
    """Writing around a picture, within a circle or a seal.

    Attributes:
        writing: written strip, mode L; bent along the upper half.
        below: another strip for the lower half, or None.
        shape: outline: a circle or a seal.
        ringed: a circle between the writing and the middle.
        solid: filled instead of outlined.
        script_codes: codes of the writing.
    """

    writing: Image.Image
    below: Image.Image | None
    shape: Shape
    ringed: bool
    solid: bool
    script_codes: Codes

    @property
    def own_codes(self) -> Codes:
        """Codes of outline, ring and writing, and sections for what they enclose."""
        own = self.shape.codes | self.script_codes
        if self.ringed:
            own |= {ViennaCode(26, 1)}
        if self.shape.division == ViennaCode(26, 1):
            own |= {ViennaCode(26, 1, 21)}
        if self.shape.division == ViennaCode(24, 3):
            own |= {ViennaCode(24, 3, 18)}
        own |= {ViennaCode(27, 1), ViennaCode(27, 1, 6)}
        inside = self.content.codes if self.content else frozenset()
        return own | _containing(self.shape.division, inside)

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print outline, writing and middle."""
        place = fit(box, 1.0)
        side = place[2] - place[0]
        inner = inks.on_surface() if self.solid else inks
        if self.solid:
            lay_ink(canvas, place, self.shape.mask((side, side)), inks, inks.tile)
        else:
            lay_ink(canvas, place, self.shape.ring((side, side), 0.02 * side), inks, inks.main)
        outer = 0.44 if self.shape.division == ViennaCode(26, 1) else 0.4
        band = (outer - 0.13, outer)
        lay_ink(canvas, place, ring_text(self.writing, self.below, side, band), inner, inner.main)
        middle = 0.5 - band[0] + 0.02
        if self.ringed:
            ring_box = inset(place, (middle, middle, 1 - middle, 1 - middle))
            size = (ring_box[2] - ring_box[0], ring_box[3] - ring_box[1])
            lay_ink(canvas, ring_box, CIRCLE.ring(size, 0.012 * side), inner, inner.main)
        edge = middle + 0.09
        self.draw_content(canvas, inset(place, (edge, edge, 1 - edge, 1 - edge)), inner)


def ring_text(
    above: Image.Image, below: Image.Image | None, side: int, band: tuple[float, float]
) -> Image.Image:
    """Bend strips of writing around a circle.

    Args:
        above: mode L; read clockwise, its middle at the top.
        below: mode L; read anticlockwise, its middle at the bottom, or None.
        side: of the square result, pixels.
        band: radii of the writing's foot and head, as shares of the side.

    Returns:
        Mode L, (side, side).
    """
    fine = side * 2
    y, x = np.mgrid[0:fine, 0:fine].astype(np.float32) / fine - 0.5
    radius = np.hypot(x, y)
    height = (radius - band[0]) / (band[1] - band[0])  # 0 at the foot, 1 at the head
    mean = (band[0] + band[1]) / 2
    ink = _sampled(above, np.arctan2(x, -y) * mean, 1 - height, band)
    if below is not None:
        ink = np.maximum(ink, _sampled(below, np.arctan2(x, y) * mean, height, band))
    return Image.fromarray(ink).reduce(2)


def _sampled(
    strip: Image.Image, along: np.ndarray, down: np.ndarray, band: tuple[float, float]
) -> np.ndarray:
    """Look up a strip whose middle lies at ``along`` 0; too long a strip is condensed."""
    pixels = np.asarray(strip)
    length = min((band[1] - band[0]) * strip.width / strip.height, (band[0] + band[1]) * 1.25)
    column = (along / length + 0.5) * strip.width
    row = down * strip.height
    inside = (column >= 0) & (column < strip.width) & (row >= 0) & (row < strip.height)
    found = np.zeros(along.shape, np.uint8)
    found[inside] = pixels[row[inside].astype(np.intp), column[inside].astype(np.intp)]
    return found


def _narrowed(box: Box, room: float) -> Box:
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    half = ((right - left) * room / 2, (bottom - top) * room / 2)
    return rounded((x - half[0], y - half[1], x + half[0], y + half[1]))


def _containing(division: ViennaCode, inside: Codes) -> Codes:
    """Sections of a frame that say what it contains."""
    if division.category == 26:
        numbers = _GEOMETRY
    elif division.category == 24:
        numbers = _SHIELD if division.division == 1 else _SEAL
    else:
        return frozenset()
    found = {
        ViennaCode(division.category, division.division, numbers[k])
        for k in _kinds(inside)
        if k in numbers
    }
    return frozenset(found)


def _kinds(codes: Codes) -> set[str]:
    kinds: set[str] = set()
    for code in codes:
        category = code.category
        if category == 1 and code.division != 17:
            kinds.add("sky")
        elif category == 2:
            kinds.add("human")
        elif category in (3, 5):
            kinds |= {"life", "animal" if category == 3 else "plant"}
        elif category in (6, 7):
            kinds |= {"place", "thing"}
        elif 8 <= category <= 23:
            kinds.add("thing")
        elif code == ViennaCode(27, 7):
            kinds.add("numeral")
        elif code in (ViennaCode(27, 5, 21), ViennaCode(27, 5, 22)):
            kinds.add("letter")
    return kinds
