"""What a network says of a training step's pictures, from as far down as something learns.

From pooled features where the heads alone learn, from cached maps of the lower layers where conv5
does too, and from the pictures themselves where everything does; in parts of one picture size.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from models.network.marknet import Lower, MarkNet, Upper
from models.network.preprocess import Preprocess
from models.training.lower_maps import Job, LowerMaps

Rows = NDArray[np.int64]


class Source(Protocol):
    """Pictures, by row number."""

    def look(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """Have a network look at pictures.

        Args:
            network: what looks.
            rows: (m,) pictures.

        Yields:
            Places in ``rows`` and what the network says of them; every place once.
        """


class PooledSource:
    """All convolutions frozen: their pooled features, so that only the heads compute.

    Args:
        features: (n, 4 · channels) float16, `pool` of conv4 and of conv5.
        colour: (n, 48) float16.
    """

    def __init__(self, features: NDArray[np.float16], colour: NDArray[np.float16]) -> None:
        self._features = features
        self._colour = colour

    def look(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """See :class:`Source`; no place votes."""
        features, colour = (
            torch.from_numpy(part[rows].astype(np.float32))
            for part in (self._features, self._colour)
        )
        yield np.arange(len(rows)), network.heads(features, colour, None)


class CachedSource:
    """Lower layers frozen, their maps read from a cache."""

    def __init__(self, maps: LowerMaps, device: str = "cpu") -> None:
        self._maps = maps
        self._device = device

    def look(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """See :class:`Source`."""
        for places in self._maps.groups(rows).values():
            lower = self._maps.lower(rows[places])
            there = Lower(*(part.to(self._device, non_blocking=True) for part in lower))
            with mixed_precision(self._device):
                yield places, network.look_high(there)


class PictureSource:
    """Every layer looks, so that every layer can learn; pictures are drawn in threads.

    Args:
        jobs: picture of each row.
        preprocess: as the checkpoint will record it.
        device: where the network is.
        threads: that draw.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        preprocess: Preprocess,
        device: str = "cpu",
        threads: int = 8,
    ) -> None:
        self._jobs = jobs
        self._preprocess = preprocess
        self._device = device
        self._pool = ThreadPoolExecutor(threads)

    def look(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """See :class:`Source`."""
        drawn = self._pool.map(lambda row: self._preprocess(self._jobs[row].draw()), rows.tolist())
        pixels = torch.from_numpy(np.stack(list(drawn))).to(self._device)
        with mixed_precision(self._device):
            yield np.arange(len(rows)), network.look_high(network.look_low(pixels))


def mixed_precision(device: str) -> torch.autocast:
    """bfloat16 where the hardware computes in it; elsewhere it would be slower than float32."""
    able = device == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device, dtype=torch.bfloat16, enabled=able)
