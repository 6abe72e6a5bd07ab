"""The vectors of parts beside a segment's rows: a row is a mark, and may have none or several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors import IndexBuilder, Kept, NoVectors, VectorIndex
from indexer.index.vectors.snapshot import Arrays

_PREFIX = "parts_"  # of the arrays' names in a snapshot


@dataclass(frozen=True, eq=False)
class PartVectors:
    """The vectors of the parts of n marks; immutable.

    Attributes:
        vectors: an index of m vectors, those of a mark side by side, its largest part first.
        owners: (m,) int64, the segment's row that each belongs to, ascending.
        rows: n, how many rows the segment has.
    """

    vectors: VectorIndex
    owners: NDArray[np.int64]
    rows: int

    def __post_init__(self) -> None:
        """Check that they fit together."""
        if self.owners.shape != (len(self.vectors),):
            raise ValueError(f"{len(self.vectors)} parts have {len(self.owners)} owners")
        if len(self.owners) and not 0 <= self.owners[0] <= self.owners[-1] < self.rows:
            raise ValueError(f"parts of rows beyond the {self.rows} that there are")

    @classmethod
    def none(cls, rows: int) -> "PartVectors":
        """No part of any row."""
        return cls(NoVectors(0), np.zeros(0, np.int64), rows)

    @classmethod
    def merged(
        cls,
        kept: "Sequence[tuple[PartVectors, NDArray[np.int64]]]",
        build: Callable[[Sequence[Kept]], VectorIndex],
    ) -> "PartVectors":
        """The parts of the kept rows of several segments, whose rows stand one after the other.

        Args:
            kept: parts, and the rows to keep, ascending.
            build: makes an index of the kept rows of several.
        """
        chosen, owners, first = [], [], 0
        for parts, rows in kept:
            places = parts.of_rows(rows)
            if len(places):
                chosen.append((parts.vectors, places))
                owners.append(first + np.searchsorted(rows, parts.owners[places]))
            first += len(rows)
        if not chosen:
            return cls.none(first)
        return cls(build(chosen), np.concatenate(owners), first)

    def arrays(self) -> Arrays:
        """Everything as named arrays, for a snapshot."""
        held = {"owners": self.owners, **self.vectors.arrays()}
        return {f"{_PREFIX}{name}": array for name, array in held.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, rows: int, build: IndexBuilder) -> "PartVectors":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        held = {
            name.removeprefix(_PREFIX): array
            for name, array in arrays.items()
            if name.startswith(_PREFIX)
        }
        vectors: VectorIndex | None
        vectors = NoVectors.restored(held)
        if vectors is None:
            vectors = build.restore(held)
        return cls(vectors, held["owners"], rows)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first part of each row, and the end of all: (n + 1,)."""
        return np.searchsorted(self.owners, np.arange(self.rows + 1))

    def of_rows(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The parts of some rows (r,), ascending as those are."""
        starts = self._starts[rows]
        counts = self._starts[rows + 1] - starts
        ends = np.cumsum(counts)
        return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)

    def of_set(self, rows: RowSet) -> RowSet:
        """The parts of a set of rows, as numbers or bits, whatever the set holds."""
        if rows.is_sparse:
            return RowSet(len(self.owners), self.of_rows(rows.rows()), None)
        return RowSet.of_mask(rows.mask()[self.owners])

    def places(self, parts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which vector of its mark each of some parts is: 1 for the largest part."""
        return parts - self._starts[self.owners[parts]] + 1
