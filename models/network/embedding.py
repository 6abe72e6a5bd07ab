"""What a network gives for one picture: vectors of the whole sign and of its parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The vectors of one picture, and where in the picture each of them was seen.

    Attributes:
        vectors: (v, d) float16, unit-length blocks side by side: the whole sign, then its parts,
            the largest first.
        boxes: (v, 4) float32, left, top, right and bottom of each as shares (0..1) of the upright
            picture's width and height.
        places: the coded places of the whole sign; empty where the network gives none.

    Raises:
        ValueError: a shape or type is another one.
    """

    vectors: NDArray[np.float16]
    boxes: NDArray[np.float32]
    places: bytes = b""

    def __post_init__(self) -> None:
        """Check shapes and types."""
        vectors, boxes = self.vectors, self.boxes
        if vectors.ndim != 2 or not len(vectors) or vectors.dtype != np.float16:
            raise ValueError(f"vectors are {vectors.shape} {vectors.dtype}, not (v, d) float16")
        if boxes.shape != (len(vectors), 4) or boxes.dtype != np.float32:
            raise ValueError(
                f"boxes are {boxes.shape} {boxes.dtype}, not ({len(vectors)}, 4) float32"
            )

    @classmethod
    def without_boxes(cls, vectors: NDArray[np.float16]) -> "Embedding":
        """Vectors (v, d) or (d,) that nobody knows the places of: each box is all the picture."""
        vectors = np.atleast_2d(vectors)
        return cls(vectors, np.tile(np.array([0, 0, 1, 1], np.float32), (len(vectors), 1)))

    @property
    def whole(self) -> NDArray[np.float16]:
        """The vector of the whole sign, (d,)."""
        whole: NDArray[np.float16] = self.vectors[0]
        return whole
