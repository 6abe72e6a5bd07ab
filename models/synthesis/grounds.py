"""Backgrounds: divided into parts, covered with a pattern, with rays, or an ornamental frame."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.synthesis.elements import Codes, Element, Members, Stencil, Surround, fit, inset, shrunk
from models.synthesis.paint import RGB, Box, Inks, contrast, lay_ink
from models.vienna import ViennaCode

Grid = NDArray[np.float32]
Pattern = Callable[[Grid, Grid], NDArray[np.bool_]]


def _division(number: int, section: int) -> Codes:
    return frozenset({ViennaCode(25, number), ViennaCode(25, number, section)})


# Regions of a unit square that take the second colour, and the section that says so.
SPLITS: Final[dict[str, tuple[Pattern, Codes]]] = {
    "left and right": (lambda x, y: x + 0 * y > 0.5, _division(5, 1)),
    "upper and lower": (lambda x, y: y + 0 * x > 0.5, _division(5, 2)),
    "diagonal": (lambda x, y: x > y, _division(5, 3)),
    "counter-diagonal": (lambda x, y: x + y > 1, _division(5, 3)),
    "crosswise": (lambda x, y: (x > 0.5) != (y > 0.5), _division(5, 5)),
    "cross diagonally": (lambda x, y: (x > y) != (x + y > 1), _division(5, 6)),
}
# Patterns take x, y in repeats.
PATTERNS: Final[dict[str, tuple[Pattern, Codes]]] = {
    "dots": (lambda x, y: np.hypot(x % 1 - 0.5, y % 1 - 0.5) < 0.24, _division(7, 7)),
    "staggered dots": (
        lambda x, y: np.hypot((x + (y // 1) % 2 / 2) % 1 - 0.5, y % 1 - 0.5) < 0.25,
        _division(7, 7),
    ),
    "rings": (
        lambda x, y: np.abs(np.hypot(x % 1 - 0.5, y % 1 - 0.5) - 0.36) < 0.09,
        _division(7, 6),
    ),
    "check": (lambda x, y: (x // 1 + y // 1) % 2 == 0, _division(7, 4)),
    "lozenges": (lambda x, y: ((x + y) // 1 + (x - y) // 1) % 2 == 0, _division(7, 2)),
    "squares": (
        lambda x, y: (np.abs(x % 1 - 0.5) < 0.3) & (np.abs(y % 1 - 0.5) < 0.3),
        _division(7, 3),
    ),
    "upright stripes": (lambda x, y: (x + 0 * y) % 1 < 0.45, _division(7, 21)),
    "level stripes": (lambda x, y: (y + 0 * x) % 1 < 0.45, _division(7, 21)),
    "slanting stripes": (lambda x, y: (x + y) % 1 < 0.45, _division(7, 21)),
    "waves": (lambda x, y: (y + 0.3 * np.sin(x * math.pi)) % 1 < 0.42, _division(7, 22)),
    "zigzag": (lambda x, y: (y + np.abs(x % 1 - 0.5)) % 1 < 0.42, _division(7, 23)),
    "triangles": (
        lambda x, y: (y % 1 > 0.15) & (np.abs(x % 1 - 0.5) < (y % 1 - 0.15) * 0.5),
        _division(7, 1),
    ),
    "hatching": (
        lambda x, y: ((x + y) % 1 < 0.16) | ((x - y) % 1 < 0.16),
        _division(7, 15),
    ),
}


@dataclass(frozen=True)
class Divided(Surround):
    """A ground of two colours; what lies on it changes its ink at the border.

    Attributes:
        kind: key of ``SPLITS``.
        fresh: the second colour.
    """

    kind: str
    fresh: RGB

    @property
    def own_codes(self) -> Codes:
        """25.05 with its section."""
        return SPLITS[self.kind][1]

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the content once on each colour and join the two."""
        place = fit(box, self.aspect)
        size = (place[2] - place[0], place[3] - place[1])
        sheets = []
        for surface in (inks.tile, self.fresh):
            sheet = Image.new("RGB", size, surface)
            room = inset((0, 0, *size), (0.1, 0.1, 0.9, 0.9))
            self.draw_content(sheet, room, inks.on_colour(surface))
            sheets.append(sheet)
        sheets[0].paste(sheets[1], (0, 0), _grid_mask(SPLITS[self.kind][0], size, 1.0, 1.0))
        canvas.paste(sheets[0], (place[0], place[1]))


