"""Picture → the pixels a network sees: cut out the sign, pad to a square, resize.

The result is RGB in 0..255 as unsigned bytes. Scaling, channel order and mean subtraction are
*inside* the network (``marknet.Normalise``), where they belong to the weights: nobody can
feed [0,1]-scaled pixels to weights that were trained on 0..255, the fault of the question MarkLens
grew from.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.network.parts import Cutouts, Parts, on_square
from models.network.sign import Bounds, find_sign

Shares = tuple[float, float, float, float]  # left, top, right, bottom of a picture's sides

SIGN_RULE = 2  # of `models.network.sign`; 1 was the box of every pixel that differs from the paper


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """One picture as the network sees it, and where that lies in the picture it was made of.

    Attributes:
        pixels: (size, size, 3) uint8, RGB, 0..255.
        square: what the pixels show, in shares of the picture's width and height; it reaches over
            the edges where paper was added.
        sign: the sign's box within the picture, in the same shares.
        parts: what stands apart in it, cut out; none where nobody asked for them.
    """

    pixels: NDArray[np.uint8]
    square: Shares = (0.0, 0.0, 1.0, 1.0)
    sign: Shares = (0.0, 0.0, 1.0, 1.0)
    parts: Cutouts = field(default_factory=Cutouts.none)

    def in_picture(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Find boxes of the square in the picture that it was made of.

        Args:
            boxes: (k, 4), left, top, right and bottom in pixels of the square.

        Returns:
            (k, 4) float32 in shares of the picture's width and height; they reach over its edges
            where the boxes show paper that was added.
        """
        left, top, right, bottom = self.square
        corner = np.tile(np.array([left, top]), 2)
        side = np.tile(np.array([right - left, bottom - top]), 2)
        placed: NDArray[np.float32] = (corner + boxes / len(self.pixels) * side).astype(np.float32)
        return placed

    def in_sign(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same, cut at the edges of the sign's box."""
        first, last = np.tile(self.sign[:2], 2), np.tile(self.sign[2:], 2)
        return self.in_picture(boxes).clip(first, last).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a picture becomes network input; saved with the weights, part of their fingerprint.

    Attributes:
        size: side of the square input, pixels.
        margin: empty border kept around the trimmed sign, as a share of its longer side.
        tolerance: largest difference (0..255, any channel) from the border's colour that still
            counts as empty.
        sign_rule: version of the rule that tells the sign from the page. There is one rule; its
            number keeps embeddings that were made under another apart.
    """

    size: int = 192  # the middle of the sizes trained on; 224 found fewer things, and costs more
    margin: float = 0.05
    tolerance: int = 24
    sign_rule: int = SIGN_RULE

    def __post_init__(self) -> None:
        """Refuse a rule that this version does not have.

        Raises:
            ValueError: the rule is another one.
        """
        if self.sign_rule != SIGN_RULE:
            raise ValueError(
                f"the sign is found by rule {self.sign_rule}; this MarkLens has rule {SIGN_RULE}"
            )

    def to_dict(self) -> dict[str, float]:
        """Plain values for the checkpoint's ``config.json``."""
        return asdict(self)

    def prepare(self, image: Image.Image, parts: Parts | None = None) -> Prepared:
        """Cut out the sign, pad with the background colour and resize one picture.

        Args:
            image: mode RGB, any size.
            parts: how parts are cut out of it, as sharply as it is; none are by default.
        """
        box, background = find_sign(image, self.tolerance)
        canvas, around = on_square(image.crop(box), background, self.margin)
        # BOX first for large pictures would be quicker, but aliases thin lines; LANCZOS keeps them.
        resized = canvas.resize((self.size, self.size), Image.Resampling.LANCZOS)
        pixels = np.asarray(resized, dtype=np.uint8)
        left, top = box[:2]
        square = (left + around[0], top + around[1], left + around[2], top + around[3])
        cut = parts.cut(canvas, pixels) if parts else Cutouts.none()
        return Prepared(pixels, _shares(square, image), _shares(box, image), cut)

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """The pixels alone of :meth:`prepare`."""
        return self.prepare(image).pixels

    def batch(self, images: Sequence[Image.Image]) -> NDArray[np.uint8]:
        """Stack the preprocessed pictures.

        Returns:
            (n, size, size, 3) uint8, RGB.
        """
        if not images:
            return np.zeros((0, self.size, self.size, 3), np.uint8)
        return np.stack([self(image) for image in images])


def _shares(box: Bounds, image: Image.Image) -> Shares:
    """A box in pixels as shares of a picture's width and height."""
    left, top, right, bottom = box
    width, height = image.size
    return (left / width, top / height, right / width, bottom / height)
