"""An index of vectors as search and merging see it, whatever device holds them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet

COPIED = 1 << 13  # rows copied at once: NumPy may keep Python's lock, for 2 ms then


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
    A row is one vector. Which mark it belongs to is known to the segment above, not here.
    """

    @property
    def name(self) -> str:
        """What is used, for the plan that every answer carries."""

    @property
    def is_exact(self) -> bool:
        """Whether a scan misses no allowed row, as one of some lists may."""

    @property
    def exact_share(self) -> float:
        """Share of the rows up to which a scan of the allowed ones misses none: 1 if `is_exact`."""

    def __len__(self) -> int:
        """Count the rows."""

    def scan(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None,
        least: float = -np.inf,
        made_of: NDArray[np.float16] | None = None,
    ) -> Nearest:
        """The nearest of the allowed rows; up to `exact_share` of all, none is missed.

        Args:
            query: (d,) float32.
            k: how many rows, at most the number of allowed ones.
            allowed: n rows; None allows all.
            least: rows that score less may be missing, which takes less time.
            made_of: (d,) float16, of which the query was made: a row like it is never missed.
        """

    def gather(
        self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64], least: float = -np.inf
    ) -> Nearest:
        """Compare the query with the named rows only; for few rows faster than a scan.

        Args:
            query: (d,) float32.
            k: how many rows, at most ``len(rows)``.
            rows: (m,) int64, each once.
            least: rows that score less may be missing.
        """

    def vectors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """The stored vectors of some rows, or of all: (m, d) float16, read-only."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Everything as named arrays, for a snapshot; `IndexBuilder.restore` takes them."""


class NoVectors:
    """Stands in for the index of marks that have no embedding: nothing is ever found in it."""

    name = "none"
    is_exact, exact_share = True, 1.0

    def __init__(self, count: int) -> None:
        self._count = count

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "NoVectors | None":
        """Take up what `arrays` gave; None if they are another index's."""
        return cls(int(arrays["no_vectors"][0])) if "no_vectors" in arrays else None

    def __len__(self) -> int:
        """Count the rows."""
        return self._count

    def scan(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None,
        least: float = -np.inf,
        made_of: NDArray[np.float16] | None = None,
    ) -> Nearest:
        """Find nothing."""
        return Nearest(np.zeros(0, np.int64), np.zeros(0, np.float32))

    def gather(
        self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64], least: float = -np.inf
    ) -> Nearest:
        """Find nothing."""
        return self.scan(query, k, None)

    def vectors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """A row of no numbers each."""
        return np.zeros((self._count if rows is None else len(rows), 0), np.float16)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Their number alone."""
        return {"no_vectors": np.array([self._count])}


Kept = tuple[VectorIndex, NDArray[np.int64]]  # an index, and which of its rows to keep, ascending


class IndexBuilder(Protocol):
    """Makes indexes of the kind and on the device that were chosen at start."""

    def __call__(self, vectors: NDArray[np.float16]) -> VectorIndex:
        """Make the kind of index that suits their number; training lists may take minutes.

        Args:
            vectors: (n, d) float16, whose memory the index may keep.
        """

    def quick(self, vectors: NDArray[np.float16]) -> VectorIndex:
        """Make an exact index of (n, d) float16 vectors at once, whatever their number."""

    def merged(self, parts: Sequence[Kept], proceed: Callable[[], None]) -> VectorIndex:
        """Make the kind of index that suits the kept rows of several; may take minutes.

        Args:
            parts: indexes and the rows to keep.
            proceed: called every fraction of a second; what it raises ends the work.
        """

    def beside(self, index: VectorIndex) -> "IndexBuilder":
        """What makes the index of the parts of marks whose wholes are in this one.

        It chooses lists only where the wholes have them: a search is exact altogether or not.
        """

    def is_settled(self, index: VectorIndex) -> bool:
        """Whether an index is of the kind that suits the number of its vectors."""

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> VectorIndex:
        """Make an index of the arrays that one gave, perhaps one of another kind, at once.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """


def kept_vectors(
    parts: Sequence[Kept], proceed: Callable[[], None] = lambda: None
) -> NDArray[np.float16]:
    """The kept rows' vectors in one array, copied a few at a time: see `IndexBuilder.merged`."""
    count = sum(len(rows) for _, rows in parts)
    dimension = parts[0][0].vectors(np.zeros(0, np.int64)).shape[1]
    vectors, filled = np.empty((count, dimension), np.float16), 0
    for index, rows in parts:
        for start in range(0, len(rows), COPIED):
            some = rows[start : start + COPIED]
            vectors[filled : filled + len(some)] = index.vectors(some)
            filled += len(some)
            proceed()
    return vectors
