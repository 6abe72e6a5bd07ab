"""Runs a network on a step's pictures, from the lowest layer that learns.

From cached maps of the lower layers where conv5 or the heads alone learn, from cached pixels where
everything does; in parts of one picture size.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from models.network.marknet import Lower, MarkNet, Upper
from models.training.lower_maps import LowerMaps

Rows = NDArray[np.int64]

_AT_ONCE = 64  # pictures


class FeatureSource(Protocol):
    """Pictures, by row number."""

    def forward(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """Have a network look at pictures.

        Args:
            network: what looks.
            rows: (m,) pictures.

        Yields:
            Places in ``rows`` and what the network says of them; every place once.
        """


class LowerMapSource:
    """Lower layers frozen, their maps read from a cache."""

    def __init__(self, maps: LowerMaps, device: str = "cpu") -> None:
        self._maps = maps
        self._device = device

    def forward(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """See :class:`FeatureSource`."""
        for places in self._maps.groups(rows).values():
            lower = self._maps.lower(rows[places])
            there = Lower(*(part.to(self._device, non_blocking=True) for part in lower))
            with mixed_precision(self._device):
                yield places, network.forward_upper(there)


class Conv5Source:
    """All convolutions frozen: conv5's maps are computed when first asked for, and kept.

    So only the heads compute in later steps, a twentieth of conv5's work.

    Args:
        maps: the cache.
        folder: where conv5's maps are kept while this source is used.
    """

    def __init__(self, maps: LowerMaps, folder: Path) -> None:
        self._maps = maps
        self._folder = folder
        self._at = np.full(len(maps), -1)  # place of each row in its size's file, -1 not yet there
        self._files: dict[int, NDArray[np.float16]] = {}
        self._used: dict[int, int] = {}

    def forward(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """See :class:`FeatureSource`."""
        for side, places in self._maps.groups(rows).items():
            there = rows[places]
            self._keep(network, np.unique(there[self._at[there] < 0]), side)
            conv5 = torch.from_numpy(self._files[side][self._at[there]].astype(np.float32))
            yield places, network.forward_heads(conv5, self._maps.pooled_lower(there))

    @torch.no_grad()
    def _keep(self, network: MarkNet, rows: Rows, side: int) -> None:
        if side not in self._files:
            shape = (len(self._maps), network.backbone.channels, side, side)  # a sparse file
            path = self._folder / f"conv5-{side}.f16"
            self._files[side] = np.memmap(path, np.float16, "w+", shape=shape)
            self._used[side] = 0
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            with mixed_precision("cpu"):
                conv5 = network.backbone.high(self._maps.lower(part).maps)
            at = self._used[side] + np.arange(len(part))
            self._files[side][at] = conv5.float().numpy().astype(np.float16)
            self._at[part], self._used[side] = at, self._used[side] + len(part)


class PixelSource:
    """Every layer computes, so that every layer can learn; pixels are read from a cache.

    Args:
        maps: the cache, filled with `KeptPixels`.
        device: where the network is.
    """

    def __init__(self, maps: LowerMaps, device: str = "cpu") -> None:
        self._maps = maps
        self._device = device

    def forward(self, network: MarkNet, rows: Rows) -> Iterator[tuple[Rows, Upper]]:
        """See :class:`FeatureSource`."""
        for places in self._maps.groups(rows).values():
            planes = self._maps.levels(rows[places]).to(self._device, non_blocking=True)
            colour = self._maps.pooled_lower(rows[places]).colour.to(self._device)
            with mixed_precision(self._device):
                lower = network.forward_lower(planes.permute(0, 2, 3, 1))
                # The cache has the colours in full precision.
                yield places, network.forward_upper(lower._replace(colour=colour))


def mixed_precision(device: str) -> torch.autocast:
    """bfloat16 where the hardware computes in it; elsewhere it would be slower than float32."""
    able = device == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device, dtype=torch.bfloat16, enabled=able)
