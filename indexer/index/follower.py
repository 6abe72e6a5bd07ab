"""Follows the register: replays its changes by sequence into views that searches hold.

The database is the truth and this is a cache of it. A follower starts from the snapshot on disk
where that can be believed, else from nothing, replays what is newer, and swaps one pointer. Any
number of processes follow one database; they share nothing but that and the snapshot's folder.
"""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch, SnapshotDamaged
from indexer.index.drafts import SegmentDraft
from indexer.index.facets import count_codes, count_facets, count_passing
from indexer.index.following import FollowerStatus, Polling
from indexer.index.merging import LiveView, Merger, grown
from indexer.index.segments import ReadView, bounds_of
from indexer.index.vectors import IndexChoice, open_builder
from indexer.index.view_store import ViewStore
from indexer.marks import Change, CodeSource, Facets
from indexer.query import Filter
from indexer.register import Register
from indexer.register.listing import FacetCounts
from models.encoder import Block
from models.errors import MarkLensError
from models.vienna import ViennaCode

logger = logging.getLogger(__name__)

_CHUNK = 5_000  # changes read at once: 5 MB of embeddings
_SAVE_AFTER = 5_000  # changes after which replaying costs more than saving
_BRIEFLY = 300  # changes that a search in want of them replays itself: 15 ms
_PATIENCE_S = 0.02  # how long such a search waits for another thread that replays


