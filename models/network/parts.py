"""Cuts devices out of a mark and enlarges them: a sharp picture of each, as if it stood alone.

A device that is a fifth as wide as the mark covers two or three places of conv5; cut out of the
picture as it came and enlarged, it is seen nearly as well as a device alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.network.devices import INK, Box, Device, find_devices
from models.network.sign import Bounds, Colour, box_of, ink_of
from models.vienna import ViennaCode

_LAST_THING = 24  # categories 1 to 24 are things shown; then grounds, figures, writing, colours
_BEYOND = 2  # pixels around a found box in which its edges are looked for
_SHARPEST = 2  # times a part's size: larger ones are reduced before anything is done with them
_TOLERANCE = 24  # difference (0..255, any channel) from the paper that is no ink, as of signs


@dataclass(frozen=True, slots=True, eq=False)
class Cutouts:
    """The parts of one picture, cut out and enlarged.

    Attributes:
        pixels: (parts, size, size, 3) uint8 RGB; none where the sign is of one piece.
        boxes: (parts, 4) float32, left, top, right and bottom in pixels of the square that shows
            the whole sign.
        frames: (parts, 4) float32, the squares that the cut-outs show, which are larger.
    """

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    frames: NDArray[np.float32]

    @classmethod
    def none(cls, size: int = 1) -> "Cutouts":
        """No parts, which would be of a size."""
        nowhere = np.zeros((0, 4), np.float32)
        return cls(np.zeros((0, size, size, 3), np.uint8), nowhere, nowhere)


@dataclass(frozen=True, slots=True)
class Parts:
    """How parts are cut out; saved with the weights, whose calibration counts on it.

    Attributes:
        most: parts of one picture, the largest first.
        size: side in pixels to which a part is scaled; a multiple of 16.
        margin: paper kept around it, as a share of its longer side.
    """

    most: int = 3
    size: int = 160
    margin: float = 0.05

    def to_dict(self) -> dict[str, float]:
        """Plain values for the checkpoint's ``config.json``."""
        return asdict(self)

    def cut(self, picture: Image.Image, pixels: NDArray[np.uint8]) -> Cutouts:
        """Cut out the parts of one picture.

        Args:
            picture: mode RGB, a square that shows the sign as sharply as it came.
            pixels: (s, s, 3) uint8 RGB, the same as the network sees it.
        """
        found = find_devices(pixels)[: self.most]
        if not found:
            return Cutouts.none(self.size)
        cut = [self._enlarged(picture, pixels, device) for device in found]
        enlarged, boxes, frames = zip(*cut, strict=True)
        return Cutouts(np.stack(enlarged), np.array(boxes, "f4"), np.array(frames, "f4"))

    def _enlarged(
        self, picture: Image.Image, pixels: NDArray[np.uint8], device: Device
    ) -> tuple[NDArray[np.uint8], list[float], list[float]]:
        """One device on its own paper: (size, size, 3) uint8 RGB, its box and frame."""
        side, to = len(pixels), picture.width / len(pixels)
        left, top = (max(0, edge - _BEYOND) for edge in device.box[:2])
        right, bottom = (min(side, edge + _BEYOND) for edge in device.box[2:])
        scale = min(to, _SHARPEST * self.size / max(right - left, bottom - top))
        wide, high = (max(1, round(edge * scale)) for edge in (right - left, bottom - top))
        there = (left * to, top * to, right * to, bottom * to)
        sharp = picture.resize((wide, high), Image.Resampling.LANCZOS, box=there, reducing_gap=2.0)
        other = _of_others(pixels, device, Box(left, top, right, bottom))
        sharp.paste(device.paper, mask=Image.fromarray(other).resize(sharp.size))
        box = box_of(ink_of(np.asarray(sharp), device.paper, _TOLERANCE)) or (0, 0, wide, high)
        alone, frame = on_square(sharp.crop(box), device.paper, self.margin)
        enlarged = alone.resize((self.size, self.size), Image.Resampling.LANCZOS)
        corner = np.array([left, top, left, top])
        pixel = np.tile([(right - left) / wide, (bottom - top) / high], 2)  # of the square
        placed = corner + np.array(box) * pixel
        shown = corner + (np.tile(box[:2], 2) + np.array(frame)) * pixel
        return np.asarray(enlarged, np.uint8), placed.tolist(), shown.tolist()


def _of_others(pixels: NDArray[np.uint8], device: Device, around: Box) -> NDArray[np.uint8]:
    """A mask (mode L) of what is printed around a device, but none of it: letters, a ring."""
    window = pixels[around.top : around.bottom, around.left : around.right]
    own = np.zeros(window.shape[:2], np.bool_)
    x, y = device.box.left - around.left, device.box.top - around.top
    own[y : y + device.box.height, x : x + device.box.width] = device.ink
    own = ndimage.binary_dilation(own, np.ones((3, 3)))
    other = ink_of(window, device.paper, INK) & ~own
    other = ndimage.binary_dilation(other, np.ones((3, 3))) & ~own
    return np.where(other, 255, 0).astype(np.uint8)


def on_square(sign: Image.Image, paper: Colour, margin: float) -> tuple[Image.Image, Bounds]:
    """Pad what is trimmed to a square of paper.

    Args:
        sign: mode RGB.
        paper: its colour.
        margin: paper around it, as a share of its longer side.

    Returns:
        The square, and where it lies in pixels of the sign.
    """
    longer = max(sign.size)
    side = longer + 2 * max(1, round(longer * margin))
    left, top = (side - sign.width) // 2, (side - sign.height) // 2
    square = Image.new("RGB", (side, side), paper)
    square.paste(sign, (left, top))
    return square, (-left, -top, side - left, side - top)


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
