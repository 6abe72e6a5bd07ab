"""Saves and loads views as snapshots, and checks a snapshot against the register."""

from pathlib import Path

import numpy as np

from indexer.errors import SnapshotDamaged
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, ReadView, Segment, known_bounds, length_error_arrays
from indexer.index.vectors import IndexBuilder, NoVectors
from indexer.index.vectors.snapshot import Arrays, SnapshotFacts, SnapshotPart, SnapshotStore
from indexer.register import Register

_PROBED = 64  # of a snapshot's newest marks, asked for in the register


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
        """Compare the newest marks that a snapshot brought into a view with the register.

        A register restored from a backup and written to since has the same identity, and perhaps
        a higher sequence, but other marks under the numbers after the backup.

        Raises:
            SnapshotDamaged: the register holds other marks.
        """
        left = _PROBED
        for part in (*view.parts[::-1], *view.without_vectors[::-1]):
            rows = part.alive.rows()
            rows = rows[part.segment.sequences[rows] <= saved][::-1][:left]
            left -= len(rows)
            if not all(self._holds(part.segment, row) for row in rows.tolist()):
                if self._register.sequence() != view.sequence:
                    return  # it has moved on meanwhile, and may rightly hold others
                raise SnapshotDamaged(
                    "the register holds other marks: it was restored from a backup"
                )

    def _holds(self, segment: Segment, row: int) -> bool:
        """Whether the register holds a row as it is in a segment."""
        sequence = int(segment.sequences[row])
        for change in self._register.changes(sequence - 1, 1, sequence):
            vector = segment.vectors.vectors(np.array([row]))[0]
            held = vector[:0] if change.embedding is None else change.embedding[0]
            same = not len(vector) or np.array_equal(vector, held)
            return same and change.number == int(segment.numbers[row])
        return False

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
