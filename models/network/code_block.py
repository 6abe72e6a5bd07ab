"""The block "codes" of an embedding: what is depicted, rare codes counting more than common ones.

Probabilities of codes times their rarity, as words of a text are weighed (Sparck Jones, "A
statistical interpretation of term specificity and its application in retrieval", 1972), make
vectors whose cosine says how far two marks show the same. They are as long as there are codes; a
projection onto the directions in which real predictions lie keeps their cosines in fewer numbers
(latent semantic indexing: Deerwester et al., 1990, without centring).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

CODES: Final = "codes"  # the block's name, and the tensor's
SHARE: Final = 0.2  # of the score, by default
WIDTH: Final = 64  # numbers at most


@dataclass(frozen=True, slots=True, eq=False)
class CodeBlock:
    """Turns probabilities into the block.

    Attributes:
        projection: (labels, width) float16: the rarities, projected.
    """

    projection: NDArray[np.float16]

    @classmethod
    def fit(
        cls,
        probabilities: NDArray[np.float32],
        rarity: NDArray[np.float64],
        width: int = WIDTH,
    ) -> "CodeBlock":
        """Find the projection that keeps cosines of predictions best.

        Args:
            probabilities: (n, labels) of typical pictures.
            rarity: (labels,) how much each code counts; 0 leaves it out.
            width: numbers of the block; where as many codes count, or fewer, it keeps all.
        """
        counting = np.flatnonzero(rarity)
        weighed = _unit(probabilities[:, counting] * rarity[counting])
        directions = np.linalg.svd(weighed, full_matrices=True)[2][:width]
        projection = np.zeros((len(rarity), len(directions)), np.float16)
        projection[counting] = rarity[counting, None] * directions.T
        return cls(projection)

    @classmethod
    def from_bytes(cls, content: bytes) -> "CodeBlock":
        """Read what :meth:`to_bytes` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls(load(content)[CODES].astype(np.float16))
        except (KeyError, SafetensorError) as error:
            raise ValueError(f"no projection of codes ({error!r})") from error

    def to_bytes(self) -> bytes:
        """The content of a ``.safetensors`` file."""
        return save({CODES: self.projection})

    @property
    def width(self) -> int:
        """Numbers of the block."""
        return int(self.projection.shape[1])

    def of(self, probabilities: NDArray[np.float32]) -> NDArray[np.float16]:
        """The block of some pictures.

        Args:
            probabilities: (n, labels), calibrated.

        Returns:
            (n, width), unit length.
        """
        return _unit(probabilities @ self.projection.astype(np.float32)).astype(np.float16)


def _unit(rows: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-6), np.float32)
