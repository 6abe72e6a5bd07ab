"""Picture → the pixels a network sees: cut out the sign, pad to a square, resize.

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

from models.network.sign import find_sign

SIGN_RULE = 2  # of `models.network.sign`; 1 was the box of every pixel that differs from the paper


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

    def __call__(self, image: Image.Image) -> NDArray[np.uint8]:
        """Cut out the sign, pad with the background colour and resize one picture.

        Args:
            image: mode RGB, any size.

        Returns:
            (size, size, 3) uint8, RGB, 0..255.
        """
        box, background = find_sign(image, self.tolerance)
        sign = image.crop(box)
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
