"""The register in RAM: immutable segments of rows, and views that say which rows live.

A row, once in a segment, never changes: a mark that is updated or withdrawn leaves a dead row
behind, and an update adds a row to a newer segment. So searches hold a view and need no lock.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch
from indexer.filters import FilterColumns, words_from_bytes, words_to_bytes
from indexer.marks import Change
from indexer.vectors import IndexBuilder, VectorIndex
from indexer.vectors.snapshot import Arrays
from models.encoder import Block

logger = logging.getLogger(__name__)

_CHUNK = 1 << 14  # rows whose lengths are computed at once
_GROWTH = 4  # each segment has at least so many times the rows of the next
_MOST_DEAD = 0.25  # share of dead rows above which a segment is written anew


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows of the register with all that searching them takes; immutable.

    Attributes:
        ids: mark of each row.
        sequences: (n,) int64, ascending.
        filters: what filters ask.
        vectors: the embeddings.
    """

    ids: tuple[str, ...]
    sequences: NDArray[np.int64]
    filters: FilterColumns
    vectors: VectorIndex
    _rows: dict[str, int] = field(init=False, repr=False)
    _stretches: dict[tuple[Block, ...], float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Prepare finding a row by its mark."""
        lengths = {len(self.ids), len(self.sequences), len(self.filters), len(self.vectors)}
        if len(lengths) > 1:
            raise ValueError(f"a segment's columns differ in length: {sorted(lengths)}")
        object.__setattr__(self, "_rows", {mark_id: row for row, mark_id in enumerate(self.ids)})

    def __len__(self) -> int:
        """Count the rows, dead ones too."""
        return len(self.ids)

    def row_of(self, mark_id: str) -> int | None:
        """Row of a mark, dead or alive; None if it has none here."""
        return self._rows.get(mark_id)

    def rows_at(self, sequences: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows that have one of these sequence numbers."""
        places = np.searchsorted(self.sequences, sequences)
        inside = places < len(self)
        places, sequences = places[inside], sequences[inside]
        found: NDArray[np.int64] = places[self.sequences[places] == sequences]
        return found

    def stretch(self, blocks: tuple[Block, ...]) -> float:
        """How far a block's length is from 1, in the row and block where it is farthest.

        Blocks are unit-length before they are rounded to float16, so this is about 1e-4. It
        bounds by how much a row's inner product may miss its cosine. Blocks of zeros, which have
        no direction, count as cosine 0 and do not stretch.
        """
        if blocks not in self._stretches:
            self._stretches[blocks] = max(
                (
                    _stretch(
                        self.vectors.vectors(np.arange(at, min(at + _CHUNK, len(self)))), blocks
                    )
                    for at in range(0, len(self), _CHUNK)
                ),
                default=0.0,
            )
        return self._stretches[blocks]

    def arrays(self) -> Arrays:
        """Everything as named arrays, for a snapshot."""
        fixed: dict[str, NDArray[Any]] = {
            "ids": words_to_bytes(self.ids),
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
            ids=words_from_bytes(arrays["ids"]),
            sequences=arrays["sequences"],
            filters=FilterColumns.from_arrays(arrays),
            vectors=build.restore(arrays),
        )


@dataclass(frozen=True, eq=False)
class LiveSegment:
    """A segment as one view sees it.

    Attributes:
        segment: the rows.
        alive: (n,) bool; None while all are.
        count: how many are alive.
    """

    segment: Segment
    alive: NDArray[np.bool_] | None
    count: int

    @classmethod
    def of(cls, segment: Segment, alive: NDArray[np.bool_] | None) -> "LiveSegment":
        """Count the living."""
        if alive is None or alive.all():
            return cls(segment, None, len(segment))
        return cls(segment, alive, int(np.count_nonzero(alive)))

    def without(self, ids: Sequence[str]) -> "LiveSegment":
        """The same segment with the rows of these marks dead."""
        rows = [row for mark_id in ids if (row := self.segment.row_of(mark_id)) is not None]
        if not rows:
            return self
        alive = np.ones(len(self.segment), np.bool_) if self.alive is None else self.alive.copy()
        alive[rows] = False
        return LiveSegment.of(self.segment, alive)

    def live_rows(self) -> NDArray[np.int64]:
        """Rows that are alive, ascending."""
        if self.alive is None:
            return np.arange(len(self.segment))
        return np.flatnonzero(self.alive)


@dataclass(frozen=True, eq=False)
class ReadView:
    """The register as of one sequence number; immutable, so any number of searches may hold it.

    Attributes:
        parts: segments, oldest rows first; a live mark has one live row in one of them.
        sequence: the last change it knows.
        total: marks that can be found.
    """

    parts: tuple[LiveSegment, ...] = ()
    sequence: int = 0
    total: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the marks."""
        object.__setattr__(self, "total", sum(part.count for part in self.parts))

    def advanced(self, draft: "SegmentDraft", sequence: int, build: IndexBuilder) -> "ReadView":
        """The view after the changes of a draft, with small segments merged."""
        parts = [part.without(draft.touched) for part in self.parts]
        new = draft.segment(build)
        if new is not None:
            parts.append(LiveSegment.of(new, None))
        return ReadView(tuple(_tidied(parts, build)), sequence)


class SegmentDraft:
    """Collects changes in sequence order; the last one of a mark counts."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._changes: dict[str, Change] = {}

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
            self._changes.pop(change.id, None)  # so that dictionary order stays sequence order
            self._changes[change.id] = change

    def __len__(self) -> int:
        """Count the marks changed."""
        return len(self._changes)

    @property
    def touched(self) -> tuple[str, ...]:
        """Marks whose older rows are out of date."""
        return tuple(self._changes)

    def segment(self, build: IndexBuilder) -> Segment | None:
        """The marks that can be found, as a segment; None if there is none."""
        found = [change for change in self._changes.values() if _is_searchable(change)]
        if not found:
            return None
        embeddings = [change.embedding for change in found if change.embedding is not None]
        return Segment(
            ids=tuple(change.id for change in found),
            sequences=np.array([change.sequence for change in found], np.int64),
            filters=FilterColumns.of(found),
            vectors=build(np.stack(embeddings).astype(np.float16, copy=False)),
        )


def _is_searchable(change: Change) -> bool:
    if change.deleted or change.embedding is None:
        return False
    if not np.isfinite(change.embedding).all():
        logger.warning("mark %s has an embedding that is not finite: left out", change.id)
        return False
    return True


def _tidied(parts: Sequence[LiveSegment], build: IndexBuilder) -> list[LiveSegment]:
    """Merge small segments into larger ones and leave dead rows behind.

    Each segment stays `_GROWTH` times as large as the next, so that there are few of them and a
    row is copied a few times in its life.
    """
    tidy: list[LiveSegment] = []
    for part in parts:
        if part.count == 0:
            continue
        together = [part]
        while tidy and tidy[-1].count < _GROWTH * sum(one.count for one in together):
            together.insert(0, tidy.pop())
        dead = len(part.segment) - part.count
        if len(together) > 1 or dead > _MOST_DEAD * len(part.segment):
            tidy.append(LiveSegment.of(_merged(together, build), None))
        else:
            tidy.append(part)
    return tidy


def _merged(parts: Sequence[LiveSegment], build: IndexBuilder) -> Segment:
    kept = [part.live_rows() for part in parts]
    both = list(zip([part.segment for part in parts], kept, strict=True))
    known = {blocks for segment, _ in both for blocks in segment._stretches}
    return Segment(
        ids=tuple(segment.ids[row] for segment, rows in both for row in rows),
        sequences=np.concatenate([segment.sequences[rows] for segment, rows in both]),
        filters=FilterColumns.merged([(segment.filters, rows) for segment, rows in both]),
        vectors=build(np.concatenate([segment.vectors.vectors(rows) for segment, rows in both])),
        # A bound for the parts bounds their rows wherever they go.
        _stretches={blocks: max(one.stretch(blocks) for one, _ in both) for blocks in known},
    )


def _stretch(vectors: NDArray[np.float16], blocks: Sequence[Block]) -> float:
    exact = vectors.astype(np.float32)
    worst = 0.0
    for block in blocks:
        part = exact[:, block.start : block.stop]
        lengths = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))
        lengths = lengths[lengths > 0]
        worst = max(worst, float(np.abs(lengths - 1).max(initial=0.0)))
    return worst