@dataclass(frozen=True)
class Patterned(Surround):
    """A ground covered with a repeated figure in a neighbouring tone.

    Attributes:
        kind: key of ``PATTERNS``.
        repeats: of the figure along the shorter side.
        strength: of the tone, 0..1; 1 is the full ink.
        dark: on the tile colour instead of the paper.
    """

    kind: str
    repeats: float
    strength: float
    dark: bool

    @property
    def own_codes(self) -> Codes:
        """25.07 with its section."""
        return PATTERNS[self.kind][1]

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the pattern, then the content over it."""
        place = fit(box, self.aspect)
        size = (place[2] - place[0], place[3] - place[1])
        on = inks.on_surface() if self.dark else inks
        tone = mixed(on.paper, on.main, self.strength)
        canvas.paste(on.paper, place)
        short = min(size)
        mask = _grid_mask(
            PATTERNS[self.kind][0],
            size,
            self.repeats * size[0] / short,
            self.repeats * size[1] / short,
        )
        canvas.paste(tone, (place[0], place[1]), mask)
        self.draw_content(canvas, inset(place, (0.14, 0.14, 0.86, 0.86)), on)


@dataclass(frozen=True)
class Strewn(Surround):
    """A ground covered with one small drawing, repeated (25.07.25).

    Attributes:
        motif: the drawing; its codes count.
        repeats: along the shorter side.
        strength: of the tone, 0..1.
    """

    motif: Stencil
    repeats: int
    strength: float

    @property
    def own_codes(self) -> Codes:
        """25.07.25 and the motif's codes."""
        return _division(7, 25) | self.motif.codes

    @property
    def members(self) -> Members:
        """The motif and the drawings on the ground."""
        return self.motif.members + super().members

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the motifs, then the content over them."""
        place = fit(box, self.aspect)
        step = min(place[2] - place[0], place[3] - place[1]) / self.repeats
        tile = fit((0, 0, round(step * 0.72), round(step * 0.72)), self.motif.aspect)
        mask = shrunk(self.motif.mask, (tile[2] - tile[0], tile[3] - tile[1]))
        tone = mixed(inks.paper, inks.main, self.strength)
        y, row = place[1] + step * 0.14, 0
        while y + mask.height <= place[3] + 1:
            x = place[0] + step * (0.14 + 0.5 * (row % 2))
            while x + mask.width <= place[2] + 1:
                canvas.paste(tone, (round(x), round(y)), mask)
                x += step
            y, row = y + step, row + 1
        self.draw_content(canvas, inset(place, (0.14, 0.14, 0.86, 0.86)), inks)


@dataclass(frozen=True)
class Radiant(Surround):
    """Rays behind an element (25.12.01)."""

    rays: int
    strength: float

    @property
    def own_codes(self) -> Codes:
        """25.12.01."""
        return _division(12, 1)

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the rays, then the content over them."""
        place = fit(box, self.aspect)
        size = (place[2] - place[0], place[3] - place[1])
        count = self.rays

        def rays(x: Grid, y: Grid) -> NDArray[np.bool_]:
            turn = np.arctan2((y - 0.5) * size[1], (x - 0.5) * size[0]) / (2 * math.pi)
            inked: NDArray[np.bool_] = (turn * count) % 1 < 0.5
            return inked

        tone = mixed(inks.paper, inks.main, self.strength)
        canvas.paste(tone, (place[0], place[1]), _grid_mask(rays, size, 1.0, 1.0))
        self.draw_content(canvas, inset(place, (0.18, 0.18, 0.82, 0.82)), inks)


