"""What executes the network: torch (reference, GPU) or OpenVINO (int8 on the CPU).

Each runtime is one file that turns arrays into arrays and knows nothing of labels or pictures.
``models.encoder`` and ``models.explanation`` use them through the protocol below; importing one
imports its library, so `models.encoder` does that only for the runtime it has chosen.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Output(NamedTuple):
    """What the network says of n pictures, all float32."""

    embedding: NDArray[np.float32]  # (n, d)
    logits: NDArray[np.float32]  # (n, labels)
    maps: NDArray[np.float32]  # (n, channels, h/16, w/16), behind pool4; (n, 0, 0, 0) if unasked


class Activations(NamedTuple):
    """What the network's last layers hold for n pictures, all float32."""

    conv5: NDArray[np.float32]  # (n, channels, h/16, w/16), behind the last ReLU
    hidden: NDArray[np.float32]  # (n, trunk), the trunk behind its ReLU
    logits: NDArray[np.float32]  # (n, labels)


class Runtime(Protocol):
    """The one seam between an encoder and what computes for it."""

    name: str
    device: str

    def run(self, pixels: NDArray[np.uint8], with_maps: bool = False) -> Output:
        """Compute embeddings and logits; safe to call from several threads.

        Args:
            pixels: (n, h, w, 3) uint8 RGB, from ``Preprocess``.
            with_maps: also give what conv5 looks at, of which places are made.
        """
        ...

    def activations(self, pixels: NDArray[np.uint8]) -> Activations:
        """Compute what explanations are made of; safe to call from several threads.

        Args:
            pixels: (n, h, w, 3) uint8 RGB, from ``Preprocess``.
        """
        ...
