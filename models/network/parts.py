"""What stands apart in a mark: a device beside, above or inside its words, cut out and enlarged.

A device that is a fifth as wide as the mark covers two or three places of conv5; cut out and
enlarged, it is seen as well as a device alone. Parts are found from the gaps between what is
printed (recursive X-Y cut: Nagy and Seth, "Hierarchical representation of optically scanned
documents", ICPR 1984), then within what encloses something (a seal's ring, a label's ground).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.network.sign import border_colour
from models.vienna import ViennaCode

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

_LAST_THING = 24  # categories 1 to 24 are things shown; then grounds, figures, writing, colours
_INK = 40  # difference (0..255, any channel) from the paper that counts as printed
_SPECK = 12  # pixels; smaller blots are dust
_DEPTH = 4  # cuts, one within the other
_GAP = 0.035  # least width of a gap that is cut, of the region's longer side
_LEAST_GAP = 3  # pixels
_LONGEST = 3.0  # longer side to shorter; a longer part is writing
_SQUARE = (0.5, 2.0)  # width to height of a device that hardly a gap parts from its word
_OUTSTANDING = 1.3  # its area, to the median of what stands in its row, if more than three do
_TALL_IN_ROW, _TALL_IN_COLUMN = 0.7, 0.3  # its share of the region's extent across
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


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a picture.

    Attributes:
        box: where it is.
        paper: the colour on which it is printed.
    """

    box: Box
    paper: Colour


@dataclass(frozen=True, slots=True, eq=False)
class Cutouts:
    """The parts of one picture, cut out and enlarged.

    Attributes:
        pixels: (parts, size, size, 3) uint8 RGB; none where the sign is of one piece.
        boxes: (parts, 4) float32, left, top, right and bottom in pixels of the picture, with one to
            spare on each side: scaling has blurred the edges.
        frames: (parts, 4) float32, the squares that the cut-outs show, which are larger.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    frames: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Parts:
    """How parts are cut out; saved with the weights, whose calibration counts on it.

    Attributes:
        most: parts of one picture, the largest first.
        size: side in pixels to which a part is scaled; a multiple of 16.
        margin: paper kept around it, as a share of its longer side.
    """

    most: int = 3
    size: int = 128
    margin: float = 0.05

    def to_dict(self) -> dict[str, float]:
        """Plain values for the checkpoint's ``config.json``."""
        return asdict(self)

    def cut(self, pixels: NDArray[np.uint8]) -> Cutouts:
        """Cut out the parts of one picture.

        Args:
            pixels: (s, s, 3) uint8 RGB, from ``Preprocess``.
        """
        found = self.find(pixels)
        cut = np.zeros((len(found), self.size, self.size, 3), np.uint8)
        boxes, frames = np.zeros((2, len(found), 4), np.float32)
        for row, part in enumerate(found):
            cut[row] = self.enlarge(pixels, part)
            boxes[row], frames[row] = part.box, self.frame(part.box)
        return Cutouts(cut, boxes + np.array([-1, -1, 1, 1], np.float32), frames)

    def find(self, pixels: NDArray[np.uint8]) -> list[Part]:
        """The parts that :meth:`cut` cuts out."""
        return find_parts(pixels)[: self.most]

    def frame(self, box: Box) -> Box:
        """The square that a cut-out shows; it may reach over the picture's edges."""
        longer = max(box.width, box.height)
        side = longer + 2 * max(1, round(longer * self.margin))
        left, top = box.left - (side - box.width) // 2, box.top - (side - box.height) // 2
        return Box(left, top, left + side, top + side)

    def enlarge(self, pixels: NDArray[np.uint8], part: Part) -> NDArray[np.uint8]:
        """One part on its own paper: (size, size, 3) uint8 RGB."""
        frame = self.frame(part.box)
        canvas = Image.new("RGB", (frame.width, frame.height), part.paper)
        cut = Image.fromarray(pixels).crop(part.box)
        canvas.paste(cut, (part.box.left - frame.left, part.box.top - frame.top))
        scaled = canvas.resize((self.size, self.size), Image.Resampling.LANCZOS)
        return np.asarray(scaled, dtype=np.uint8)


def is_thing(code: ViennaCode) -> bool:
    """Whether a code is of a thing shown, rather than of grounds, figures, writing or colours."""
    return code.category <= _LAST_THING


def best_seen(
    whole: NDArray[np.float32],
    parts: NDArray[np.float32],
    owner: NDArray[np.int64],
    labels: Sequence[ViennaCode],
) -> NDArray[np.float32]:
    """Logits of pictures that have parts: a thing shown counts as where it is seen best.

    Grounds, figures, writing and colours (categories 25 to 29) are the whole picture's: a letter
    cut out is no monogram, and a piece of a ground no square.

    Args:
        whole: (n, labels) of pictures.
        parts: (m, labels) of their parts.
        owner: (m,) the picture of each part.
        labels: the code of each column.
    """
    shown = np.array([is_thing(code) for code in labels])
    best = whole.copy()
    np.maximum.at(best, owner, np.where(shown, parts, -np.inf).astype(np.float32))
    return best


