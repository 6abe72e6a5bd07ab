"""Finds what stands apart in a mark and may be a device: beside, above, below or inside its words.

What is printed is taken to pieces (connected components). Pieces of like height in a row are
lettering, and left aside. What is left is joined by nearness, tightly and loosely, since a device
may consist of pieces; then what encloses something (a seal's ring, a label's ground) is looked
into.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

from models.network.sign import Colour, border_colour, ink_of

Mask = NDArray[np.bool_]

INK = 40  # difference (0..255, any channel) from the paper that counts as printed
_SPECK = 12  # pixels; smaller blots are dust
_MOST_PIECES = 80  # of a region, the largest, so that a lace pattern takes no longer
_LETTERS = 3  # fewest that make a row
_ALIKE = 1.7  # of two neighbours in a row: height of the taller, at most, to the lower's
_LEVEL = 0.55  # how far they overlap in height, of the lower's
_WIDEST_LETTER = 2.5  # width to height
_STRETCHED = 1.8  # least width to height of a row: three stripes are no word
_TALL, _LARGE = 1.6, 1.5  # height and area, to a row's medians, of what is no letter of it ...
_FEW = 0.35  # ... unless more of the row is so
_SQUARE = (0.5, 2.0)  # width to height of a device that stands in a row
_ALONE = 2.0  # its gap to the row, to the median gap between letters
_JOINED = (0.03, 0.12)  # gap over which pieces are joined, of the larger's longer side
_LEAST_GAP = 2  # pixels
_LONGEST = 3.0  # longer side to shorter; a longer part is writing
_SMALLEST, _THINNEST = 0.1, 0.05  # longer and shorter side of a part, of the whole sign's longer
_WHOLE = 0.8  # share of the sign's area from which a part is the sign itself
_SAME = 0.7  # intersection over union from which two parts are one
_ENCLOSING = 0.85  # of a region's width and height: what may enclose the rest
_LOOKED_INTO = 12  # regions looked into at most, so that a lace pattern ends


class Box(NamedTuple):
    """Pixels, ``right`` and ``bottom`` exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """In pixels."""
        return self.width * self.height

    def overlap(self, other: "Box") -> float:
        """Intersection over union."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(wide, 0) * max(high, 0)
        return shared / (self.area + other.area - shared)


@dataclass(frozen=True, eq=False)
class Device:
    """What stands apart in a picture.

    Attributes:
        box: where it is.
        paper: the colour on which it is printed.
        ink: (h, w) bool, which pixels of the box are printed and belong to it.
    """

    box: Box
    paper: Colour
    ink: Mask

    def within(self, box: Box) -> "Device":
        """A smaller box, in this one's pixels, shrunk to what is printed there."""
        ink = self.ink[box.top : box.bottom, box.left : box.right]
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        left, top = int(columns[0]), int(rows[0])
        right, bottom = int(columns[-1]) + 1, int(rows[-1]) + 1
        x, y = self.box.left + box.left, self.box.top + box.top
        shrunk = Box(x + left, y + top, x + right, y + bottom)
        return Device(shrunk, self.paper, ink[top:bottom, left:right])


def find_devices(pixels: NDArray[np.uint8]) -> list[Device]:
    """Find what stands apart in a mark and may be a device, the largest first.

    Args:
        pixels: (h, w, 3) uint8 RGB.
    """
    paper = border_colour(Image.fromarray(pixels))
    ink = _without_specks(ink_of(pixels, paper, INK))
    if not ink.any():
        return []
    everything = Box(0, 0, ink.shape[1], ink.shape[0])
    sign = Device(everything, paper, ink).within(everything)
    longest = max(sign.box.width, sign.box.height)
    found: dict[Box, Device] = {}
    waiting = [sign]
    for _ in range(_LOOKED_INTO):
        if not waiting:
            break
        for group in _standing_apart(waiting.pop(0)):
            if group.box in found or max(group.box.width, group.box.height) < _SMALLEST * longest:
                continue
            found[group.box] = group
            content = _content(group, pixels)
            if content is not None:
                waiting.append(content)
    kept: list[Device] = []
    for group in sorted(found.values(), key=lambda group: -group.box.area):
        if _may_be_device(group.box, sign.box, longest) and all(
            group.box.overlap(other.box) < _SAME for other in kept
        ):
            kept.append(group)
    return kept


def _without_specks(ink: Mask) -> Mask:
    blots, _ = ndimage.label(ink, np.ones((3, 3)))
    sizes = np.bincount(blots.ravel())
    sizes[0] = 0
    kept: Mask = (sizes >= _SPECK)[blots]
    return kept


