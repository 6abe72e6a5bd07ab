"""Finds the sign on a scanned page: dust, page numbers, frames and the scanner's edge are no sign.

A box around every pixel that differs from the paper is as large as the page where one speck lies in
a corner. So what is printed is grouped by nearness (connected components of the dilated ink), and
what is small and far from the largest group is left out; lines along the edges of the page and thin
frames around it are left out as well. A picture in which this would change little, such as any mark
that fills its picture, stays as it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

WHITE = 255
Colour = tuple[int, int, int]
Bounds = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom exclusive

_EDGE = 0.04  # deepest line along an edge of the page, of the page's shorter side
_LINES = 3  # such lines within each other at most
_LINE = 0.9  # share of a row or column that has one colour where it is such a line
_FRAME_WIDTH, _FRAME_SPAN = 0.012, 0.7  # thickness and least extent of a page's frame, of the page
_HOLLOW = 0.05  # most of its ink that such a frame has away from its edges: specks, a page number
_NEAR = 0.02  # distance at which two pieces are one group, of the page's longer side
_LARGE, _INKED = 0.3, 0.1  # extent and ink, of the largest group's, from which a group is sign
_BESIDE = 0.6  # distance from the sign within which a small group belongs to it, of its extent
_REACH = 6.0  # the same, of the side of a square of its ink
_MARGIN, _TEXT_HEIGHT = 0.1, 0.035  # top and bottom margin, and a line of text there, of the page
_PAGE = 0.9  # the sign's extent, of all that is printed, above which nothing is left out


def find_sign(image: Image.Image, tolerance: int) -> tuple[Bounds, Colour]:
    """Find where the sign is, and on which colour it is printed.

    Args:
        image: mode RGB, any size.
        tolerance: largest difference (0..255, any channel) from the paper that counts as empty.

    Returns:
        The box of the sign in pixels, and the paper's colour. A blank picture is all sign.
    """
    pixels = np.asarray(image)
    whole = (0, 0, image.width, image.height)
    paper = border_colour(image)
    ink = ink_of(pixels, paper, tolerance)
    everything = box_of(ink) or whole
    left, top, right, bottom = inner = _within_edge_lines(pixels, tolerance)
    page_paper = paper
    if inner != whole:
        page_paper = border_colour(image.crop(inner))
        ink = ink_of(pixels[top:bottom, left:right], page_paper, tolerance)
    on_page = _sign_on_page(ink)
    if on_page is None or _extent(on_page) > _PAGE * _extent(everything):
        return everything, paper
    sign = (left + on_page[0], top + on_page[1], left + on_page[2], top + on_page[3])
    return sign, page_paper


def border_colour(image: Image.Image) -> Colour:
    """Return the background: the median colour of the outermost pixels, per channel.

    A border that varies (a photograph, a picture cut tight) counts as white, the paper marks are
    printed on.
    """
    pixels = np.asarray(image, dtype=np.uint8)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(border, axis=0)
    near = (np.abs(border.astype(np.int16) - median) <= WHITE // 8).all(axis=1)
    if near.mean() < 0.6:
        return (WHITE, WHITE, WHITE)
    red, green, blue = (int(value) for value in median)
    return (red, green, blue)


def ink_of(pixels: NDArray[np.uint8], paper: Colour, tolerance: int) -> NDArray[np.bool_]:
    """Whether each pixel of (h, w, 3) differs from the paper: (h, w).

    Args:
        pixels: uint8 RGB.
        paper: its colour.
        tolerance: largest difference, 0 to 255 in any channel, of what is still paper.
    """
    ink = np.zeros(pixels.shape[:2], np.bool_)
    for channel, value in enumerate(paper):
        plane = pixels[:, :, channel]
        ink |= (plane < value - tolerance) | (plane > value + tolerance)
    return ink


def box_of(ink: NDArray[np.bool_]) -> Bounds | None:
    """The box of all that is printed in a mask (h, w); None on blank paper."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(rows):
        return None
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _extent(box: Bounds) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _within_edge_lines(pixels: NDArray[np.uint8], tolerance: int) -> Bounds:
    """What lies within the lines along the edges: a scanner's dark edge, the outline of a sheet."""
    left, top, bottom, right = 0, 0, pixels.shape[0], pixels.shape[1]
    for _ in range(_LINES):
        inner = pixels[top:bottom, left:right]
        deepest = max(2, round(_EDGE * min(inner.shape[:2])))
        turned = inner.transpose(1, 0, 2)
        sides = (turned, inner, turned[::-1], inner[::-1])
        depths = [_line_depth(side[:deepest], tolerance) for side in sides]
        if not any(depths):
            break
        left, top = left + depths[0], top + depths[1]
        right, bottom = right - depths[2], bottom - depths[3]
    return (left, top, right, bottom)


