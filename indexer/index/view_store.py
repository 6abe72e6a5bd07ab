"""Saves and loads views as snapshots, and checks a snapshot against the register."""

from pathlib import Path

from indexer.errors import SnapshotDamaged
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, ReadView, Segment, known_bounds, length_error_arrays
from indexer.index.vectors import IndexBuilder, NoVectors
from indexer.index.vectors.snapshot import Arrays, SnapshotFacts, SnapshotPart, SnapshotStore
from indexer.register import Register


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
        self._store.save(self._facts(view.sequence, view.stamp), parts)

    def load(self) -> ReadView:
        """What the snapshot holds; an empty view if there is none.

        Raises:
            SnapshotDamaged: it cannot be believed, or is not of this register and network.
        """
        snapshot = self._store.load()
        if snapshot is None:
            return ReadView()
        facts = snapshot.facts
        if facts != self._facts(facts.sequence, facts.stamp):
            raise SnapshotDamaged("it was made from another register or for another network")
        if not self._is_of_past(facts):
            raise SnapshotDamaged(
                "it holds what the register never wrote, which was restored from a backup"
            )
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
        return ReadView(parts, facts.sequence, bare, bounds, facts.stamp)

    def saved_by_another(self, view: ReadView) -> int | None:
        """Sequence of the snapshot on disk, if it is of this register and as new as a view."""
        try:
            facts = self._store.facts()
        except SnapshotDamaged:
            return None
        if facts is None or facts != self._facts(facts.sequence, facts.stamp):
            return None
        is_new = view.sequence <= facts.sequence and self._is_of_past(facts)
        return facts.sequence if is_new else None

    def _facts(self, sequence: int, stamp: int | None) -> SnapshotFacts:
        identity = self._register.identity()
        return SnapshotFacts(identity, *self._network, sequence, stamp)

    def _is_of_past(self, facts: SnapshotFacts) -> bool:
        """Whether the register once stood where a snapshot does, and went on from there."""
        return (
            facts.sequence <= self._register.sequence()
            and self._register.stamp(facts.sequence) == facts.stamp
        )


def _part(part: LiveSegment, known: Arrays) -> SnapshotPart:
    changing = {"alive": part.alive.mask(), **known}
    return SnapshotPart(part.segment, part.segment.arrays, changing)
