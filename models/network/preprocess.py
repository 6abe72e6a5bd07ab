"""Picture → the pixels a network sees: trim the empty border, pad to a square, resize.

The result is RGB in 0..255 as unsigned bytes. Scaling, channel order and mean subtraction are
*inside* the network (``marknet.Normalise``), where they belong to the weights: nobody can
feed [0,1]-scaled pixels to weights that were trained on 0..255, the fault of the question MarkLens
grew from.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WHITE = 255


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture becomes network input; saved with the weights, part of their fingerprint.

    Attributes:
        size: side of the square input, pixels.
        margin: empty border kept around the trimmed sign, as a share of its longer side.
        tolerance: largest difference (0..255, any channel) from the border's colour that still
            counts as empty.
    """

    size: int = 192  # the middle of the sizes trained on; 224 found fewer things, and costs more
    margin: float = 0.05
    tolerance: int = 24

    def to_dict(self) -> dict[str, float]:
        """Plain values for the checkpoint's ``config.json``."""
        return asdict(self)

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Trim, pad with the background colour and resize one picture.

        Args:
            image: mode RGB, any size.

        Returns:
            (size, size, 3) uint8, RGB, 0..255.
        """
        background = border_colour(image)
        sign = trim(image, background, self.tolerance)
        side = max(sign.size)
        pad = max(1, round(side * self.margin))
        canvas = Image.new("RGB", (side + 2 * pad, side + 2 * pad), background)
        corner = ((canvas.width - sign.width) // 2, (canvas.height - sign.height) // 2)
        canvas.paste(sign, corner)
        # BOX first for large pictures would be quicker, but aliases thin lines; LANCZOS keeps them.
        resized = canvas.resize((self.size, self.size), Image.Resampling.LANCZOS)
        return np.asarray(resized, dtype=np.uint8)

    def batch(self, images: Sequence[Image.Image]) -> NDArray[np.uint8]:
        """Stack the preprocessed pictures.

        Returns:
            (n, size, size, 3) uint8, RGB.
        """
        if not images:
            return np.zeros((0, self.size, self.size, 3), np.uint8)
        return np.stack([self(image) for image in images])


def border_colour(image: Image.Image) -> tuple[int, int, int]:
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


def trim(image: Image.Image, background: tuple[int, int, int], tolerance: int) -> Image.Image:
    """Cut away the border that has the background's colour; a blank picture stays whole."""
    difference = np.abs(np.asarray(image, dtype=np.int16) - np.asarray(background, dtype=np.int16))
    ink = difference.max(axis=2) > tolerance
    rows, columns = np.flatnonzero(ink.max(axis=1)), np.flatnonzero(ink.max(axis=0))
    if not len(rows):
        return image
    return image.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
