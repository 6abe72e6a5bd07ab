"""Outlines of geometrical figures, shields, seals and labels: points in the unit square."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.vienna import ViennaCode

Points = NDArray[np.float64]  # (n, 2) x, y in 0..1, y down
Inner = tuple[float, float, float, float]

_FINE: Final = 3  # outlines are drawn three times as large, then reduced: smooth edges
_STEPS: Final = 96


@dataclass(frozen=True, slots=True)
class Shape:
    """A closed outline that can frame something.

    Attributes:
        name: for people.
        codes: its division, and sections certain of the outline alone.
        points: the outline.
        inner: the part of the unit square where content is surely inside.
        aspects: smallest and largest width / height.
    """

    name: str
    codes: frozenset[ViennaCode]
    points: Points
    inner: Inner
    aspects: tuple[float, float] = (1.0, 1.0)

    @property
    def division(self) -> ViennaCode:
        """The division the outline belongs to."""
        return next(code for code in self.codes if code.level == "division")

    def mask(self, size: tuple[int, int]) -> Image.Image:
        """Draw the filled outline: mode L."""
        return filled(self.points, size)

    def ring(self, size: tuple[int, int], thickness: float, at: float = 0.0) -> Image.Image:
        """Draw the outline as a line.

        Args:
            size: width, height in pixels.
            thickness: of the line, in pixels.
            at: how far inside the outline the line begins, in pixels.
        """
        outer, inner = _shrunk(self.points, size, at), _shrunk(self.points, size, at + thickness)
        canvas = Image.new("L", (size[0] * _FINE, size[1] * _FINE), 0)
        pen = ImageDraw.Draw(canvas)
        pen.polygon(_pixels(outer, canvas.size), fill=255)
        pen.polygon(_pixels(inner, canvas.size), fill=0)
        return canvas.reduce(_FINE)


def filled(points: Points, size: tuple[int, int]) -> Image.Image:
    """Fill a polygon given in the unit square: mode L of a size."""
    canvas = Image.new("L", (size[0] * _FINE, size[1] * _FINE), 0)
    ImageDraw.Draw(canvas).polygon(_pixels(points, canvas.size), fill=255)
    return canvas.reduce(_FINE)


def regular(corners: int, turn: float = 0.0) -> Points:
    """Return a regular polygon stretched to the unit square; the first corner at the top."""
    angles = 2 * math.pi * (np.arange(corners) + turn) / corners - math.pi / 2
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _unit(points)


def star_edge(teeth: int, depth: float, smooth: bool) -> Points:
    """Return a circle with a scalloped (smooth) or toothed edge."""
    count = teeth * (12 if smooth else 2)
    angles = 2 * math.pi * np.arange(count) / count
    if smooth:
        radii = 1 - depth + depth * np.abs(np.cos(angles * teeth / 2))
    else:
        radii = np.where(np.arange(count) % 2 == 0, 1.0, 1 - depth)
    return _unit(np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1))


def rounded_rectangle(radius_x: float, radius_y: float) -> Points:
    """Return the unit square with elliptical corners."""
    quarter = np.linspace(0, math.pi / 2, 12)
    corners = []
    centres = ((1, 1, 0), (0, 1, 1), (0, 0, 2), (1, 0, 3))
    for right, low, quadrant in centres:
        centre = np.array([1 - radius_x if right else radius_x, 1 - radius_y if low else radius_y])
        angles = quarter + quadrant * math.pi / 2
        arc = np.stack([np.cos(angles) * radius_x, np.sin(angles) * radius_y], axis=1)
        corners.append(centre + arc)
    return np.concatenate(corners)


def _unit(points: Points) -> Points:
    low, high = points.min(axis=0), points.max(axis=0)
    stretched: Points = (points - low) / (high - low)
    return stretched


def _shrunk(points: Points, size: tuple[int, int], margin: float) -> Points:
    extent = np.array(size, float)
    scale = np.clip((extent - 2 * margin) / extent, 0.02, 1.0)
    # About the centroid, so that a triangle's line is as thick on every side.
    centre = _centroid(points)
    smaller: Points = centre + (points - centre) * scale
    return smaller


def _centroid(points: Points) -> Points:
    x, y = points[:, 0], points[:, 1]
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    area = cross.sum() / 2
    if abs(area) < 1e-9:
        mean: Points = points.mean(axis=0)
        return mean
    centre = [((v + np.roll(v, -1)) * cross).sum() / (6 * area) for v in (x, y)]
    return np.array(centre)


def _pixels(points: Points, size: tuple[int, int]) -> list[tuple[float, float]]:
    scaled = points * (np.array(size) - 1)
    return [(float(x), float(y)) for x, y in scaled]


def _mirrored(half: list[tuple[float, float]]) -> Points:
    """Complete the right half of a symmetric outline, given from top to bottom."""
    right = np.array(half)
    left = right[::-1] * [-1, 1] + [1, 0]
    return np.concatenate([right, left])


def _curve(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Quadratic Bezier curve through three control points."""
    start, control, stop = (np.array(point) for point in points)
    steps = np.linspace(0, 1, 20)[:, None]
    line = (1 - steps) ** 2 * start + 2 * steps * (1 - steps) * control + steps**2 * stop
    return [(float(x), float(y)) for x, y in line]


