"""Collects changes of the register until they become a segment of their own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch
from indexer.index.filters import FilterColumns
from indexer.index.part_vectors import PartVectors
from indexer.index.segments import Segment
from indexer.index.vectors import IndexBuilder, NoVectors, VectorIndex
from indexer.marks import Change

logger = logging.getLogger(__name__)

_STACKED = 1 << 9  # arrays made one at once: NumPy may keep Python's lock, for 2 ms then
_PARTS = 2  # parts of a mark for which room is taken


class SegmentDraft:
    """Collects changes in sequence order, as arrays; the last one of a mark counts.

    Changes are objects of some kilobytes each, which only the chunk that is being added takes.
    """

    def __init__(self, dimension: int, expected: int = 0) -> None:
        """Begin with no changes.

        Args:
            dimension: numbers of a vector.
            expected: changes that are to come; room for their vectors is taken once.
        """
        self._dimension = dimension
        self._numbers: list[NDArray[np.int64]] = []  # of all changes, chunk by chunk
        self._sequences: list[NDArray[np.int64]] = []
        self._found: list[_Chunk] = []
        self._wholes = _Vectors(dimension, expected)  # of `_found`, and their parts
        self._parts = _Vectors(dimension, _PARTS * expected)
        self._bare: list[_Chunk] = []

    def add(self, changes: Sequence[Change]) -> None:
        """Take up changes.

        Raises:
            FingerprintMismatch: a vector has another length than the index.
        """
        for change in changes:
            if change.embedding is not None and change.embedding.shape[1:] != (self._dimension,):
                raise FingerprintMismatch(
                    f"mark {change.id!r} has an embedding of shape {change.embedding.shape}, "
                    f"the index holds {self._dimension} numbers a vector: restart to load it anew"
                )
        if not changes:
            return
        everything = _Chunk.of(changes)
        self._numbers.append(everything.numbers)
        self._sequences.append(everything.sequences)
        live = np.array([not change.deleted for change in changes])
        given = np.flatnonzero([change.embedding is not None for change in changes])
        comparable = np.zeros(len(changes), np.bool_)
        comparable[given], owners = self._take([changes[at].embedding for at in given.tolist()])
        for at in given[~comparable[given]].tolist():
            name = changes[at].id
            logger.warning("mark %s has an embedding that is not finite: left out", name)
        self._found.append(everything.some(np.flatnonzero(comparable), owners))
        self._bare.append(everything.some(np.flatnonzero(live & ~comparable)))

    def _take(self, given: Sequence[Any]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Keep the vectors of a chunk's marks, each (v, d), those of a mark all or none.

        Returns:
            Which marks have only finite vectors and are kept, and whose of the kept each part is.
        """
        counts = np.array(list(map(len, given)), np.int64)
        finite = np.ones(len(given), np.bool_)
        for at in range(0, len(given), _STACKED):  # a few at once, so that no search waits
            here = slice(at, at + _STACKED)
            stacked: NDArray[np.float16] = np.concatenate(given[here])
            firsts = np.cumsum(counts[here]) - counts[here]
            np.logical_and.reduceat(np.isfinite(stacked).all(axis=1), firsts, out=finite[here])
            is_part = np.repeat(finite[here], counts[here])
            is_part[firsts] = False
            self._wholes.append(stacked[firsts[finite[here]]])
            self._parts.append(stacked[is_part])
        self._wholes.end()
        self._parts.end()
        kept = counts[finite]
        return finite, np.repeat(np.arange(len(kept)), kept - 1)

    @property
    def touched(self) -> NDArray[np.int64]:
        """Numbers of the marks whose older rows are out of date, each once."""
        return np.unique(_joined(self._numbers))

    def segment(self, build: IndexBuilder) -> Segment | None:
        """The marks that can be found, as a segment; None if there is none.

        To be asked once: it takes over the memory of the vectors.
        """
        kept = self._kept(self._found)
        wholes = self._wholes.only(kept)
        if not len(wholes):
            return None
        places, owners, first = [], [], 0
        for chunk, rows in zip(self._found, kept, strict=True):
            chosen = np.flatnonzero(np.isin(chunk.owners, rows))
            places.append(chosen)
            owners.append(first + np.searchsorted(rows, chunk.owners[chosen]))
            first += len(rows)
        parts = self._parts.only(places)
        return _segment(
            list(zip(self._found, kept, strict=True)),
            build.quick(wholes),
            PartVectors(build.quick(parts), _joined(owners), first)
            if len(parts)
            else PartVectors.none(first),
        )

    def segment_without_vectors(self) -> Segment | None:
        """The live marks that no picture finds, as a segment; None if there is none."""
        kept = self._kept(self._bare)
        count = sum(map(len, kept))
        if not count:
            return None
        chosen = list(zip(self._bare, kept, strict=True))
        return _segment(chosen, NoVectors(count), PartVectors.none(count))

    def _kept(self, chunks: "Sequence[_Chunk]") -> list[NDArray[np.int64]]:
        """For each chunk the rows that no later change has replaced."""
        numbers, sequences = _joined(self._numbers), _joined(self._sequences)
        # The first of the reversed ones is a mark's last.
        _, last = np.unique(numbers[::-1], return_index=True)
        current = np.sort(sequences[::-1][last])
        return [np.flatnonzero(np.isin(chunk.sequences, current)) for chunk in chunks]