@contextmanager
def _without_collection() -> Iterator[None]:
    """Collect no garbage: of a chunk's objects none is in a cycle, and looking takes a quarter."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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
        network = (fingerprint, dimension)
        self._store: ViewStore | None = None
        if folder is not None:
            self._store = ViewStore(folder, register, network, self._build)
        self._live = LiveView(self._build)
        self._merger = Merger(self._live, self._build, self._on_merged)
        self._committed = 0
        self._saved: int | None = None
        self._in_file: ReadView | None = None  # what the snapshot holds, in the same segments
        self._tried = 0
        self._is_loaded = False
        self._refreshing, self._saving = Lock(), Lock()
        self._polling = Polling(self._look)

    @property
    def index_name(self) -> str:
        """What compares most of the vectors."""
        largest = max(self._live.now.parts, key=lambda part: part.count, default=None)
        return self._empty_name if largest is None else largest.segment.vectors.name

    def view(self) -> ReadView:
        """The state searches see now; empty before the first `refresh`."""
        return self._live.now

    def view_of(self, changes: Sequence[Change], sequence: int) -> ReadView:
        """A view of the marks of some changes alone, apart from what searches see.

        Args:
            changes: in the order of their sequence.
            sequence: of the last of them.

        Raises:
            FingerprintMismatch: an embedding has another dimension than the index.
        """
        draft = SegmentDraft(self.dimension, len(changes))
        draft.add(changes)
        return grown(ReadView(bounds=self._live.now.bounds), draft, sequence, self._build)

    @property
    def status(self) -> FollowerStatus:
        """What this follower knows and does."""
        view = self._live.now
        return FollowerStatus(
            index=self.index_name,
            sequence=view.sequence,
            committed=max(self._committed, view.sequence),
            live=view.total + sum(part.count for part in view.without_vectors),
            total=view.total,
            segments=len(view.parts),
            saved=self._saved,
            following=self._polling.is_running,
            error=self._polling.error,
            merge_error=self._merger.error,
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
                self._open()
            else:
                self._catch_up()
            self._is_loaded = True
        if is_first:
            self._save_if_due()
        return self._live.now

    def refresh_briefly(self) -> ReadView:
        """Replay what the register has committed, or leave much of it to the background thread.

        For a search that met a newer mark: it must not wait for a bulk load to be replayed.

        Raises:
            DatabaseUnavailable, FingerprintMismatch: as in `refresh`.
        """
        if not self._polling.is_running:
            return self.refresh()
        if self._refreshing.acquire(timeout=_PATIENCE_S):
            try:
                if 0 < self._register.sequence() - self._live.now.sequence <= _BRIEFLY:
                    self._catch_up()
            finally:
                self._refreshing.release()
        return self._live.now

    def rebuild(self) -> ReadView:
        """Forget everything, read the register from its beginning and merge all that needs it.

        Searches go on meanwhile.

        Raises:
            DatabaseUnavailable, FingerprintMismatch: as in `refresh`.
        """
        with self._refreshing:
            self._begin_anew()
            self._is_loaded = True
        if not self._merger.is_running:
            self._merger.settle()
        return self._live.now

    def code_counts(self, source: CodeSource) -> dict[ViennaCode, int]:
        """Live marks that have each code or anything below it; see `Register.code_counts`.

        Counted in the view while it follows the register, which takes milliseconds, and else in
        the register.
        """
        if not self._polling.is_running:
            return self._register.code_counts(source)
        return count_codes(self._live.now, source)

    def facets(self) -> Facets:
        """What live marks have to filter by; see `code_counts`."""
        return count_facets(self._live.now) if self._polling.is_running else self._register.facets()

    def count_passing(
        self, wanted: Filter, among: NDArray[np.int64] | None, with_pictures: bool
    ) -> FacetCounts:
        """Count the marks that pass a filter, by each value of each facet: see `facets`.

        Its texts are looked for in the register.
        """
        for of, text in wanted.texts:
            found = self._register.numbers_with_text(text, of)
            among = found if among is None else np.intersect1d(among, found)
        return count_passing(self._live.now, wanted, among, with_pictures)

    def measure(self, blocks: Sequence[Block]) -> None:
        """Compute the length error of every segment now, unless a snapshot holds it.

        See `Segment.length_error`; that of later rows is computed as they come.
        """
        bounds = bounds_of(blocks)
        if self._live.now.bounds != bounds:
            self._live.measure(bounds)

    def start(self, poll_s: float = 1.0) -> None:
        """Follow in a background thread, asking every `poll_s` seconds; again does nothing.

        A second thread merges segments. Without them a refresh only adds segments and merges
        small ones.
        """
        if self._polling.is_running:
            return
        self._polling.start(poll_s)
        self._merger.start()

    def stop(self) -> None:
        """End the background threads, if they run, and save what the snapshot lacks."""
        self._polling.stop()
        self._merger.stop()
        if self._is_loaded and self._live.now is not self._in_file:
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
            view = self._live.now
            self._store.save(view)
            self._saved, self._in_file = view.sequence, view

    def _look(self) -> None:
        self.refresh()
        self._save_if_due()

    def _on_merged(self, rows: int) -> None:
        """Save a snapshot soon after a large merge, which took long to make."""
        if rows >= _SAVE_AFTER:
            self._try_to_save()

    def _catch_up(self) -> None:
        sequence, view = self._register.sequence(), self._live.now
        self._committed = sequence
        if sequence < view.sequence or self._register.stamp(view.sequence) != view.stamp:
            logger.warning(
                "the register stands at %d, and not where the index at %d comes from: it was "
                "restored or replaced; reading it anew", sequence, view.sequence,
            )  # fmt: skip
            self._begin_anew()
        elif sequence > view.sequence:
            self._live.advance(*self._read(view.sequence))
            self._merger.wake()

    def _begin_anew(self) -> None:
        """Show what the register holds, read from its beginning."""
        empty = ReadView(bounds=self._live.now.bounds)
        draft, sequence, stamp = self._read(0)
        self._live.set(grown(empty, draft, sequence, self._build, stamp=stamp))
        self._merger.wake()

    def _read(self, after: int) -> tuple[SegmentDraft, int, int | None]:
        """Every change the register has committed by now; the last one's sequence and its stamp."""
        bound = self._register.bound()
        if bound is not None and bound != (self._fingerprint, self.dimension):
            raise FingerprintMismatch(
                "The register's embeddings now come from another network than this index: "
                "restart to load it anew."
            )
        expected = max(0, min(self._register.sequence() - after, self._register.count()))
        draft = SegmentDraft(self.dimension, expected)
        sequence = after
        for changes, known in self._changes(after):
            with _without_collection():
                draft.add(changes)
            sequence = max(sequence, known)
        return draft, sequence, self._register.stamp(sequence)

    def _changes(self, after: int) -> Iterator[tuple[list[Change], int]]:
        """Chunks of changes, each with the sequence number up to which all is known then.

        A mark updated during the replay moves to its end, so the end is a chunk that is not full.
        """
        while True:
            committed = self._register.sequence()
            with _without_collection():
                changes = self._register.changes(after, _CHUNK)
            if len(changes) < _CHUNK:
                last = changes[-1].sequence if changes else after
                yield changes, max(last, committed)
                return
            after = changes[-1].sequence
            yield changes, after

    def _open(self) -> None:
        """Show the snapshot and what the register committed since, or all of the register."""
        try:
            saved = ReadView() if self._store is None else self._store.load()
            if self._store is not None and saved.sequence:
                draft, sequence, stamp = self._read(saved.sequence)
                view = grown(saved, draft, sequence, self._build, stamp=stamp)
                self._saved = saved.sequence
                self._in_file = view if view.sequence == saved.sequence else None
                self._live.set(view)
                return
        except SnapshotDamaged as error:
            logger.warning("index snapshot not used, reading the register instead: %s", error)
        self._begin_anew()

    def _save_if_due(self) -> None:
        """Save once enough has changed since the last snapshot, or the last attempt at one."""
        if self._live.now.sequence - max(self._saved or 0, self._tried) >= _SAVE_AFTER:
            self._try_to_save()

    def _try_to_save(self) -> None:
        """Save, unless another process has saved later; failing costs time, never a search."""
        if self._store is None:
            return
        view = self._live.now
        self._tried = view.sequence
        try:
            elsewhere = self._store.saved_by_another(view)
            if elsewhere is None or elsewhere == self._saved:
                self.save_snapshot()
            else:
                self._saved, self._in_file = elsewhere, view
        except (OSError, MarkLensError) as error:
            logger.warning("index snapshot not saved: %s", error)
