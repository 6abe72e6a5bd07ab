"""The register in RAM: immutable segments of rows, and views that say which rows live.

A row, once in a segment, never changes: a mark that is updated or withdrawn leaves a dead row
behind, and an update adds a row to a newer segment. So searches hold a view and need no lock.
Segments become few again by merging (see `indexer.index.merging`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch
from indexer.index.filters import FilterColumns
from indexer.index.row_sets import RowSet
from indexer.index.vectors import IndexBuilder, NoVectors, VectorIndex
from indexer.index.vectors.snapshot import Arrays
from indexer.index.words import Ids
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
        ids: mark of each row.
        sequences: (n,) int64, ascending.
        filters: what filters ask.
        vectors: the embeddings; of marks without picture there are none.
    """

    ids: Ids
    sequences: NDArray[np.int64]
    filters: FilterColumns
    vectors: VectorIndex
    _stretches: dict[Bounds, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check that the columns fit together."""
        lengths = {len(self.ids), len(self.sequences), len(self.filters), len(self.vectors)}
        if len(lengths) > 1:
            raise ValueError(f"a segment's columns differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        """Count the rows, dead ones too."""
        return len(self.ids)

    def rows_at(self, sequences: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows that have one of these sequence numbers."""
        places = np.searchsorted(self.sequences, sequences)
        inside = places < len(self)
        places, sequences = places[inside], sequences[inside]
        found: NDArray[np.int64] = places[self.sequences[places] == sequences]
        return found

    def stretch(self, bounds: Bounds) -> float:
        """How far a block's length is from 1, in the row and block where it is farthest.

        Blocks are unit-length before they are rounded to float16, so this is about 1e-4. It
        bounds by how much a row's inner product may miss its cosine. Blocks of zeros, which have
        no direction, count as cosine 0 and do not stretch. Every row is looked at the first time.
        """
        if bounds not in self._stretches:
            self._stretches[bounds] = max(
                (
                    _stretch(
                        self.vectors.vectors(np.arange(at, min(at + _CHUNK, len(self)))), bounds
                    )
                    for at in range(0, len(self), _CHUNK)
                ),
                default=0.0,
            )
        return self._stretches[bounds]

    def arrays(self) -> Arrays:
        """Everything as named arrays, for a snapshot."""
        fixed: dict[str, NDArray[Any]] = {
            "ids": self.ids.lines,
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
            ids=Ids(arrays["ids"]),
            sequences=arrays["sequences"],
            filters=FilterColumns.from_arrays(arrays),
            vectors=NoVectors.restored(arrays) or build.restore(arrays),
            _stretches=_known_stretch(arrays),
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
        known = {bounds for segment, _ in parts for bounds in segment._stretches}
        return cls(
            ids=Ids.merged([(segment.ids, rows) for segment, rows in parts]),
            sequences=np.concatenate([segment.sequences[rows] for segment, rows in parts]),
            filters=FilterColumns.merged([(segment.filters, rows) for segment, rows in parts]),
            vectors=vectors,
            # A bound for the parts bounds their rows wherever they go.
            _stretches={bounds: max(one.stretch(bounds) for one, _ in parts) for bounds in known},
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

    def without(self, ids: Sequence[str]) -> "LiveSegment":
        """The same segment with the rows of these marks dead."""
        rows = self.segment.ids.rows_of(ids)
        if not rows:
            return self
        return LiveSegment.of(self.segment, self.alive.without(np.array(rows)))


@dataclass(frozen=True, eq=False)
class ReadView:
    """The register as of one sequence number; immutable, so any number of searches may hold it.

    Attributes:
        parts: segments, oldest rows first; a live mark has one live row in one of them.
        sequence: the last change it knows.
        bare: segments of the marks without picture, which can be counted and not found.
        bounds: blocks whose stretch is known of every segment in `parts`; None before a search.
        total: marks that can be found.
    """

    parts: tuple[LiveSegment, ...] = ()
    sequence: int = 0
    bare: tuple[LiveSegment, ...] = ()
    bounds: Bounds | None = None
    total: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the marks."""
        object.__setattr__(self, "total", sum(part.count for part in self.parts))

    def advanced(self, draft: "SegmentDraft", sequence: int, build: IndexBuilder) -> "ReadView":
        """The view after the changes of a draft, whose marks become a segment of their own."""
        parts = [part.without(draft.touched) for part in self.parts]
        bare = [part.without(draft.touched) for part in self.bare]
        for segments, new in ((parts, draft.segment(build)), (bare, draft.bare())):
            if new is not None:
                segments.append(LiveSegment.of(new))
        return ReadView(tuple(parts), sequence, tuple(bare), self.bounds).measured(self.bounds)

    def measured(self, bounds: Bounds | None) -> "ReadView":
        """The same view with every segment's stretch known, so that no search has to look."""
        if bounds is not None:
            for part in self.parts:
                part.segment.stretch(bounds)
        return replace(self, bounds=bounds)


class SegmentDraft:
    """Collects changes in sequence order; the last one of a mark counts."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._changes: dict[str, tuple[Change, bool]] = {}  # and whether a picture finds it

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
        for change, can_be_found in zip(changes, _can_be_found(changes), strict=True):
            self._changes.pop(change.id, None)  # so that dictionary order stays sequence order
            self._changes[change.id] = (change, can_be_found)

    def __len__(self) -> int:
        """Count the marks changed."""
        return len(self._changes)

    @property
    def touched(self) -> tuple[str, ...]:
        """Marks whose older rows are out of date."""
        return tuple(self._changes)

    def segment(self, build: IndexBuilder) -> Segment | None:
        """The marks that can be found, as a segment; None if there is none."""
        found = [change for change, can_be_found in self._changes.values() if can_be_found]
        embeddings = [change.embedding for change in found if change.embedding is not None]
        if not embeddings:
            return None
        return _segment(found, build.quick(_stacked(embeddings)))

    def bare(self) -> Segment | None:
        """The live marks that no picture finds, as a segment; None if there is none."""
        left = [
            change
            for change, can_be_found in self._changes.values()
            if not can_be_found and not change.deleted
        ]
        return _segment(left, NoVectors(len(left))) if left else None


def bounds_of(blocks: Sequence[Block]) -> Bounds:
    """Where blocks begin and end: all that their stretch depends on."""
    return tuple((block.start, block.stop) for block in blocks)


def stretch_arrays(part: LiveSegment, bounds: Bounds | None) -> Arrays:
    """A segment's stretch as named arrays, for a snapshot; `Segment.from_arrays` takes them."""
    if bounds is None:
        return {}
    stretch = part.segment.stretch(bounds)
    return {"stretch_bounds": np.array(bounds, np.int64), "stretch": np.array([stretch])}


def known_bounds(arrays: Arrays) -> Bounds | None:
    """The blocks whose stretch was saved; None if none was."""
    if "stretch_bounds" not in arrays:
        return None
    return tuple((int(start), int(stop)) for start, stop in arrays["stretch_bounds"])


def _known_stretch(arrays: Arrays) -> dict[Bounds, float]:
    bounds = known_bounds(arrays)
    return {} if bounds is None else {bounds: float(arrays["stretch"][0])}


def _segment(changes: Sequence[Change], vectors: VectorIndex) -> Segment:
    return Segment(
        ids=Ids.of(change.id for change in changes),
        sequences=np.array([change.sequence for change in changes], np.int64),
        filters=FilterColumns.of(changes),
        vectors=vectors,
    )


def _can_be_found(changes: Sequence[Change]) -> list[bool]:
    """Which of the marks have an embedding that can be compared, with a warning for the others."""
    can = [change.embedding is not None for change in changes]
    vectors = [change.embedding for change in changes if change.embedding is not None]
    if vectors:
        finite = np.isfinite(_stacked(vectors)).all(axis=1)
        for at in np.flatnonzero(can)[~finite]:
            logger.warning("mark %s has an embedding that is not finite: left out", changes[at].id)
            can[at] = False
    return can


def _stacked(embeddings: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    """Embeddings (d,) as rows (n, d), n > 0; a few at once, so that no search waits for it."""
    rows = np.empty((len(embeddings), *embeddings[0].shape), np.float16)
    for start in range(0, len(embeddings), _STACKED):
        part = slice(start, start + _STACKED)
        np.stack(embeddings[part], out=rows[part])
    return rows


def _stretch(vectors: NDArray[np.float16], bounds: Bounds) -> float:
    exact = vectors.astype(np.float32)
    worst = 0.0
    for start, stop in bounds:
        part = exact[:, start:stop]
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        lengths = lengths[lengths > 0]
        worst = max(worst, float(np.abs(lengths - 1).max(initial=0.0)))
    return worst
