"""The elements that a mark is built of: each has a shape and codes, and can be printed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image

from models.synthesis.paint import Box, Inks, lay_ink
from models.vienna import ViennaCode

LEAST_DEVICE = 34  # longer side in pixels, of a picture some 300 wide
LEAST_LINE = 8  # height in pixels of writing

Codes = frozenset[ViennaCode]
Members = tuple[tuple[str, str], ...]


class IllegibleError(Exception):
    """An element came out too small to be seen: its codes would be wrong, so arrange anew."""


class Element(Protocol):
    """Something that can be printed into a box."""

    @property
    def aspect(self) -> float:
        """Width divided by height."""

    @property
    def codes(self) -> Codes:
        """Divisions and sections of what it shows, colours excepted."""

    @property
    def members(self) -> Members:
        """(set, name) of every drawing in it."""

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print it, as large as fits, in the middle of the box."""


@dataclass(frozen=True)
class Stencil:
    """A shape printed in one ink.

    Attributes:
        mask: mode L, trimmed, 255 full ink.
        codes: what it shows.
        members: drawings it comes from.
        accent: printed in the second ink.
    """

    mask: Image.Image
    codes: Codes = frozenset()
    members: Members = ()
    accent: bool = False

    @property
    def aspect(self) -> float:
        """Width divided by height."""
        return self.mask.width / self.mask.height

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print it, as large as fits, in the middle of the box."""
        place = fit(box, self.aspect)
        size = (place[2] - place[0], place[3] - place[1])
        _refuse_specks(size, bool(self.members))
        lay_ink(
            canvas, place, shrunk(self.mask, size), inks, inks.second if self.accent else inks.main
        )


@dataclass(frozen=True)
class Picture:
    """A drawing in its own colours (grey if the mark has none).

    Attributes:
        image: RGBA, trimmed.
    """

    image: Image.Image
    codes: Codes = frozenset()
    members: Members = ()

    @property
    def aspect(self) -> float:
        """Width divided by height."""
        return self.image.width / self.image.height

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print it, as large as fits, in the middle of the box."""
        place = fit(box, self.aspect)
        size = (place[2] - place[0], place[3] - place[1])
        _refuse_specks(size, device=True)
        image = self.image.resize(size, Image.Resampling.LANCZOS)
        pixels = image.convert("RGB")
        if not inks.keep_colours:
            pixels = pixels.convert("L").convert("RGB")
        canvas.paste(pixels, (place[0], place[1]), image.getchannel("A"))


