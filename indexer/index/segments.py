"""The register in RAM: immutable segments of rows, and views that say which rows live.

A row, once in a segment, never changes: a mark that is updated or withdrawn leaves a dead row
behind, and an update adds a row to a newer segment. So searches hold a view and need no lock.
Segments become few again by merging (see `indexer.index.merging`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.filters import FilterColumns
from indexer.index.part_vectors import PartVectors
from indexer.index.row_sets import RowSet
from indexer.index.vectors import IndexBuilder, Kept, NoVectors, VectorIndex
from indexer.index.vectors.snapshot import Arrays
from models.encoder import Block

_CHUNK = 1 << 12  # rows measured at once: NumPy may keep Python's lock, for 2 ms then

Bounds = tuple[tuple[int, int], ...]  # first and last-but-one number of each block


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows of the register with all that searching them takes; immutable.

    Attributes:
        numbers: (n,) int64, the mark of each row, each once; see `Change.number`.
        sequences: (n,) int64, ascending.
        filters: what filters ask.
        vectors: of the whole signs, one a row; of marks without picture there are none.
        part_vectors: of their parts.
    """

    numbers: NDArray[np.int64]
    sequences: NDArray[np.int64]
    filters: FilterColumns
    vectors: VectorIndex
    part_vectors: PartVectors
    _length_errors: dict[Bounds, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        lengths = {
            len(self.numbers),
            len(self.sequences),
            len(self.filters),
            len(self.vectors),
            self.part_vectors.rows,
        }
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
                        index.vectors(np.arange(at, min(at + _CHUNK, len(index)))), bounds
                    )
                    for index in (self.vectors, self.part_vectors.vectors)
                    for at in range(0, len(index), _CHUNK)
                ),
                default=0.0,
            )
        return self._length_errors[bounds]

    def is_settled(self, build: IndexBuilder) -> bool:
        """Whether its vectors are in the kinds of index that suit their number."""
        parts = self.part_vectors.vectors
        return all(
            isinstance(index, NoVectors) or suits(index)
            for index, suits in (
                (self.vectors, build.is_settled),
                (parts, build.beside(self.vectors).is_settled),
            )
        )

    def arrays(self) -> Arrays:
        """Everything as named arrays, for a snapshot."""
        fixed: dict[str, NDArray[Any]] = {
            "numbers": self.numbers,
            "sequences": self.sequences,
        }
        vectors = {**self.vectors.arrays(), **self.part_vectors.arrays()}
        return {**fixed, **vectors, **self.filters.arrays()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, build: IndexBuilder) -> "Segment":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        vectors: VectorIndex | None
        vectors = NoVectors.restored(arrays)
        if vectors is None:
            vectors = build.restore(arrays)
        return cls(
            numbers=arrays["numbers"],
            sequences=arrays["sequences"],
            filters=FilterColumns.from_arrays(arrays),
            vectors=vectors,
            part_vectors=PartVectors.from_arrays(arrays, len(vectors), build.beside(vectors)),
            _length_errors=_known_length_error(arrays),
        )

    @classmethod
    def merged(
        cls,
        kept: Sequence[tuple["Segment", NDArray[np.int64]]],
        build: IndexBuilder,
        merge: Callable[[IndexBuilder, Sequence[Kept]], VectorIndex],
    ) -> "Segment":
        """The kept rows of several segments, one after the other.

        Args:
            kept: segments, and which of their rows to keep, ascending.
            build: what makes indexes.
            merge: has it make one of the kept rows of several.
        """
        known = {bounds for segment, _ in kept for bounds in list(segment._length_errors)}
        vectors: VectorIndex = NoVectors(sum(len(rows) for _, rows in kept))
        if not all(isinstance(segment.vectors, NoVectors) for segment, _ in kept):
            vectors = merge(build, [(segment.vectors, rows) for segment, rows in kept])
        parts = PartVectors.merged(
            [(segment.part_vectors, rows) for segment, rows in kept],
            lambda parts: merge(build.beside(vectors), parts),
        )
        return cls(
            numbers=np.concatenate([segment.numbers[rows] for segment, rows in kept]),
            sequences=np.concatenate([segment.sequences[rows] for segment, rows in kept]),
            filters=FilterColumns.merged([(segment.filters, rows) for segment, rows in kept]),
            vectors=vectors,
            part_vectors=parts,
            # What bounds the rows of a segment bounds them wherever they go.
            _length_errors={
                bounds: max(one.length_error(bounds) for one, _ in kept) for bounds in known
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
        stamp: of the sequence in the register; see `indexer.register.counters.stamp`.
        total: marks that can be found.
    """

    parts: tuple[LiveSegment, ...] = ()
    sequence: int = 0
    without_vectors: tuple[LiveSegment, ...] = ()
    bounds: Bounds | None = None
    stamp: int | None = None
    total: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the marks."""
        object.__setattr__(self, "total", sum(part.count for part in self.parts))

    def whole_vectors(
        self, sequences: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """Vectors (m, d) of the whole signs written under some sequences, and which those are."""
        for part in self.parts:
            held = part.segment.sequences
            places = np.minimum(np.searchsorted(held, sequences), len(held) - 1)
            here = np.flatnonzero(held[places] == sequences)
            yield here, part.segment.vectors.vectors(places[here])

    def advanced(
        self,
        touched: NDArray[np.int64],
        found: Segment | None,
        without_vectors: Segment | None,
        sequence: int,
    ) -> "ReadView":
        """The view after some changes.

        Args:
            touched: numbers of the marks that were written or withdrawn, each once.
            found: those that can be found now, if any.
            without_vectors: those that live and have no picture, if any.
            sequence: of the last change.
        """
        parts = [part.without(touched) for part in self.parts]
        bare = [part.without(touched) for part in self.without_vectors]
        for segments, new in ((parts, found), (bare, without_vectors)):
            if new is not None:
                segments.append(LiveSegment.of(new))
        return ReadView(tuple(parts), sequence, tuple(bare), self.bounds).measured(self.bounds)

    def measured(self, bounds: Bounds | None) -> "ReadView":
        """Return the same view with the length error of every segment computed."""
        if bounds is not None:
            for part in self.parts:
                part.segment.length_error(bounds)
        return replace(self, bounds=bounds)


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


def _length_error(vectors: NDArray[np.float16], bounds: Bounds) -> float:
    exact = vectors.astype(np.float32)
    worst = 0.0
    for start, stop in bounds:
        part = exact[:, start:stop]
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        lengths = lengths[lengths > 0]
        worst = max(worst, float(np.abs(lengths - 1).max(initial=0.0)))
    return worst