@dataclass(frozen=True)
class Ornate(Surround):
    """An element in an ornamental frame: a border of beads, scallops or corner scrolls (25.01)."""

    motif: str

    @property
    def own_codes(self) -> Codes:
        """25.01 with its section for framework."""
        return _division(1, 10)

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the border, then what is inside."""
        place = fit(box, self.aspect)
        size = (place[2] - place[0], place[3] - place[1])
        lay_ink(canvas, place, _border(size, self.motif), inks, inks.main)
        self.draw_content(canvas, inset(place, (0.17, 0.17, 0.83, 0.83)), inks)


ORNAMENTS: Final = ("beads", "scallops", "corners", "teeth")


def mixed(one: RGB, other: RGB, share: float) -> RGB:
    """Return a colour between two; ``share`` 1 is the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def second_ground(rng: np.random.Generator, inks: Inks) -> RGB:
    """Choose a ground colour that differs clearly from the tile's."""
    choices = [inks.paper, inks.second, mixed(inks.tile, inks.on_tile, 0.35)]
    clear = [colour for colour in choices if contrast(colour, inks.tile) >= 40]
    return clear[int(rng.integers(len(clear)))] if clear else inks.on_tile


def _grid_mask(pattern: Pattern, size: tuple[int, int], across: float, down: float) -> Image.Image:
    fine = (size[0] * 2, size[1] * 2)
    x = np.linspace(0, across, fine[0], endpoint=False, dtype=np.float32)[None, :]
    y = np.linspace(0, down, fine[1], endpoint=False, dtype=np.float32)[:, None]
    covered = np.broadcast_to(pattern(x, y), (fine[1], fine[0]))
    return Image.fromarray(np.where(covered, 255, 0).astype(np.uint8)).reduce(2)


def _border(size: tuple[int, int], motif: str) -> Image.Image:
    """Draw an ornamental border: mode L of a size."""
    width, height = size[0] * 2, size[1] * 2
    image = Image.new("L", (width, height), 0)
    pen = ImageDraw.Draw(image)
    unit = min(width, height) / 26
    line = max(2, round(unit / 5))
    for depth in (0.4, 2.6):
        edge = depth * unit
        pen.rectangle((edge, edge, width - edge, height - edge), outline=255, width=line)
    centre = 1.5 * unit
    for x, y, along in _stations(width, height, centre, 1.9 * unit):
        _motif(pen, motif, (x, y), unit * 0.75, along)
    if motif == "corners":
        for x, y in ((3, 3), (width / unit - 3, 3), (3, height / unit - 3)):
            _scroll(pen, (x * unit, y * unit), unit * 2.2, line * 2)
        _scroll(pen, (width - 3 * unit, height - 3 * unit), unit * 2.2, line * 2)
    return image.reduce(2)


def _stations(
    width: float, height: float, edge: float, step: float
) -> list[tuple[float, float, bool]]:
    """Evenly spaced places along a rectangle's four sides; True on level sides."""
    columns = max(2, round((width - 2 * edge) / step))
    rows = max(2, round((height - 2 * edge) / step))
    places = []
    for index in range(columns + 1):
        x = edge + (width - 2 * edge) * index / columns
        places += [(x, edge, True), (x, height - edge, True)]
    for index in range(1, rows):
        y = edge + (height - 2 * edge) * index / rows
        places += [(edge, y, False), (width - edge, y, False)]
    return places


def _motif(
    pen: ImageDraw.ImageDraw, motif: str, at: tuple[float, float], radius: float, along: bool
) -> None:
    x, y = at
    box = (x - radius, y - radius, x + radius, y + radius)
    if motif == "beads":
        pen.ellipse(box, fill=255)
    elif motif == "scallops":
        pen.arc(box, 180 if along else 90, 360 if along else 270, fill=255, width=3)
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=255)
    elif motif == "teeth":
        pen.polygon([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], fill=255)


def _scroll(pen: ImageDraw.ImageDraw, at: tuple[float, float], radius: float, line: int) -> None:
    for share, start in ((1.0, 0), (0.6, 90)):
        reach = radius * share
        box = (at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach)
        pen.arc(box, start, start + 290, fill=255, width=line)


def spread(content: Element, aspect: float) -> float:
    """Return an aspect for a ground that suits its content."""
    return min(2.6, max(0.6, (content.aspect + aspect) / 2))
