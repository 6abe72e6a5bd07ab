"""Exact search on a CUDA device, with torch.

Why not FAISS there: its GPU indexes silently ignore a selector, and `knn_gpu` wants query and
vectors of one type, while a weighted query does not fit into float16 without loss.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors.index import Nearest

_CHUNK = 1 << 18  # rows converted to float32 at once: 0.5 GiB at 512 dimensions


class TorchIndex:
    """Float16 vectors on one torch device, compared in float32.

    Runs on any torch device, so that the tests hold it against FAISS where there is no CUDA.
    """

    is_exact, exact_share = True, 1.0

    def __init__(self, vectors: NDArray[np.float16], device: str) -> None:
        """Copy `vectors`, (n, d) float16, to the device."""
        self.name = f"torch fp16 exact, {device}"
        self._vectors = torch.tensor(vectors, device=device)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._vectors)

    def scan(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None,
        least: float = -np.inf,
        made_of: NDArray[np.float16] | None = None,
    ) -> Nearest:
        """Compare the query with every allowed row; see `VectorIndex.scan`."""
        scores = self._scores(self._vectors, query)
        if allowed is not None:
            forbidden = torch.from_numpy(~allowed.mask()).to(scores.device)
            scores.masked_fill_(forbidden, -torch.inf)
        return _best(scores, k)

    def gather(
        self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64], least: float = -np.inf
    ) -> Nearest:
        """Compare the query with the named rows; see `VectorIndex.gather`."""
        where = torch.from_numpy(rows).to(self._vectors.device)
        found = _best(self._scores(self._vectors[where], query), k)
        return Nearest(rows[found.rows], found.scores)

    def vectors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """The stored vectors, copied from the device; see `VectorIndex.vectors`."""
        chosen = self._vectors
        if rows is not None:
            chosen = chosen[torch.from_numpy(rows).to(chosen.device)]
        vectors: NDArray[np.float16] = chosen.cpu().numpy()
        vectors = vectors.view()
        vectors.flags.writeable = False
        return vectors

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The vectors alone; see `VectorIndex.arrays`."""
        return {"vectors": self.vectors()}

    def _scores(self, vectors: torch.Tensor, query: NDArray[np.float32]) -> torch.Tensor:
        wanted = torch.from_numpy(query).to(vectors.device)
        scores = torch.empty(len(vectors), dtype=torch.float32, device=vectors.device)
        for start in range(0, len(vectors), _CHUNK):
            part = slice(start, start + _CHUNK)
            torch.mv(vectors[part].float(), wanted, out=scores[part])
        return scores


def _best(scores: torch.Tensor, k: int) -> Nearest:
    best, rows = torch.topk(scores, min(k, len(scores)))
    found = best > -torch.inf
    return Nearest(rows[found].cpu().numpy(), best[found].cpu().numpy())
