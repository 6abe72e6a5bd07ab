"""The register in RAM: immutable segments of rows, and views that say which rows live.

A row, once in a segment, never changes: a mark that is updated or withdrawn leaves a dead row
behind, and an update adds a row to a newer segment. So searches hold a view and need no lock.
Segments become few again by merging (see `indexer.index.merging`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch
from indexer.index.filters import FilterColumns
from indexer.index.row_sets import RowSet
from indexer.index.vectors import IndexBuilder, NoVectors, VectorIndex
from indexer.index.vectors.snapshot import Arrays
from indexer.marks import Change
from models.encoder import Block

logger = logging.getLogger(__name__)

_CHUNK = 1 << 12  # rows measured at once: NumPy may keep Python's lock, for 2 ms then
_STACKED = 1 << 9  # arrays made one at once, for the same reason

Bounds = tuple[tuple[int, int], ...]  # first and last-but-one number of each block


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows of the register with all that searching them takes; immutable.

    Attributes:
        numbers: (n,) int64, the mark of each row, each once; see `Change.number`.
        sequences: (n,) int64, ascending.
        filters: what filters ask.
        vectors: the embeddings; of marks without picture there are none.
    """

    numbers: NDArray[np.int64]
    sequences: NDArray[np.int64]
    filters: FilterColumns
    vectors: VectorIndex
    _length_errors: dict[Bounds, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        lengths = {len(self.numbers), len(self.sequences), len(self.filters), len(self.vectors)}
        if len(lengths) > 1:
            raise ValueError(f"a segment's columns differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        """Count the rows, dead ones too."""
        return len(self.sequences)

    def rows_of(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the marks that have one of these numbers, each given once."""
        order = self._by_number
        places = np.searchsorted(self.numbers, numbers, sorter=order)
        inside = places < len(self)
        rows, numbers = order[places[inside]], numbers[inside]
        found: NDArray[np.int64] = rows[self.numbers[rows] == numbers]
        return found

    @cached_property
    def _by_number(self) -> NDArray[np.int64]:
        """Rows in the order of their marks' numbers."""
        return np.argsort(self.numbers, kind="stable")  # marks written once are in order already

    def length_error(self, bounds: Bounds) -> float:
        """How far a block's length is from 1, in the row and block where it is farthest.

        Blocks are unit-length before they are rounded to float16, so this is about 1e-4. It
        bounds by how much a row's inner product may miss its cosine. Blocks of zeros, which have
        no direction, count as cosine 0 and have no error. Every row is looked at the first time.
        """
        if bounds not in self._length_errors:
            self._length_errors[bounds] = max(
                (
                    _length_error(
                        self.vectors.vectors(np.arange(at, min(at + _CHUNK, len(self)))), bounds
                    )
                    for at in range(0, len(self), _CHUNK)
                ),
                default=0.0,
            )
        return self._length_errors[bounds]

    def arrays(self) -> Arrays:
        """Everything as named arrays, for a snapshot."""
        fixed: dict[str, NDArray[Any]] = {
            "numbers": self.numbers,
            "sequences": self.sequences,
        }
        return {**fixed, **self.vectors.arrays(), **self.filters.arrays()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, build: IndexBuilder) -> "Segment":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        return cls(
            numbers=arrays["numbers"],
            sequences=arrays["sequences"],
            filters=FilterColumns.from_arrays(arrays),
            vectors=NoVectors.restored(arrays) or build.restore(arrays),
            _length_errors=_known_length_error(arrays),
        )

    @classmethod
    def merged(
        cls, parts: Sequence[tuple["Segment", NDArray[np.int64]]], vectors: VectorIndex
    ) -> "Segment":
        """The kept rows of several segments, one after the other.

        Args:
            parts: segments, and which of their rows to keep, ascending.
            vectors: an index of those rows.
        """
        known = {bounds for segment, _ in parts for bounds in segment._length_errors}
        return cls(
            numbers=np.concatenate([segment.numbers[rows] for segment, rows in parts]),
            sequences=np.concatenate([segment.sequences[rows] for segment, rows in parts]),
            filters=FilterColumns.merged([(segment.filters, rows) for segment, rows in parts]),
            vectors=vectors,
            # A bound for the parts bounds their rows wherever they go.
            _length_errors={
                bounds: max(one.length_error(bounds) for one, _ in parts) for bounds in known
            },
        )


@dataclass(frozen=True, eq=False)
class LiveSegment:
    """A segment as one view sees it.

    Attributes:
        segment: the rows.
        alive: those that are not tombstones.
        count: how many are alive.
    """

    segment: Segment
    alive: RowSet
    count: int

    @classmethod
    def of(cls, segment: Segment, alive: RowSet | None = None) -> "LiveSegment":
        """Count the living rows; all are by default."""
        alive = RowSet.all(len(segment)) if alive is None else alive
        return cls(segment, alive, len(alive))

    def without(self, numbers: NDArray[np.int64]) -> "LiveSegment":
        """The same segment with the rows of the marks with these numbers dead."""
        rows = self.segment.rows_of(numbers)
        if not len(rows):
            return self
        return LiveSegment.of(self.segment, self.alive.without(rows))


@dataclass(frozen=True, eq=False)
class ReadView:
    """The register as of one sequence number; immutable, so any number of searches may hold it.

    Attributes:
        parts: segments, oldest rows first; a live mark has one live row in one of them.
        sequence: the last change it knows.
        without_vectors: segments of the marks without picture, which can be counted and not found.
        bounds: blocks whose length error is known for all of `parts`; None before a search.
        total: marks that can be found.
    """

    parts: tuple[LiveSegment, ...] = ()
    sequence: int = 0
    without_vectors: tuple[LiveSegment, ...] = ()
    bounds: Bounds | None = None
    total: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the marks."""
        object.__setattr__(self, "total", sum(part.count for part in self.parts))

    def advanced(self, draft: "SegmentDraft", sequence: int, build: IndexBuilder) -> "ReadView":
        """The view after the changes of a draft, whose marks become a segment of their own."""
        touched = draft.touched
        parts = [part.without(touched) for part in self.parts]
        bare = [part.without(touched) for part in self.without_vectors]
        for segments, new in (
            (parts, draft.segment(build)),
            (bare, draft.segment_without_vectors()),
        ):
            if new is not None:
                segments.append(LiveSegment.of(new))
        return ReadView(tuple(parts), sequence, tuple(bare), self.bounds).measured(self.bounds)

    def measured(self, bounds: Bounds | None) -> "ReadView":
        """Return the same view with the length error of every segment computed."""
        if bounds is not None:
            for part in self.parts:
                part.segment.length_error(bounds)
        return replace(self, bounds=bounds)


class SegmentDraft:
    """Collects changes in sequence order, as arrays; the last one of a mark counts.

    Changes are objects of some kilobytes each, which only the chunk that is being added takes.
    """

    def __init__(self, dimension: int, expected: int = 0) -> None:
        """Begin with no changes.

        Args:
            dimension: numbers of an embedding.
            expected: changes that are to come; room for their vectors is taken once.
        """
        self._dimension = dimension
        self._numbers: list[NDArray[np.int64]] = []  # of all changes, chunk by chunk
        self._sequences: list[NDArray[np.int64]] = []
        self._found: list[_Chunk] = []
        # Of `_found`, one chunk after the other. Memory that is not written to is not taken.
        self._vectors = np.empty((expected, dimension), np.float16)
        self._filled = 0
        self._bare: list[_Chunk] = []

    def add(self, changes: Sequence[Change]) -> None:
        """Take up changes.

        Raises:
            FingerprintMismatch: an embedding has another length than the index.
        """
        for change in changes:
            if change.embedding is not None and change.embedding.shape != (self._dimension,):
                raise FingerprintMismatch(
                    f"mark {change.id!r} has an embedding of shape {change.embedding.shape}, "
                    f"the index holds {self._dimension} numbers a mark: restart to load it anew"
                )
        if not changes:
            return
        everything = _Chunk.of(changes)
        self._numbers.append(everything.numbers)
        self._sequences.append(everything.sequences)
        vectors, comparable = _comparable(changes, self._dimension)
        live = np.array([not change.deleted for change in changes])
        self._append(vectors)
        self._found.append(everything.some(np.flatnonzero(comparable)))
        self._bare.append(everything.some(np.flatnonzero(live & ~comparable)))

    @property
    def touched(self) -> NDArray[np.int64]:
        """Numbers of the marks whose older rows are out of date, each once."""
        return np.unique(_joined(self._numbers))

    def _append(self, vectors: NDArray[np.float16]) -> None:
        stop = self._filled + len(vectors)
        if stop > len(self._vectors):
            larger = np.empty((stop + stop // 4, self._dimension), np.float16)
            larger[: self._filled] = self._vectors[: self._filled]
            self._vectors = larger
        self._vectors[self._filled : stop] = vectors
        self._filled = stop

    def segment(self, build: IndexBuilder) -> Segment | None:
        """The marks that can be found, as a segment; None if there is none.

        To be asked once: it takes over the memory of the vectors.
        """
        kept = self._kept(self._found)
        moved = start = 0
        for chunk, rows in zip(self._found, kept, strict=True):
            if moved + len(rows) < start + len(chunk.sequences):
                self._vectors[moved : moved + len(rows)] = self._vectors[start + rows]
            moved, start = moved + len(rows), start + len(chunk.sequences)
        if not moved:
            return None
        return _segment(self._found, kept, build.quick(self._vectors[:moved]))

    def segment_without_vectors(self) -> Segment | None:
        """The live marks that no picture finds, as a segment; None if there is none."""
        kept = self._kept(self._bare)
        count = sum(map(len, kept))
        return _segment(self._bare, kept, NoVectors(count)) if count else None

    def _kept(self, chunks: "Sequence[_Chunk]") -> list[NDArray[np.int64]]:
        """For each chunk the rows that no later change has replaced."""
        numbers, sequences = _joined(self._numbers), _joined(self._sequences)
        # The first of the reversed ones is a mark's last.
        _, last = np.unique(numbers[::-1], return_index=True)
        current = np.sort(sequences[::-1][last])
        return [np.flatnonzero(np.isin(chunk.sequences, current)) for chunk in chunks]


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Columns of some changes, in sequence order."""

    numbers: NDArray[np.int64]
    sequences: NDArray[np.int64]
    filters: FilterColumns

    @classmethod
    def of(cls, changes: Sequence[Change]) -> "_Chunk":
        return cls(
            np.array([change.number for change in changes], np.int64),
            np.array([change.sequence for change in changes], np.int64),
            FilterColumns.of(changes),
        )

    def some(self, rows: NDArray[np.int64]) -> "_Chunk":
        return _Chunk(
            self.numbers[rows],
            self.sequences[rows],
            FilterColumns.merged([(self.filters, rows)]),
        )


def bounds_of(blocks: Sequence[Block]) -> Bounds:
    """Where blocks begin and end: all that their length error depends on."""
    return tuple((block.start, block.stop) for block in blocks)


def length_error_arrays(part: LiveSegment, bounds: Bounds | None) -> Arrays:
    """A segment's length error as named arrays for a snapshot, which `from_arrays` takes."""
    if bounds is None:
        return {}
    error = part.segment.length_error(bounds)
    return {"length_error_bounds": np.array(bounds, np.int64), "length_error": np.array([error])}


def known_bounds(arrays: Arrays) -> Bounds | None:
    """The blocks whose length error was saved; None if none was."""
    if "length_error_bounds" not in arrays:
        return None
    return tuple((int(start), int(stop)) for start, stop in arrays["length_error_bounds"])


def _known_length_error(arrays: Arrays) -> dict[Bounds, float]:
    bounds = known_bounds(arrays)
    return {} if bounds is None else {bounds: float(arrays["length_error"][0])}


def _segment(
    chunks: Sequence[_Chunk], kept: Sequence[NDArray[np.int64]], vectors: VectorIndex
) -> Segment:
    """The kept rows of some chunks."""
    parts = list(zip(chunks, kept, strict=True))
    return Segment(
        numbers=np.concatenate([chunk.numbers[rows] for chunk, rows in parts]),
        sequences=np.concatenate([chunk.sequences[rows] for chunk, rows in parts]),
        filters=FilterColumns.merged([(chunk.filters, rows) for chunk, rows in parts]),
        vectors=vectors,
    )


def _comparable(
    changes: Sequence[Change], dimension: int
) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """The embeddings that can be compared (m, d), and whose they are (n,).

    A warning names the marks whose embeddings are not finite.
    """
    has = np.array([change.embedding is not None for change in changes])
    vectors = np.empty((np.count_nonzero(has), dimension), np.float16)
    given = [change.embedding for change in changes if change.embedding is not None]
    for start in range(0, len(given), _STACKED):  # a few at once, so that no search waits for it
        some = given[start : start + _STACKED]
        np.stack(some, out=vectors[start : start + len(some)])
    finite = np.isfinite(vectors).all(axis=1)
    for at in np.flatnonzero(has)[~finite]:
        logger.warning("mark %s has an embedding that is not finite: left out", changes[at].id)
        has[at] = False
    return vectors[finite], has


def _joined(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(0, np.int64), *arrays])


def _length_error(vectors: NDArray[np.float16], bounds: Bounds) -> float:
    exact = vectors.astype(np.float32)
    worst = 0.0
    for start, stop in bounds:
        part = exact[:, start:stop]
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        lengths = lengths[lengths > 0]
        worst = max(worst, float(np.abs(lengths - 1).max(initial=0.0)))
    return worst
