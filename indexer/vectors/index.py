"""What the searcher asks of an index, whatever device holds the vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Nearest:
    """Rows of one index, the highest inner product first.

    Attributes:
        rows: (m,) int64, each once.
        scores: (m,) float32, inner products with the query, good to float32 rounding.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]


class VectorIndex(Protocol):
    """An immutable index over (n, d) float16 vectors; safe for concurrent searches.

    Immutable because FAISS crashes when a row is added during a search: new rows make new indexes.
    """

    @property
    def name(self) -> str:
        """What is used, for the plan that every answer carries."""

    @property
    def is_exact(self) -> bool:
        """Whether a scan compares every allowed row, not only those in the nearest lists."""

    def __len__(self) -> int:
        """Count the rows."""

    def scan(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
    ) -> Nearest:
        """Compare the query with the allowed rows; with every one of them if `is_exact`.

        Args:
            query: (d,) float32.
            k: how many rows, at most the number of allowed ones.
            allowed: (n,) bool; None allows all.
        """

    def gather(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Nearest:
        """Compare the query with the named rows only; for few rows faster than a scan.

        Args:
            query: (d,) float32.
            k: how many rows, at most ``len(rows)``.
            rows: (m,) int64, each once.
        """

    def vectors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """The stored vectors of some rows, or of all: (m, d) float16, read-only."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Everything as named arrays, for a snapshot; `IndexBuilder.restore` takes them."""


class IndexBuilder(Protocol):
    """Makes indexes of the kind and on the device that were chosen at start."""

    def __call__(self, vectors: NDArray[np.float16]) -> VectorIndex:
        """Make an index of (n, d) float16 vectors, whose memory the index may keep."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VectorIndex:
        """Make an index of the arrays that one gave, perhaps one of another kind.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