class _Vectors:
    """Vectors of one chunk after the other in one array, which is seldom enlarged."""

    def __init__(self, dimension: int, expected: int) -> None:
        # Memory that is not written to is not taken.
        self._held = np.empty((expected, dimension), np.float16)
        self._filled, self._ends = 0, [0]

    def append(self, vectors: NDArray[np.float16]) -> None:
        """Add vectors (any, d) to the chunk."""
        filled, self._filled = self._filled, self._filled + len(vectors)
        if self._filled > len(self._held):
            larger = np.empty((self._filled + self._filled // 4, self._held.shape[1]), np.float16)
            larger[:filled] = self._held[:filled]
            self._held = larger
        self._held[filled : self._filled] = vectors

    def end(self) -> None:
        """End the chunk."""
        self._ends.append(self._filled)

    def only(self, kept: Sequence[NDArray[np.int64]]) -> NDArray[np.float16]:
        """Move the kept ones of each chunk (ascending) together, and hand over the memory."""
        moved = 0
        for start, stop, rows in zip(self._ends, self._ends[1:], kept, strict=False):
            if moved + len(rows) < stop:
                self._held[moved : moved + len(rows)] = self._held[start + rows]
            moved += len(rows)
        return self._held[:moved]


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Columns of some changes, in sequence order; `owners` says whose each part is."""

    numbers: NDArray[np.int64]
    sequences: NDArray[np.int64]
    filters: FilterColumns
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "_Chunk":
        return cls(
            np.array([change.number for change in changes], np.int64),
            np.array([change.sequence for change in changes], np.int64),
            FilterColumns.of(changes),
            _joined([]),
        )

    def some(self, rows: NDArray[np.int64], owners: NDArray[np.int64] | None = None) -> "_Chunk":
        """Some rows, the owners of whose parts are given as places among them."""
        return _Chunk(
            self.numbers[rows],
            self.sequences[rows],
            FilterColumns.merged([(self.filters, rows)]),
            self.owners if owners is None else owners,
        )


def _segment(
    kept: Sequence[tuple[_Chunk, NDArray[np.int64]]], vectors: VectorIndex, parts: PartVectors
) -> Segment:
    """The kept rows of some chunks."""
    return Segment(
        numbers=np.concatenate([chunk.numbers[rows] for chunk, rows in kept]),
        sequences=np.concatenate([chunk.sequences[rows] for chunk, rows in kept]),
        filters=FilterColumns.merged([(chunk.filters, rows) for chunk, rows in kept]),
        vectors=vectors,
        part_vectors=parts,
    )


def _joined(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *arrays])