@dataclass(frozen=True)
class Surround:
    """What encloses or lies behind an element: a frame or a ground, with codes of its own.

    Attributes:
        content: what is inside or on it; None for an empty one.
        aspect: width / height.
    """

    content: Element | None
    aspect: float

    @property
    def own_codes(self) -> Codes:
        """Codes of the frame or ground without its content."""
        raise NotImplementedError

    @property
    def codes(self) -> Codes:
        """Its own codes and the content's."""
        return self.own_codes | (self.content.codes if self.content else frozenset())

    @property
    def members(self) -> Members:
        """Drawings inside or on it."""
        return self.content.members if self.content else ()

    def draw_content(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the content, if there is any."""
        if self.content is not None:
            self.content.draw(canvas, box, inks)


@dataclass(frozen=True)
class Row:
    """Elements beside each other or on top of each other.

    Attributes:
        parts: from left to right, or from top to bottom.
        shares: part of the length each takes across: heights in a row, widths in a column, the
            largest 1.
        gap: space between two parts, as a share of the extent across.
        upright: stacked instead of side by side.
    """

    parts: tuple[Element, ...]
    shares: tuple[float, ...]
    gap: float = 0.1
    upright: bool = False

    @property
    def lengths(self) -> tuple[float, ...]:
        """Length of each part along the row when the extent across is 1."""
        pairs = zip(self.parts, self.shares, strict=True)
        if self.upright:
            return tuple(share / part.aspect for part, share in pairs)
        return tuple(share * part.aspect for part, share in pairs)

    @property
    def aspect(self) -> float:
        """Width divided by height."""
        along = sum(self.lengths) + self.gap * (len(self.parts) - 1)
        across = max(self.shares)
        return across / along if self.upright else along / across

    @property
    def codes(self) -> Codes:
        """Codes of all parts."""
        return frozenset().union(*(part.codes for part in self.parts))

    @property
    def members(self) -> Members:
        """Drawings of all parts."""
        return tuple(member for part in self.parts for member in part.members)

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print each part into its place."""
        for part, place in zip(self.parts, self.places(box), strict=True):
            part.draw(canvas, place, inks)

    def places(self, box: Box) -> list[Box]:
        """Return the box of each part when the row is fitted into a box."""
        left, top, right, bottom = fit(box, self.aspect)
        scale = (right - left if self.upright else bottom - top) / max(self.shares)
        middle = (left + right) / 2 if self.upright else (top + bottom) / 2
        position = float(top if self.upright else left)
        places = []
        for share, length in zip(self.shares, self.lengths, strict=True):
            half = share * scale / 2
            start, stop = position, position + length * scale
            spread = (middle - half, start, middle + half, stop)
            edges = spread if self.upright else (start, middle - half, stop, middle + half)
            places.append(rounded(edges))
            position = stop + self.gap * scale
        return places


def side_by_side(parts: Sequence[Element], shares: Sequence[float], gap: float) -> Row:
    """Put parts in a row."""
    return Row(tuple(parts), tuple(shares), gap)


def stacked(parts: Sequence[Element], shares: Sequence[float], gap: float) -> Row:
    """Put parts on top of each other, the first one highest."""
    return Row(tuple(parts), tuple(shares), gap, upright=True)


def _refuse_specks(size: tuple[int, int], device: bool) -> None:
    """Refuse a device that would be a dot, or writing and lines too low to be read."""
    if (max(size) < LEAST_DEVICE) if device else (size[1] < LEAST_LINE):
        raise IllegibleError


def fit(box: Box, aspect: float) -> Box:
    """Return the largest box of an aspect in the middle of another."""
    left, top, right, bottom = box
    width, height = max(1, right - left), max(1, bottom - top)
    if width / height > aspect:
        inner = (height * aspect, float(height))
    else:
        inner = (float(width), width / aspect)
    x, y = (left + right) / 2, (top + bottom) / 2
    return rounded((x - inner[0] / 2, y - inner[1] / 2, x + inner[0] / 2, y + inner[1] / 2))


def inset(box: Box, shares: tuple[float, float, float, float]) -> Box:
    """Return the part of a box between shares (left, top, right, bottom) of its extent."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    return rounded(
        (
            left + shares[0] * width,
            top + shares[1] * height,
            left + shares[2] * width,
            top + shares[3] * height,
        )
    )


def rounded(edges: tuple[float, float, float, float]) -> Box:
    """Round to whole pixels, at least one pixel in each direction."""
    left, top, right, bottom = (round(edge) for edge in edges)
    return (left, top, max(left + 1, right), max(top + 1, bottom))


def shrunk(mask: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resize a stencil without losing thin strokes to aliasing."""
    return mask.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def trimmed(mask: Image.Image) -> Image.Image:
    """Cut the empty border off a stencil; an empty one becomes a single pixel."""
    return mask.crop(mask.getbbox() or (0, 0, 1, 1))


def bent(mask: Image.Image, shifts: np.ndarray) -> Image.Image:
    """Move each column of a stencil down.

    Args:
        mask: mode L.
        shifts: (width,) pixels, >= 0.
    """
    pixels = np.asarray(mask)
    height, width = pixels.shape
    moves = shifts.round().astype(np.intp)
    result = np.zeros((height + int(moves.max()), width), np.uint8)
    rows = np.arange(height)[:, None] + moves[None, :]
    result[rows, np.arange(width)[None, :]] = pixels
    return trimmed(Image.fromarray(result))
