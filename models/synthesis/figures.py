"""Abstract signs: circles, segments, triangles, squares, polygons, lines, blots and solids."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from models.synthesis.elements import Codes, Stencil, trimmed
from models.synthesis.outlines import Points, filled, regular
from models.vienna import ViennaCode

_SIDE: Final = 480  # drawn large, halved at the end
_MIDDLE: Final = _SIDE / 2
Maker = Callable[[np.random.Generator], tuple[Image.Image, int | None]]


def invent_figure(rng: np.random.Generator, division: ViennaCode) -> Stencil:
    """Draw an abstract sign of a division of category 26.

    Args:
        rng: source of randomness.
        division: one of ``FIGURES``.
    """
    mask, section = FIGURES[division](rng)
    codes: Codes = frozenset({division})
    if section is not None:
        codes |= {ViennaCode(division.category, division.division, section)}
    turn = float(rng.choice([0, 0, 0, 90, 180, 270]))
    if division in _TURNABLE and turn:
        mask = mask.rotate(turn)
    return Stencil(trimmed(mask.reduce(2)), codes)


def bar(rng: np.random.Generator) -> Stencil:
    """Draw a level line, bar, wave or swoosh to go under, over or between words (26.11)."""
    kind = int(rng.integers(5))
    width, thick = 600, int(rng.integers(8, 30))
    image = Image.new("L", (width, 80), 0)
    pen = ImageDraw.Draw(image)
    section = 1
    if kind <= 1:
        pen.rectangle((0, 40 - thick // 2, width, 40 + thick // 2), fill=255)
    elif kind == 2:
        thick, section = max(4, thick // 3), 2
        pen.rectangle((0, 10, width, 10 + thick), fill=255)
        pen.rectangle((0, 10 + 2 * thick, width, 10 + 3 * thick), fill=255)
    elif kind == 3:
        section = 13
        turns = int(rng.integers(2, 6))
        x = np.linspace(0, width, 200)
        y = 40 + 22 * np.sin(x / width * 2 * math.pi * turns)
        pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=255, width=thick // 2 + 3)
    else:
        section = 12
        x = np.linspace(0, 1, 100)
        upper = 60 - 50 * np.sin(x * math.pi) * rng.uniform(0.5, 1.0)
        lower = upper + thick * np.sin(x * math.pi) + 2
        outline = [
            *zip(x * width, upper, strict=True),
            *zip(x[::-1] * width, lower[::-1], strict=True),
        ]
        pen.polygon([(float(a), float(b)) for a, b in outline], fill=255)
    codes = frozenset({ViennaCode(26, 11), ViennaCode(26, 11, section)})
    return Stencil(trimmed(image), codes, accent=bool(rng.random() < 0.6))


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", (_SIDE, _SIDE), 0)
    return image, ImageDraw.Draw(image)


def _placed(
    points: Points, centre: tuple[float, float], extent: float
) -> list[tuple[float, float]]:
    moved = (points - 0.5) * extent + np.array(centre)
    return [(float(x), float(y)) for x, y in moved]


def _ring(centre: tuple[float, float], radius: float, line: float | None) -> Image.Image:
    image, pen = _sheet()
    x, y = centre
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    if line is not None:
        inner = radius - line
        pen.ellipse((x - inner, y - inner, x + inner, y + inner), fill=0)
    return image


def _polygon(
    points: Points, centre: tuple[float, float], extent: float, line: float | None
) -> Image.Image:
    image, pen = _sheet()
    pen.polygon(_placed(points, centre, extent), fill=255)
    if line is not None:
        pen.polygon(_placed(points, centre, extent - 2.6 * line), fill=0)
    return image


def _nested(points: Points, rng: np.random.Generator, count: int) -> Image.Image:
    image = Image.new("L", (_SIDE, _SIDE), 0)
    step = _SIDE * 0.92 / count
    for index in range(count):
        extent = _SIDE * 0.92 - index * step
        one = _polygon(points, (_MIDDLE, _MIDDLE), extent, None)
        image = ImageChops.difference(image, one) if count > 2 or index == 0 else image
    if count == 2:
        line = float(rng.uniform(14, 40))
        image = _polygon(points, (_MIDDLE, _MIDDLE), _SIDE * 0.92, line)
        image = ImageChops.lighter(image, _polygon(points, (_MIDDLE, _MIDDLE), _SIDE * 0.45, None))
    return image


def _overlapping(points: Points, rng: np.random.Generator, count: int) -> Image.Image:
    """Several equal figures in a row or a ring, outlined or merged where they meet."""
    line = float(rng.uniform(16, 34)) if rng.random() < 0.55 else None
    extent = _SIDE * float(rng.uniform(0.42, 0.52))
    reach = _SIDE / 2 - extent / 2 - 4
    image = Image.new("L", (_SIDE, _SIDE), 0)
    for index in range(count):
        angle = 2 * math.pi * index / count - math.pi / 2 + (math.pi / 2 if count == 2 else 0)
        centre = (_MIDDLE + reach * math.cos(angle), _MIDDLE + reach * math.sin(angle))
        one = _polygon(points, centre, extent, line)
        image = ImageChops.lighter(image, one) if line else ImageChops.difference(image, one)
    return image


def _circles(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    kind = int(rng.integers(4))
    circle = regular(90)
    if kind == 0:
        return _nested(circle, rng, 2), 4
    if kind == 1:
        return _nested(circle, rng, int(rng.integers(3, 6))), 5
    if kind == 2:
        return _overlapping(circle, rng, int(rng.integers(2, 6))), 6
    line = float(rng.uniform(20, 90)) if rng.random() < 0.7 else None
    return _ring((_MIDDLE, _MIDDLE), _SIDE * 0.46, line), None


def _segments(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    image, pen = _sheet()
    box = (12, 12, _SIDE - 12, _SIDE - 12)
    kind = int(rng.integers(4))
    if kind == 0:
        pen.pieslice(box, 180, 360, fill=255)
        return image, 7
    if kind == 1:
        pen.pieslice(box, int(rng.integers(20, 80)), int(rng.integers(280, 340)), fill=255)
        return image, 3
    if kind == 2:
        shift = _SIDE * 0.12
        pen.pieslice((12, 12, _SIDE - 12, _SIDE - 12), 180, 360, fill=255)
        lower = (12 + shift, 40, _SIDE - 12 + shift, _SIDE - 12)
        pen.pieslice(tuple(min(edge, _SIDE - 4) for edge in lower), 0, 180, fill=255)
        return image, 5
    for start in range(0, 360, 120):
        pen.pieslice(box, start + 8, start + 112, fill=255)
    return image, 5


def _triangles(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    triangle = np.array([(0.5, 0.05), (1.0, 0.95), (0.0, 0.95)])
    kind = int(rng.integers(4))
    if kind == 0:
        line = float(rng.uniform(18, 50)) if rng.random() < 0.5 else None
        return _polygon(triangle, (_MIDDLE, _MIDDLE), _SIDE * 0.95, line), None
    if kind == 1:
        return _overlapping(triangle, rng, int(rng.integers(2, 5))), 4
    if kind == 2:
        image, pen = _sheet()
        thick = float(rng.uniform(0.25, 0.45))
        chevron = np.array(
            [
                (0.5, 0.1),
                (1.0, 0.6),
                (1.0, 0.6 + thick),
                (0.5, 0.1 + thick),
                (0.0, 0.6 + thick),
                (0.0, 0.6),
            ]
        )
        pen.polygon(_placed(chevron, (_MIDDLE, _MIDDLE), _SIDE * 0.9), fill=255)
        return image, 23
    image, pen = _sheet()
    for column in range(3):
        points = triangle * [0.33, 0.5 + 0.2 * column] + [0.33 * column, 0.5 - 0.2 * column]
        pen.polygon(_placed(points, (_MIDDLE, _MIDDLE), _SIDE * 0.95), fill=255)
    return image, 4


def _quadrilaterals(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    figure = square if rng.random() < 0.6 else regular(4)
    kind = int(rng.integers(4))
    if kind == 0:
        return _nested(figure, rng, 2), 7
    if kind == 1:
        return _nested(figure, rng, int(rng.integers(3, 5))), 8
    if kind == 2:
        return _overlapping(figure, rng, int(rng.integers(2, 5))), 9
    image, pen = _sheet()
    count = int(rng.integers(2, 4))
    step = _SIDE / count
    for row in range(count):
        for column in range(count):
            if rng.random() < 0.85:
                x, y = column * step + 8, row * step + 8
                pen.rectangle((x, y, x + step - 22, y + step - 22), fill=255)
    return image, 9


def _polygons(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    points = regular(int(rng.choice([5, 6, 6, 8])), float(rng.choice([0.0, 0.5])))
    kind = int(rng.integers(3))
    if kind == 0:
        return _nested(points, rng, 2), 2
    if kind == 1:
        return _overlapping(points, rng, int(rng.integers(2, 7))), 4
    line = float(rng.uniform(20, 70)) if rng.random() < 0.6 else None
    return _polygon(points, (_MIDDLE, _MIDDLE), _SIDE * 0.95, line), None


def _different(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    circle, triangle = regular(90), np.array([(0.5, 0.05), (1.0, 0.95), (0.0, 0.95)])
    square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    pairs = ((circle, triangle, 3), (circle, square, 5), (triangle, square, 15))
    first, second, section = pairs[int(rng.integers(3))]
    extent, shift = _SIDE * 0.55, _SIDE * float(rng.uniform(0.16, 0.21))
    line = float(rng.uniform(16, 30)) if rng.random() < 0.5 else None
    one = _polygon(first, (_MIDDLE - shift, _MIDDLE), extent, line)
    other = _polygon(second, (_MIDDLE + shift, _MIDDLE), extent, line)
    joined = ImageChops.lighter(one, other) if line else ImageChops.difference(one, other)
    return joined, section


def _lines(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    image, pen = _sheet()
    count = int(rng.integers(3, 7))
    step = _SIDE / count
    thick = step * float(rng.uniform(0.3, 0.65))
    kind = int(rng.integers(4))
    for index in range(count):
        y = (index + 0.5) * step
        length = _SIDE * (1.0 if kind == 0 else float(rng.uniform(0.35, 1.0)))
        if kind <= 1:
            pen.rectangle((0, y - thick / 2, length, y + thick / 2), fill=255)
        elif kind == 2:
            x = np.linspace(0, _SIDE, 80)
            wave = y + step * 0.3 * np.sin(x / _SIDE * 2 * math.pi * 1.5)
            pen.line(list(zip(x.tolist(), wave.tolist(), strict=True)), fill=255, width=int(thick))
        else:
            reach = (index + 1) * step * 0.95
            box = (-reach, _SIDE - reach, reach, _SIDE + reach)
            pen.arc(box, 270, 360, fill=255, width=max(4, int(thick)))
    return image, {2: 13, 3: 12}.get(kind, 3)


def _blots(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    steps = np.linspace(0, 2 * math.pi, 140, endpoint=False)
    radii = np.full(140, 0.33)
    for frequency in range(2, 9):
        radii += rng.normal(0, 0.22 / frequency) * np.cos(frequency * steps + rng.uniform(0, 6.3))
    radii = np.clip(radii, 0.08, 0.5)
    points = np.stack([0.5 + radii * np.cos(steps), 0.5 + radii * np.sin(steps)], axis=1)
    image = filled(points, (_SIDE, _SIDE))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 7))):
        angle, far = rng.uniform(0, 6.3), rng.uniform(0.36, 0.47) * _SIDE
        x, y, size = (
            _MIDDLE + far * math.cos(angle),
            _MIDDLE + far * math.sin(angle),
            rng.uniform(5, 22),
        )
        pen.ellipse((x - size, y - size, x + size, y + size), fill=255)
    return image, 1


def _solids(rng: np.random.Generator) -> tuple[Image.Image, int | None]:
    image, pen = _sheet()
    kind = int(rng.integers(4))
    if kind == 0:
        corners = _placed(regular(6), (_MIDDLE, _MIDDLE), _SIDE * 0.94)
        centre, tones = (_MIDDLE, _MIDDLE), (255, 110, 180)
        for face, tone in zip(((5, 0, 1), (1, 2, 3), (3, 4, 5)), tones, strict=True):
            pen.polygon([corners[index] for index in face] + [centre], fill=tone)
        for index in (1, 3, 5):
            pen.line([centre, corners[index]], fill=0, width=8)
        return image, 9
    if kind == 1:
        y, x = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
        light = np.clip(1.15 * np.hypot(x - 0.36, y - 0.32) + 0.12, 0, 1)
        inside = np.hypot(x - 0.5, y - 0.5) < 0.48
        return Image.fromarray((light * inside * 255).astype(np.uint8)), 1
    if kind == 2:
        peak, left, right, front = (240, 20), (20, 380), (460, 360), (270, 460)
        pen.polygon([peak, left, front], fill=255)
        pen.polygon([peak, front, right], fill=130)
        return image, 7
    pen.rectangle((80, 90, 400, 390), fill=150)
    pen.ellipse((80, 330, 400, 450), fill=150)
    pen.ellipse((80, 30, 400, 150), fill=255)
    return image, 3


FIGURES: Final[dict[ViennaCode, Maker]] = {
    ViennaCode(26, 1): _circles,
    ViennaCode(26, 2): _segments,
    ViennaCode(26, 3): _triangles,
    ViennaCode(26, 4): _quadrilaterals,
    ViennaCode(26, 5): _polygons,
    ViennaCode(26, 7): _different,
    ViennaCode(26, 11): _lines,
    ViennaCode(26, 13): _blots,
    ViennaCode(26, 15): _solids,
}
# Turning a square onto its corner or a solid upside down would be another section or nonsense.
_TURNABLE: Final = {ViennaCode(26, 2), ViennaCode(26, 7), ViennaCode(26, 11)}
