"""What executes the network: torch (reference, GPU) or OpenVINO (int8 on the CPU)."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """The one seam between an encoder and what computes for it."""

    name: str
    device: str

    def run(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Compute embeddings and logits; safe to call from several threads.

        Args:
            pixels: (n, h, w, 3) uint8 RGB, from ``Preprocess``.

        Returns:
            embedding (n, d) and logits (n, labels), float32.
        """
        ...