@dataclass(frozen=True)
class _Region:
    """A piece of the picture: what is printed within a box, on one paper."""

    ink: Mask  # of the box
    box: Box
    paper: Colour

    def within(self, box: Box) -> "_Region":
        """A smaller box, in this region's pixels, shrunk to what is printed there."""
        ink = self.ink[box.top : box.bottom, box.left : box.right]
        rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
        left, top = int(columns[0]), int(rows[0])
        right, bottom = int(columns[-1]) + 1, int(rows[-1]) + 1
        x, y = self.box.left + box.left, self.box.top + box.top
        shrunk = Box(x + left, y + top, x + right, y + bottom)
        return _Region(ink[top:bottom, left:right], shrunk, self.paper)


def find_parts(pixels: NDArray[np.uint8]) -> list[Part]:
    """Find what stands apart in a mark and may be a device, the largest first.

    Args:
        pixels: (h, w, 3) uint8 RGB.
    """
    paper = border_colour(Image.fromarray(pixels))
    ink = _without_specks(_differs(pixels, paper))
    if not ink.any():
        return []
    height, width = ink.shape
    sign = _Region(ink, Box(0, 0, width, height), paper).within(Box(0, 0, width, height))
    longest = max(sign.box.width, sign.box.height)
    found: list[_Region] = []
    waiting = [sign]
    for _ in range(_LOOKED_INTO):
        if not waiting:
            break
        for region in _cut(waiting.pop(0), longest * _SMALLEST, _DEPTH):
            found += [region, *_outstanding(region)]
            content = _content(region, pixels)
            if content is not None:
                waiting.append(content)
    kept: list[Part] = []
    for region in sorted(found, key=lambda region: -region.box.area):
        if _may_be_device(region.box, sign.box, longest) and all(
            region.box.overlap(other.box) < _SAME for other in kept
        ):
            kept.append(Part(region.box, region.paper))
    return kept


def _differs(pixels: NDArray[np.uint8], paper: Colour) -> Mask:
    difference = np.abs(pixels.astype(np.int16) - np.asarray(paper, np.int16))
    printed: Mask = difference.max(axis=2) > _INK
    return printed


def _without_specks(ink: Mask) -> Mask:
    blots, _ = ndimage.label(ink, np.ones((3, 3)))
    sizes = np.bincount(blots.ravel())
    sizes[0] = 0
    kept: Mask = (sizes >= _SPECK)[blots]
    return kept


def _cut(region: _Region, least: float, depth: int) -> Iterator[_Region]:
    """Cut at the widest gap, then each half at its own."""
    height, width = region.ink.shape
    longer = max(height, width)
    if longer < least:
        return
    gap, axis, at = max(_widest_gap(region.ink, 0), _widest_gap(region.ink, 1))
    if depth == 0 or gap < max(_LEAST_GAP, _GAP * longer):
        yield region
        return
    if axis == 0:
        halves = Box(0, 0, at, height), Box(at, 0, width, height)
    else:
        halves = Box(0, 0, width, at), Box(0, at, width, height)
    for half in halves:
        yield from _cut(region.within(half), least, depth - 1)


def _widest_gap(ink: Mask, axis: int) -> tuple[int, int, int]:
    """Width of the widest empty stripe, the axis, and where its middle is."""
    printed = np.flatnonzero(ink.any(axis=axis))
    steps = np.diff(printed)
    if not len(steps):
        return (0, axis, 0)
    widest = int(steps.argmax())
    return (int(steps[widest]) - 1, axis, int(printed[widest] + steps[widest] // 2))


def _outstanding(region: _Region) -> Iterator[_Region]:
    """Devices in a row or column of writing, where gaps are as small as between letters."""
    height, width = region.ink.shape
    if width > 1.4 * height:
        boxes = [Box(*box) for box in _stripes(region.ink)]
        tall = _TALL_IN_ROW * height
        fits = [box.height >= tall for box in boxes]
    elif height > 0.8 * width:
        turned = [Box(*box) for box in _stripes(region.ink.T)]
        boxes = [Box(box.top, box.left, box.bottom, box.right) for box in turned]
        fits = [box.width >= _TALL_IN_COLUMN * width for box in boxes]
    else:
        return
    if len(boxes) < 2:
        return
    median = float(np.median([box.area for box in boxes]))
    chosen = [
        box
        for box, fit in zip(boxes, fits, strict=True)
        if fit
        and _SQUARE[0] <= box.width / box.height <= _SQUARE[1]
        and (len(boxes) <= 3 or box.area >= _OUTSTANDING * median)
    ]
    # Where most stand out, none does: a row of capitals.
    if len(boxes) <= 3 or len(chosen) <= 0.5 * len(boxes):
        yield from (region.within(box) for box in sorted(chosen, key=lambda b: -b.area)[:3])


def _stripes(ink: Mask) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) of what stands side by side, from left to right."""
    printed = np.concatenate([[0], ink.any(axis=0).astype(np.int8), [0]])
    edges = np.diff(printed)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        rows = np.flatnonzero(ink[:, start:stop].any(axis=1))
        yield start, int(rows[0]), stop, int(rows[-1]) + 1


def _content(region: _Region, pixels: NDArray[np.uint8]) -> _Region | None:
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
    ink = _differs(there, ground) & within
    if ink.sum() < 0.01 * height * width:
        return None
    return _Region(ink, box, ground).within(Box(0, 0, width, height))


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
