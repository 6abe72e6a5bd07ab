"""Saves and loads views as snapshots, and checks a snapshot against the register."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.errors import SnapshotDamaged
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, ReadView, Segment, known_bounds, length_error_arrays
from indexer.index.vectors import IndexBuilder, NoVectors
from indexer.index.vectors.snapshot import Arrays, SnapshotFacts, SnapshotPart, SnapshotStore
from indexer.marks import Change
from indexer.register import Register

_PROBED = 64  # of the register's rows up to a snapshot, looked for in it


class ViewStore:
    """Keeps the views of one register and network in one folder."""

    def __init__(
        self, folder: Path, register: Register, network: tuple[str, int], build: IndexBuilder
    ) -> None:
        """Prepare.

        Args:
            folder: where the snapshot is.
            register: whose marks it holds.
            network: fingerprint of the network that made the embeddings, and their dimension.
            build: makes indexes of what was saved.
        """
        self._store = SnapshotStore(folder)
        self._register = register
        self._network = network
        self._build = build

    def save(self, view: ReadView) -> None:
        """Write a view to disk.

        Raises:
            OSError: the disk refuses; the snapshot before stays.
            DatabaseUnavailable: the register cannot be asked who it is.
        """
        parts = [_part(part, length_error_arrays(part, view.bounds)) for part in view.parts]
        parts += [_part(part, {}) for part in view.without_vectors]
        self._store.save(self._facts(view.sequence), parts)

    def load(self) -> ReadView:
        """What the snapshot holds; an empty view if there is none.

        Raises:
            SnapshotDamaged: it cannot be believed, or is not of this register and network.
        """
        snapshot = self._store.load()
        if snapshot is None:
            return ReadView()
        facts = snapshot.facts
        if facts != self._facts(facts.sequence):
            raise SnapshotDamaged("it was made from another register or for another network")
        if facts.sequence > self._register.sequence():
            raise SnapshotDamaged("it is ahead of the register, which was restored from a backup")
        try:
            live = [
                LiveSegment.of(
                    Segment.from_arrays(arrays, self._build), RowSet.of_mask(arrays["alive"])
                )
                for arrays in snapshot.parts
            ]
        except (KeyError, ValueError) as error:
            raise SnapshotDamaged(f"its arrays do not fit together: {error}") from error
        for part, name in zip(live, snapshot.names, strict=True):
            self._store.remember(part.segment, name)
        bare = tuple(part for part in live if isinstance(part.segment.vectors, NoVectors))
        parts = tuple(part for part in live if part not in bare)
        measured = {known_bounds(arrays) for arrays in snapshot.parts if "no_vectors" not in arrays}
        bounds = measured.pop() if len(measured) == 1 else None
        return ReadView(parts, facts.sequence, bare, bounds)

    def probe(self, view: ReadView, saved: int) -> None:
        """Compare a view that a snapshot was brought into with the register.

        A register restored from a backup and written to since has the same identity, and perhaps
        a higher sequence, but other rows under the numbers after the backup.

        Args:
            view: the snapshot, and what the register committed since.
            saved: sequence of the snapshot.

        Raises:
            SnapshotDamaged: the register holds other marks.
        """
        changes = self._register.changes(max(0, saved - _PROBED), _PROBED, saved)
        live = view.total + sum(part.count for part in view.without_vectors)
        # Counted first: as of the view, if nothing is written until the sequence is asked.
        is_same = live == self._register.count() or self._register.sequence() != view.sequence
        if not (is_same and _shows(view, changes)):
            raise SnapshotDamaged("the register holds other marks: it was restored from a backup")

    def saved_by_another(self, view: ReadView) -> int | None:
        """Sequence of the snapshot on disk, if it is of this register and as new as a view."""
        try:
            facts = self._store.facts()
        except SnapshotDamaged:
            return None
        if facts is None or facts != self._facts(facts.sequence):
            return None
        is_new = view.sequence <= facts.sequence <= self._register.sequence()
        return facts.sequence if is_new else None

    def _facts(self, sequence: int) -> SnapshotFacts:
        identity = self._register.identity()
        return SnapshotFacts(identity, *self._network, sequence)


def _part(part: LiveSegment, known: Arrays) -> SnapshotPart:
    changing = {"alive": part.alive.mask(), **known}
    return SnapshotPart(part.segment, part.segment.arrays, changing)


def _shows(view: ReadView, changes: Sequence[Change]) -> bool:
    """Whether a view has rows of the register, withdrawn ones too, as the register holds them."""
    numbers = np.array([change.number for change in changes], np.int64)
    held = dict[int, tuple[int, NDArray[np.float16]]]()
    for part in (*view.parts, *view.without_vectors):
        segment, rows = part.segment, part.segment.rows_of(numbers)
        rows = rows[part.alive.contains(rows)]
        of = segment.numbers[rows].tolist(), segment.sequences[rows].tolist()
        held |= zip(of[0], zip(of[1], segment.vectors.vectors(rows), strict=True), strict=True)
    for change in changes:
        sequence, vector = held.get(change.number, (None, None))
        if sequence != (None if change.deleted else change.sequence):
            return False
        if vector is not None and len(vector):
            stored = vector[:0] if change.embedding is None else change.embedding[0]
            if not np.array_equal(vector, stored):
                return False
    return True