def _line_depth(lines: NDArray[np.uint8], tolerance: int) -> int:
    """How many of the outermost lines (depth, length, 3) are of another colour than the next."""
    colour = np.median(lines[0], axis=0)
    alike = (np.abs(lines.astype(np.int16) - colour).max(axis=2) <= tolerance).mean(axis=1)
    if alike[0] < _LINE or alike[-1] > 1 - _LINE:
        return 0
    depth = int((alike < _LINE).argmax())  # the first line that is not of that colour
    inner = lines[-1].astype(np.int16)
    plain = (np.abs(inner - np.median(inner, axis=0)).max(axis=1) <= tolerance).mean()
    return depth if plain >= _LINE else 0


def _sign_on_page(ink: NDArray[np.bool_]) -> Bounds | None:
    """The box of what is sign; None where nothing is."""
    cell = max(1, round(_NEAR * max(ink.shape) / 2))
    groups = [group for group in _groups(ink, cell) if not _is_frame(group, ink.shape, cell)]
    cells = _sign_of(groups, cell)
    if cells is None:
        return None
    left, top, right, bottom = (edge * cell for edge in cells)
    box = box_of(ink[top:bottom, left:right])
    return box and (left + box[0], top + box[1], left + box[2], top + box[3])


@dataclass(frozen=True, slots=True)
class _Group:
    """Pieces that stand near each other.

    Attributes:
        box: in cells.
        printed: pixels.
        is_hollow: whether it is printed along the edges of its box only.
        in_margin: whether it is a line of text in the page's top or bottom margin.
    """

    box: Bounds
    printed: int
    is_hollow: bool
    in_margin: bool


def _groups(ink: NDArray[np.bool_], cell: int) -> Iterator[_Group]:
    """Group what is printed by a grid of square cells; cells that touch are one group."""
    height, width = ink.shape
    padded = np.pad(ink, ((0, -height % cell), (0, -width % cell)))
    blocks = padded.reshape(padded.shape[0] // cell, cell, padded.shape[1] // cell, cell)
    printed = blocks.sum(axis=(1, 3))
    groups, _ = ndimage.label(printed, np.ones((3, 3)))
    for number, (rows, columns) in enumerate(ndimage.find_objects(groups), 1):
        inside = printed[rows, columns] * (groups[rows, columns] == number)
        yield _Group(
            (columns.start, rows.start, columns.stop, rows.stop),
            int(inside.sum()),
            min(inside.shape) > 8 and inside[4:-4, 4:-4].sum() <= _HOLLOW * inside.sum(),
            _is_in_margin(rows.start * cell, rows.stop * cell, height),
        )


def _is_in_margin(top: int, bottom: int, height: int) -> bool:
    """Whether rows from top to bottom hold a page number, a running head or the like."""
    at_edge = bottom <= _MARGIN * height or top >= (1 - _MARGIN) * height
    return at_edge and bottom - top <= _TEXT_HEIGHT * height


def _is_frame(group: _Group, shape: tuple[int, ...], cell: int) -> bool:
    """Whether a group is a thin frame around the page, rather than around a sign."""
    left, top, right, bottom = group.box
    wide, high = (right - left) * cell, (bottom - top) * cell
    spans = high >= _FRAME_SPAN * shape[0] and wide >= _FRAME_SPAN * shape[1]
    thickness = group.printed / (2 * (wide + high))
    return group.is_hollow and spans and thickness <= _FRAME_WIDTH * max(shape)


def _sign_of(groups: list[_Group], cell: int) -> Bounds | None:
    """The box of the groups that are sign: the largest, what is nearly as large, what is near."""
    if not groups:
        return None
    largest, *others = sorted(groups, key=lambda group: -group.printed * _extent(group.box))
    sign, extent = largest.box, _extent(largest.box)
    small = []
    for group in others:
        is_large = (
            _extent(group.box) >= _LARGE * extent or group.printed >= _INKED * largest.printed
        )
        if is_large and not group.in_margin:
            sign = _joined(sign, group.box)
        else:
            small.append(group)
    for group in sorted(small, key=lambda group: _distance(sign, group.box)):
        # The less is printed, the nearer it must stand: a tittle or an accent, but no speck.
        reach = min(_BESIDE * _extent(sign), _REACH * group.printed**0.5 / cell)
        if _distance(sign, group.box) <= reach:
            sign = _joined(sign, group.box)
    return sign


def _joined(one: Bounds, other: Bounds) -> Bounds:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def _distance(one: Bounds, other: Bounds) -> int:
    """Pixels between two boxes along the axis on which they are further apart; 0 if they meet."""
    across = max(one[0] - other[2], other[0] - one[2], 0)
    down = max(one[1] - other[3], other[1] - one[3], 0)
    return max(across, down)