def _standing_apart(region: Device) -> Iterator[Device]:
    """Groups of near pieces that are no letters."""
    blots, _ = ndimage.label(region.ink, np.ones((3, 3)))
    spans = [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(blots)]
    boxes = np.array(spans, np.int64).reshape(-1, 4)
    extents = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64)
    numbers = np.argsort(-extents.prod(axis=1), kind="stable")[:_MOST_PIECES]
    numbers = numbers[~_are_letters(boxes[numbers])]
    boxes, longer = boxes[numbers], extents[numbers].max(axis=1)
    gaps = _gaps(boxes).max(axis=2)
    for share in _JOINED:
        near = gaps <= np.maximum(_LEAST_GAP, share * np.maximum(longer[:, None], longer))
        count, group = connected_components(near, directed=False)
        for one in range(count):
            own = np.flatnonzero(group == one)
            left, top = boxes[own, :2].min(axis=0).tolist()
            right, bottom = boxes[own, 2:].max(axis=0).tolist()
            ink = np.isin(blots[top:bottom, left:right], numbers[own] + 1)
            x, y = region.box.left, region.box.top
            yield Device(Box(x + left, y + top, x + right, y + bottom), region.paper, ink)


def _gaps(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pixels between each two of (n, 4) boxes, across and down: (n, n, 2); 0 where they meet."""
    apart = boxes[:, None, :2] - boxes[None, :, 2:]
    gaps: NDArray[np.int64] = np.maximum(np.maximum(apart, apart.transpose(1, 0, 2)), 0)
    return gaps


def _are_letters(boxes: NDArray[np.int64]) -> Mask:
    """Which of (n, 4) boxes stand in a row with others of like height."""
    letters = np.zeros(len(boxes), np.bool_)
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    lower, taller = np.minimum(height[:, None], height), np.maximum(height[:, None], height)
    shared = np.minimum(boxes[:, None, 3], boxes[:, 3]) - np.maximum(boxes[:, None, 1], boxes[:, 1])
    narrow = width <= _WIDEST_LETTER * height
    beside = (taller <= _ALIKE * lower) & (shared >= _LEVEL * lower) & narrow & narrow[:, None]
    beside &= _gaps(boxes)[..., 0] <= taller
    count, row_of = connected_components(beside, directed=False)
    for one in range(count):
        row = np.flatnonzero(row_of == one)
        row = row[np.argsort(boxes[row, 0], kind="stable")]
        extent = boxes[row, 2:].max(axis=0) - boxes[row, :2].min(axis=0)
        if len(row) >= _LETTERS and extent[0] >= _STRETCHED * extent[1]:
            letters[row] = ~_stand_out(boxes[row])
    return letters


def _stand_out(row: NDArray[np.int64]) -> Mask:
    """Which of (n, 4) boxes, a row from left to right, are devices among letters."""
    width, height = (row[:, 2:] - row[:, :2]).T
    square = (width >= _SQUARE[0] * height) & (width <= _SQUARE[1] * height)
    area = width * height
    out: Mask = square & (height >= _TALL * np.median(height)) & (area >= _LARGE * np.median(area))
    if out.sum() > _FEW * len(row):
        out[:] = False
    gaps = np.maximum(row[1:, 0] - row[:-1, 2], 0)
    if len(gaps) >= _LETTERS:
        for end, gap, others in ((0, gaps[0], gaps[1:]), (-1, gaps[-1], gaps[:-1])):
            out[end] |= square[end] and gap > _ALONE * max(_LEAST_GAP, float(np.median(others)))
    return out


def _content(region: Device, pixels: NDArray[np.uint8]) -> Device | None:
    """What the largest piece of a region encloses: inside a ring, or printed on a ground."""
    height, width = region.ink.shape
    blots, _ = ndimage.label(region.ink, np.ones((3, 3)))
    spans = ndimage.find_objects(blots)
    extents = [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in spans]
    largest = max(range(len(spans)), key=lambda at: extents[at][0] * extents[at][1])
    if extents[largest][0] < _ENCLOSING * height or extents[largest][1] < _ENCLOSING * width:
        return None
    piece = blots == largest + 1
    filled = ndimage.binary_fill_holes(piece)
    within = ndimage.binary_erosion(filled, iterations=2)
    if piece.sum() < 0.5 * filled.sum():  # a ring: its own line is none of what it holds
        within &= ~ndimage.binary_dilation(piece)
    if filled.sum() < 0.45 * height * width or within.sum() < 0.2 * height * width:
        return None
    box = region.box
    there = pixels[box.top : box.bottom, box.left : box.right]
    ground = _ground(there[within])
    if ground is None:
        return None
    ink = ink_of(there, ground, INK) & within
    if ink.sum() < 0.01 * height * width:
        return None
    return Device(box, ground, ink).within(Box(0, 0, width, height))


def _ground(colours: NDArray[np.uint8]) -> Colour | None:
    """The commonest of (n, 3) colours, if it covers a third: a ground, not a picture."""
    steps = (colours // 32).astype(np.int64)
    names = steps[:, 0] * 64 + steps[:, 1] * 8 + steps[:, 2]
    commonest = np.bincount(names).argmax()
    if (names == commonest).mean() < 0.35:
        return None
    red, green, blue = np.median(colours[names == commonest], axis=0).astype(int).tolist()
    return (red, green, blue)


def _may_be_device(box: Box, sign: Box, longest: int) -> bool:
    longer, shorter = max(box.width, box.height), min(box.width, box.height)
    if longer < _SMALLEST * longest or shorter < _THINNEST * longest:
        return False
    if longer > _LONGEST * shorter:
        return False
    return not (longer > 0.9 * longest and box.area > _WHOLE * sign.area)