def _code(text: str) -> frozenset[ViennaCode]:
    code = ViennaCode.parse(text)
    return frozenset({code, ViennaCode(code.category, code.division)})


_CIRCLE: Final = regular(_STEPS)
_SQUARE: Final = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
_TRIANGLE: Final = np.array([(0.5, 0.0), (1.0, 1.0), (0.0, 1.0)])
_HEATER: Final = _mirrored(
    [(1.0, 0.0), (1.0, 0.45), *_curve([(1.0, 0.45), (0.95, 0.85), (0.5, 1.0)])]
)
_SWISS: Final = _mirrored(
    [
        *_curve([(0.5, 0.0), (0.7, 0.12), (1.0, 0.08)]),
        (1.0, 0.5),
        *_curve([(1.0, 0.5), (1.0, 0.82), (0.5, 1.0)]),
    ]
)
_SPANISH: Final = _mirrored([(1.0, 0.0), (1.0, 0.6), *_curve([(1.0, 0.6), (1.0, 1.0), (0.5, 1.0)])])
_PILL_INNER: Final = (0.12, 0.14, 0.88, 0.86)
_LONG: Final = (2.6, 4.2)

SHAPES: Final[tuple[Shape, ...]] = (
    Shape("circle", _code("26.01"), _CIRCLE, (0.18, 0.18, 0.82, 0.82)),
    Shape("ellipse", _code("26.01.02"), _CIRCLE, (0.17, 0.17, 0.83, 0.83), (1.35, 2.1)),
    Shape("tall ellipse", _code("26.01.02"), _CIRCLE, (0.17, 0.17, 0.83, 0.83), (0.62, 0.75)),
    Shape("square", _code("26.04.01"), _SQUARE, (0.12, 0.12, 0.88, 0.88)),
    Shape("rectangle", _code("26.04.02"), _SQUARE, (0.08, 0.12, 0.92, 0.88), (1.3, 2.6)),
    Shape("tall rectangle", _code("26.04.02"), _SQUARE, (0.12, 0.08, 0.88, 0.92), (0.55, 0.8)),
    Shape(
        "rounded square", _code("26.04.98"), rounded_rectangle(0.2, 0.2), (0.14, 0.14, 0.86, 0.86)
    ),
    Shape(
        "rounded rectangle",
        _code("26.04.98"),
        rounded_rectangle(0.1, 0.2),
        (0.08, 0.12, 0.92, 0.88),
        (1.6, 2.4),
    ),
    Shape("rhomb", _code("26.04.03"), regular(4), (0.26, 0.26, 0.74, 0.74), (1.0, 1.5)),
    Shape(
        "parallelogram",
        _code("26.04.04"),
        np.array([(0.2, 0.0), (1.0, 0.0), (0.8, 1.0), (0.0, 1.0)]),
        (0.2, 0.12, 0.8, 0.88),
        (1.4, 2.6),
    ),
    Shape("triangle", _code("26.03"), _TRIANGLE, (0.3, 0.44, 0.7, 0.92), (1.0, 1.2)),
    Shape("triangle down", _code("26.03.05"), 1 - _TRIANGLE, (0.3, 0.08, 0.7, 0.56), (1.0, 1.2)),
    Shape("pentagon", _code("26.05"), regular(5), (0.22, 0.26, 0.78, 0.84)),
    Shape("hexagon", _code("26.05"), regular(6), (0.16, 0.22, 0.84, 0.78), (0.87, 0.87)),
    Shape("flat hexagon", _code("26.05"), regular(6, 0.5), (0.24, 0.14, 0.76, 0.86), (1.15, 1.15)),
    Shape("octagon", _code("26.05"), regular(8, 0.5), (0.16, 0.16, 0.84, 0.84)),
    Shape("shield", _code("24.01"), _HEATER, (0.17, 0.12, 0.83, 0.7), (0.8, 0.9)),
    Shape("swiss shield", _code("24.01"), _SWISS, (0.17, 0.18, 0.83, 0.74), (0.78, 0.9)),
    Shape("spanish shield", _code("24.01"), _SPANISH, (0.15, 0.12, 0.85, 0.78), (0.78, 0.9)),
    Shape("scalloped seal", _code("24.03.07"), star_edge(22, 0.07, True), (0.22, 0.22, 0.78, 0.78)),
    Shape("toothed seal", _code("24.03.07"), star_edge(28, 0.09, False), (0.24, 0.24, 0.76, 0.76)),
    Shape("pill", _code("25.03.03"), rounded_rectangle(0.16, 0.5), _PILL_INNER, _LONG),
    Shape(
        "long hexagon",
        _code("25.03.09"),
        np.array([(0.12, 0.0), (0.88, 0.0), (1.0, 0.5), (0.88, 1.0), (0.12, 1.0), (0.0, 0.5)]),
        _PILL_INNER,
        _LONG,
    ),
    Shape(
        "banderole",
        _code("25.01.06"),
        np.array([(0.0, 0.0), (1.0, 0.0), (0.93, 0.5), (1.0, 1.0), (0.0, 1.0), (0.07, 0.5)]),
        (0.13, 0.16, 0.87, 0.84),
        (3.0, 4.5),
    ),
)

SHAPES_OF: Final[dict[ViennaCode, tuple[Shape, ...]]] = {
    division: tuple(shape for shape in SHAPES if shape.division == division)
    for division in sorted({shape.division for shape in SHAPES})
}
