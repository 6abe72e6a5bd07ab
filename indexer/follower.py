"""Follows the register: replays its changes by sequence into views that searches hold.

The database is the truth and this is a cache of it. A follower starts from the snapshot on disk
where that can be believed, else from nothing, replays what is newer, and swaps one pointer. Any
number of processes follow one database; they share nothing but that and the snapshot's folder.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock, Thread

import numpy as np

from indexer.errors import FingerprintMismatch, SnapshotDamaged
from indexer.marks import Change
from indexer.register import Register
from indexer.segments import LiveSegment, ReadView, Segment, SegmentDraft
from indexer.vectors import IndexChoice, open_builder
from indexer.vectors.snapshot import SnapshotFacts, SnapshotPart, SnapshotStore
from models.errors import MarkLensError

logger = logging.getLogger(__name__)

_CHUNK = 5_000  # changes read at once: 5 MB of embeddings
_SAVE_AFTER = 5_000  # changes after which replaying costs more than saving
_PROBED = 64  # of a snapshot's newest marks, asked for in the register


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """What a follower knows and does.

    Attributes:
        index: what compares the vectors.
        sequence: the last change searches see.
        total: marks that can be found.
        segments: segments they are spread over.
        saved: sequence of the snapshot this process last read or wrote; None without.
        following: whether the background thread runs.
        error: why following fails at the moment; None while all is well.
    """

    index: str
    sequence: int
    total: int
    segments: int
    saved: int | None
    following: bool
    error: str | None


class Follower:
    """The register's searchable state; safe to share by threads."""

    def __init__(
        self,
        register: Register,
        folder: Path | None,
        dimension: int,
        fingerprint: str,
        choice: IndexChoice,
    ) -> None:
        """Prepare; the first `refresh` loads.

        Args:
            register: the truth.
            folder: where the snapshot is; None keeps none.
            dimension: of an embedding.
            fingerprint: of the network that made the embeddings.
            choice: where and how vectors are compared.

        Raises:
            MissingPackage: FAISS is not installed, or CUDA is asked for and not usable.
            MarkLensError: the choice cannot be met on this device.
        """
        self.dimension = dimension
        self._register = register
        self._fingerprint = fingerprint
        self._build = open_builder(choice)
        self._empty_name = self._build(np.zeros((0, dimension), np.float16)).name
        self._store = None if folder is None else SnapshotStore(folder)
        self._view = ReadView()
        self._saved: int | None = None
        self._tried = 0
        self._is_loaded = False
        self._error: str | None = None
        self._refreshing, self._saving = Lock(), Lock()
        self._thread: Thread | None = None
        self._stopping = Event()

    @property
    def index_name(self) -> str:
        """What compares most of the vectors."""
        largest = max(self._view.parts, key=lambda part: part.count, default=None)
        return self._empty_name if largest is None else largest.segment.vectors.name

    def view(self) -> ReadView:
        """The state searches see now; empty before the first `refresh`."""
        return self._view

    @property
    def status(self) -> FollowerStatus:
        """What this follower knows and does."""
        view = self._view
        return FollowerStatus(
            index=self.index_name,
            sequence=view.sequence,
            total=view.total,
            segments=len(view.parts),
            saved=self._saved,
            following=self._thread is not None and self._thread.is_alive(),
            error=self._error,
        )

    def refresh(self) -> ReadView:
        """Replay what the register has committed until now.

        Raises:
            DatabaseUnavailable: the register cannot be read; the view stays.
            FingerprintMismatch: the register now holds embeddings of another network.
        """
        with self._refreshing:
            is_first = not self._is_loaded
            if is_first:
                self._view = self._opened()
            else:
                self._catch_up()
            view = self._view
            self._is_loaded = True
        if is_first:
            self._save_if_due()
        return view

    def rebuild(self) -> ReadView:
        """Forget everything and read the register from its beginning; searches go on meanwhile.

        Raises:
            DatabaseUnavailable, FingerprintMismatch: as in `refresh`.
        """
        with self._refreshing:
            self._view = self._replayed(ReadView())
            self._is_loaded = True
            return self._view

    def start(self, poll_s: float = 1.0) -> None:
        """Follow in a background thread, asking every `poll_s` seconds; again does nothing."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopping.clear()
        self._thread = Thread(
            target=self._follow, args=(poll_s,), name="marklens-follower", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the background thread, if one runs, and save what the snapshot lacks."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._is_loaded and self._view.sequence > (self._saved or 0):
            self._try_to_save()

    def save_snapshot(self) -> None:
        """Write the current view to disk; without a folder, do nothing.

        Raises:
            OSError: the disk refuses; the snapshot before stays.
            DatabaseUnavailable: the register cannot be asked who it is.
        """
        if self._store is None:
            return
        with self._saving:
            view = self._view
            self._store.save(self._facts(view.sequence), [_part(part) for part in view.parts])
            self._saved = view.sequence

    def _follow(self, poll_s: float) -> None:
        while not self._stopping.wait(poll_s):
            try:
                self.refresh()
                self._error = None
            except Exception as error:
                # The thread outlives whatever goes wrong, and says it once, not every second.
                if self._error != str(error):
                    logger.exception("following the register failed, trying again")
                self._error = str(error)
            else:
                self._save_if_due()

    def _catch_up(self) -> None:
        sequence = self._register.sequence()
        if sequence < self._view.sequence:
            logger.warning(
                "the register stands at %d, before the index at %d: it was restored or replaced; "
                "reading it anew", sequence, self._view.sequence,
            )  # fmt: skip
            self._view = self._replayed(ReadView())
        elif sequence > self._view.sequence:
            self._view = self._replayed(self._view)

    def _replayed(self, view: ReadView) -> ReadView:
        """`view` after every change the register has committed by now."""
        bound = self._register.bound()
        if bound is not None and bound != (self._fingerprint, self.dimension):
            raise FingerprintMismatch(
                "The register's embeddings now come from another network than this index: "
                "restart to load it anew."
            )
        draft = SegmentDraft(self.dimension)
        sequence = view.sequence
        for changes, known in self._changes(view.sequence):
            draft.add(changes)
            sequence = max(sequence, known)
        return view.advanced(draft, sequence, self._build)

    def _changes(self, after: int) -> Iterator[tuple[list[Change], int]]:
        """Chunks of changes, each with the sequence number up to which all is known then.

        A mark updated during the replay moves to its end, so the end is a chunk that is not full.
        """
        while True:
            committed = self._register.sequence()
            changes = self._register.changes(after, _CHUNK)
            if len(changes) < _CHUNK:
                last = changes[-1].sequence if changes else after
                yield changes, max(last, committed)
                return
            after = changes[-1].sequence
            yield changes, after

    def _opened(self) -> ReadView:
        """The snapshot and what the register committed since; all of the register without one."""
        try:
            view = self._view_on_disk()
            if view.sequence:
                self._saved = view.sequence
                view = self._replayed(view)
                self._probe(view, self._saved)
        except SnapshotDamaged as error:
            logger.warning("index snapshot not used, reading the register instead: %s", error)
            self._saved, view = None, ReadView()
        return view if view.sequence else self._replayed(view)

    def _view_on_disk(self) -> ReadView:
        """What the snapshot holds; an empty view if there is none.

        Raises:
            SnapshotDamaged: it cannot be believed, or is not of this register and network.
        """
        snapshot = None if self._store is None else self._store.load()
        if self._store is None or snapshot is None:
            return ReadView()
        facts = snapshot.facts
        if facts != self._facts(facts.sequence):
            raise SnapshotDamaged("it was made from another register or for another network")
        if facts.sequence > self._register.sequence():
            raise SnapshotDamaged("it is ahead of the register, which was restored from a backup")
        try:
            parts = [
                LiveSegment.of(Segment.from_arrays(arrays, self._build), arrays["alive"])
                for arrays in snapshot.parts
            ]
        except (KeyError, ValueError) as error:
            raise SnapshotDamaged(f"its arrays do not fit together: {error}") from error
        for part, name in zip(parts, snapshot.names, strict=True):
            self._store.remember(part.segment, name)
        return ReadView(tuple(parts), facts.sequence)

    def _probe(self, view: ReadView, saved: int) -> None:
        """Look up the newest marks that a snapshot brought into a view.

        A register restored from a backup and written to since has the same identity, and perhaps
        a higher sequence, but other marks under the numbers after the backup.

        Raises:
            SnapshotDamaged: the register does not hold those marks.
        """
        newest: dict[str, int] = {}
        for part in view.parts[::-1]:
            rows = part.live_rows()
            rows = rows[part.segment.sequences[rows] <= saved]
            for row in rows[::-1][: _PROBED - len(newest)]:
                newest[part.segment.ids[row]] = int(part.segment.sequences[row])
        held = {mark_id: mark.sequence for mark_id, mark in self._register.marks([*newest]).items()}
        if held != newest and self._register.sequence() == view.sequence:
            raise SnapshotDamaged("the register holds other marks: it was restored from a backup")

    def _facts(self, sequence: int) -> SnapshotFacts:
        identity = self._register.identity()
        return SnapshotFacts(identity, self._fingerprint, self.dimension, sequence)

    def _save_if_due(self) -> None:
        """Save once enough has changed since the last snapshot, or the last attempt at one."""
        if self._view.sequence - max(self._saved or 0, self._tried) >= _SAVE_AFTER:
            self._try_to_save()

    def _try_to_save(self) -> None:
        """Save, unless another process has saved as much; failing costs time, never a search."""
        if self._store is None:
            return
        self._tried = self._view.sequence
        try:
            elsewhere = self._saved_by_another(self._store)
            if elsewhere is None:
                self.save_snapshot()
            else:
                self._saved = elsewhere
        except (OSError, MarkLensError) as error:
            logger.warning("index snapshot not saved: %s", error)

    def _saved_by_another(self, store: SnapshotStore) -> int | None:
        """Sequence of the snapshot on disk, if it is of this register and as new as the view."""
        try:
            facts = store.facts()
        except SnapshotDamaged:
            return None
        if facts is None or facts != self._facts(facts.sequence):
            return None
        is_new = self._view.sequence <= facts.sequence <= self._register.sequence()
        return facts.sequence if is_new else None


def _part(part: LiveSegment) -> SnapshotPart:
    alive = np.ones(len(part.segment), np.bool_) if part.alive is None else part.alive
    return SnapshotPart(part.segment, part.segment.arrays, {"alive": alive})
