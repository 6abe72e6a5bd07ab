"""Exact search with FAISS on the CPU: float16 storage, float32 arithmetic."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors.index import Nearest
from indexer.index.vectors.scanning import Scan, Scanners, Sieve, blocks

_SKIPPED = 0.2  # share of allowed rows up to which skipping the others costs less than a whole scan


class FaissCpuIndex:
    """FAISS' scanner over float16, which embeddings are already: nothing is lost.

    Half the memory traffic of float32, and a scan is bound by memory.
    """

    name = "faiss IndexScalarQuantizer fp16, cpu"
    is_exact, exact_share = True, 1.0

    def __init__(self, vectors: NDArray[np.float16]) -> None:
        """Keep `vectors`, (n, d) float16; they must not change any more."""
        self._vectors = read_only(vectors)
        self._rows = np.arange(len(vectors))
        self._scanners = Scanners(vectors.shape[1])
        self._sifters = Scanners(vectors.shape[1], by_place=True)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._vectors)

    def scan(self, query: NDArray[np.float32], k: int, allowed: RowSet | None) -> Nearest:
        """Compare the query with every allowed row; see `VectorIndex.scan`."""
        if allowed is not None and len(allowed) > _SKIPPED * len(self):
            return self._scan_all(query, k, allowed)
        with Scan(self._scanners, query, k, allowed) as scan:
            scan.over(self._vectors, self._rows)
            return scan.nearest()

    def _scan_all(self, query: NDArray[np.float32], k: int, allowed: RowSet) -> Nearest:
        """Compare the query with allowed and forbidden rows: see `Sieve`."""
        best = Sieve(k, allowed)
        with Scan(self._sifters, query, k) as scan:
            for start, stop in blocks(len(self), allowed):
                best.over(scan.scanner, self._vectors[start:stop], start)
        return best.nearest()

    def gather(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Nearest:
        """Compare the query with the named rows; see `VectorIndex.gather`."""
        return self.compare(query, k, rows)

    def compare(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Nearest:
        """Compare the query with the whole vectors of the named rows; see `VectorIndex.gather`."""
        with Scan(self._scanners, query, k) as scan:
            scan.over_some(self._vectors, rows)
            return scan.nearest()

    def vectors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """The stored vectors; see `VectorIndex.vectors`."""
        return self._vectors if rows is None else self._vectors[rows]

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The vectors alone; see `VectorIndex.arrays`."""
        return {"vectors": self._vectors}


def read_only(vectors: NDArray[np.float16]) -> NDArray[np.float16]:
    """A contiguous view, or copy where needed, that cannot be written to."""
    kept = np.ascontiguousarray(vectors).view()
    kept.flags.writeable = False
    return kept
