"""Where a training step's pictures come from: the cache of lower maps, or the pictures themselves.

Both give what the upper layers need, in parts of one picture size.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from models.network import Lower, MarkNet
from models.preprocess import Preprocess
from models.training.lower_maps import Job, LowerMaps

Rows = NDArray[np.int64]


class Source(Protocol):
    """Pictures, by row number."""

    def parts(self, rows: Rows) -> Iterator[tuple[Rows, Lower]]:
        """Look at pictures.

        Args:
            rows: (m,) pictures.

        Yields:
            Places in ``rows`` and what the lower layers see of them; every place once.
        """


class CachedSource:
    """Lower layers frozen, their maps read from a cache."""

    def __init__(self, maps: LowerMaps, device: str = "cpu") -> None:
        self._maps = maps
        self._device = device

    def parts(self, rows: Rows) -> Iterator[tuple[Rows, Lower]]:
        """See :class:`Source`."""
        for places in self._maps.groups(rows).values():
            lower = self._maps.lower(rows[places])
            yield places, Lower(*(part.to(self._device, non_blocking=True) for part in lower))


class PictureSource:
    """Every layer looks, so that every layer can learn; pictures are drawn in threads.

    Args:
        jobs: picture of each row.
        network: whose lower layers look; those that take part in training get gradients.
        preprocess: as the checkpoint will record it.
        device: where the network is.
        threads: that draw.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        network: MarkNet,
        preprocess: Preprocess,
        device: str = "cpu",
        threads: int = 8,
    ) -> None:
        self._jobs = jobs
        self._network = network
        self._preprocess = preprocess
        self._device = device
        self._pool = ThreadPoolExecutor(threads)

    def parts(self, rows: Rows) -> Iterator[tuple[Rows, Lower]]:
        """See :class:`Source`."""
        drawn = self._pool.map(lambda row: self._preprocess(self._jobs[row].draw()), rows.tolist())
        pixels = torch.from_numpy(np.stack(list(drawn))).to(self._device)
        yield np.arange(len(rows)), self._network.look_low(pixels)
