"""Keeps a collection on a Milvus server up with the register, and shows it to searches.

Any number of processes follow one register with one collection. Whichever finds it behind writes
the next changes, in turns that the register gives (`RemoteIndexing.turn`), so that no older state
of a mark comes after a newer one. A process may be killed at any moment: what it wrote since the
position is written again, over itself.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from time import sleep

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch, IndexUnavailable
from indexer.index.following import FollowerStatus, Polling
from indexer.index.milvus.address import MilvusAddress
from indexer.index.milvus.collection import Collection, Held
from indexer.index.milvus.entities import entities_of, key_of, unused_keys
from indexer.index.milvus.view import MilvusView
from indexer.marks import Change, CodeSource, Facets
from indexer.query import Filter
from indexer.register import Register
from indexer.register.listing import FacetCounts
from indexer.register.remote import RemoteIndexing
from models.encoder import Block
from models.vienna import ViennaCode

logger = logging.getLogger(__name__)

_CHUNK = 4_000  # changes that are written at once: 40 MB
_CHUNKS = 5  # in one turn
_PROBED = 64  # of the newest marks, compared with the register at the start
_BRIEFLY = 300  # changes that a search in want of them writes itself
_PATIENCE_S = 0.02
_ANOTHERS_TURN_S = 0.1


class MilvusFollower:
    """The register's searchable state on a server; see `indexer.index.following.RegisterIndex`."""

    def __init__(
        self, register: Register, address: MilvusAddress, dimension: int, fingerprint: str
    ) -> None:
        """Prepare; the first `refresh` asks the server.

        Args:
            register: the truth.
            address: of the server.
            dimension: of a vector.
            fingerprint: of the network that made the vectors.

        Raises:
            MissingPackage: pymilvus is not installed.
        """
        self.dimension = dimension
        self._register = register
        self._network = (fingerprint, dimension)
        identity = register.identity()
        self._held = Held(identity, fingerprint, address.index)
        name = address.collection or f"marklens_{identity[:16]}"
        self._collection = Collection(address, name, self._held, dimension)
        self._remote = RemoteIndexing(register)
        self._view = MilvusView(0, 0, self._collection, self._remote)
        self._committed = self._live = 0
        self._is_checked = False
        self._refreshing = Lock()
        self._polling = Polling(self._look)

    @property
    def index_name(self) -> str:
        """What compares the vectors."""
        address = self._collection.address
        return f"Milvus {address.index} at {address.uri.partition('//')[2]}"

    @property
    def status(self) -> FollowerStatus:
        """What this follower knows and does."""
        view = self._view
        return FollowerStatus(
            index=self.index_name,
            sequence=view.sequence,
            committed=max(self._committed, view.sequence),
            live=self._live,
            total=view.total,
            segments=0,
            saved=None,
            following=self._polling.is_running,
            error=self._polling.error,
        )

    def view(self) -> MilvusView:
        """The state searches see now; empty before the first `refresh`."""
        return self._view

    def position(self) -> int | None:
        """Up to which change the collection holds the register; None where it holds another.

        Nothing is made or written.

        Raises:
            IndexUnavailable: the server does not answer.
        """
        try:
            held = self._collection.held()
            return self._collection.position() if held == self._held else None
        except IndexUnavailable as error:
            if not error.is_gone:
                raise
            return None

    def refresh(self) -> MilvusView:
        """Bring the collection up with what the register has committed until now.

        Raises:
            DatabaseUnavailable: the register cannot be read; the view stays.
            IndexUnavailable: the server does not answer, or the collection is another one's.
            FingerprintMismatch: the register now holds embeddings of another network.
        """
        with self._refreshing:
            return self._catch_up()

    def refresh_briefly(self) -> MilvusView:
        """Write a few changes that a search misses, or leave many to the background thread.

        Raises:
            DatabaseUnavailable, IndexUnavailable, FingerprintMismatch: as in `refresh`.
        """
        if not self._polling.is_running:
            return self.refresh()
        if self._refreshing.acquire(timeout=_PATIENCE_S):
            try:
                if self._register.sequence() - self._view.sequence <= _BRIEFLY:
                    self._catch_up()
            finally:
                self._refreshing.release()
        return self._view

    def rebuild(self) -> MilvusView:
        """Make the collection anew from the register.

        Searches meanwhile find what is written by then.

        Raises:
            DatabaseUnavailable, IndexUnavailable, FingerprintMismatch: as in `refresh`.
        """
        with self._refreshing:
            with self._turn():
                self._collection.held()  # refuses one that MarkLens did not make
                self._collection.make()
            self._is_checked = True
            return self._catch_up()

    def settle(self) -> None:
        """Wait until the server has indexed what it holds, which it does in time by itself."""
        self._collection.settle()

    def save_snapshot(self) -> None:
        """Do nothing: the server keeps what it was given."""

    def measure(self, blocks: Sequence[Block]) -> None:
        """Do nothing: see `indexer.search.milvus_ranking`."""

    def start(self, poll_s: float = 1.0) -> None:
        """Follow in a background thread, asking every `poll_s` seconds; again does nothing."""
        if not self._polling.is_running:
            self._polling.start(poll_s)

    def stop(self) -> None:
        """End the background thread, if it runs, and the connection."""
        self._polling.stop()
        self._collection.close()

    def code_counts(self, source: CodeSource) -> dict[ViennaCode, int]:
        """Live marks that have each code or anything below it; SQL counts."""
        return self._register.code_counts(source)

    def facets(self) -> Facets:
        """What live marks have to filter by; SQL counts."""
        return self._register.facets()

    def count_passing(
        self, wanted: Filter, among: NDArray[np.int64] | None, with_pictures: bool
    ) -> FacetCounts:
        """Count the marks that pass a filter, by each value of each facet; SQL counts."""
        return self._remote.count_passing(wanted, among, with_pictures)

    def _look(self) -> None:
        """Catch up; also where nothing changed the collection may have been lost."""
        with self._refreshing:
            self._catch_up()

    def _catch_up(self) -> MilvusView:
        """Write until the collection holds what is committed now, or another process has."""
        self._committed = committed = self._register.sequence()
        position = self._checked_position(surely=self._view.sequence < committed)
        while position < committed and not self._polling.stopping.is_set():
            with self._remote.turn() as is_ours:
                if is_ours:
                    self._write_some(self._collection.position())
            if not is_ours:
                sleep(_ANOTHERS_TURN_S)
            position = self._collection.position()
        if position != self._view.sequence:
            total = self._collection.count("")
            self._live = self._register.count()
            self._view = MilvusView(position, total, self._collection, self._remote)
        return self._view

    def _checked_position(self, *, surely: bool) -> int:
        """Where the collection is; one that cannot be believed is made anew before.

        Raises:
            IndexUnavailable: it holds another register, or has another index than is asked for.
        """
        position, reason = self._examined(surely=surely)
        if reason is not None:
            with self._turn():  # in which nobody else writes, or makes it anew
                position, reason = self._examined(surely=True)
                if reason is not None:
                    logger.warning(
                        "%s is made anew from the register: %s", self._collection, reason
                    )
                    self._collection.make()
                    position = 0
        self._is_checked = True
        return position

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the turn to write."""
        while True:
            with self._remote.turn() as is_ours:
                if is_ours:
                    yield
                    return
            sleep(_ANOTHERS_TURN_S)

    def _examined(self, *, surely: bool) -> tuple[int, str | None]:
        """The collection's position; or why it is of no use, in a few words."""
        try:
            if not self._is_checked:
                reason = self._other_than_wanted()
                if reason is not None:
                    return 0, reason
            position = self._collection.position(surely=surely)
        except IndexUnavailable as error:
            if not error.is_gone:
                raise
            return 0, "it is gone, or has lost its contents"
        # Asked afterwards: another process may have written what was committed just now.
        if self._register.sequence() < position:
            return 0, "the register was restored from a backup, or replaced"
        if not self._is_checked and not self._holds_newest(position):
            return 0, "the register holds other marks, it was restored from a backup"
        return position, None

    def _other_than_wanted(self) -> str | None:
        """Why the collection on the server is of no use, judged by what it says of itself."""
        held, wanted = self._collection.held(), self._held
        if held is None:
            return "there is none yet"
        if held.register != wanted.register:
            raise IndexUnavailable(
                f"{self._collection} holds another register: name another collection in "
                "MARKLENS_INDEX, or run `marklens rebuild` to have this register take its place"
            )
        if (held.fingerprint, held.layout) != (wanted.fingerprint, wanted.layout):
            return "it was made for another network or by another version"
        if held.index != wanted.index:
            raise IndexUnavailable(
                f"{self._collection} has an index {held.index}, MARKLENS_INDEX asks for "
                f"{wanted.index}: run `marklens rebuild`"
            )
        return None

    def _holds_newest(self, position: int) -> bool:
        """Whether the newest marks up to a position are in the collection as the register has them.

        A register restored from a backup and written to since has the same identity, and perhaps
        a higher sequence, but other marks under the numbers after the backup.
        """
        changes = self._register.changes(max(0, position - _PROBED), _PROBED, position)
        wanted = {one.number: one.sequence if entities_of(one) else None for one in changes}
        found = self._collection.sequences_of([key_of(number, 0) for number in wanted])
        return all(found.get(key_of(number, 0)) == sequence for number, sequence in wanted.items())

    def _write_some(self, position: int) -> None:
        """Write changes after a position, for one turn."""
        bound = self._register.bound()
        if bound is not None and bound != self._network:
            raise FingerprintMismatch(
                "The register's embeddings now come from another network than this index: "
                "restart to load it anew."
            )
        for _ in range(_CHUNKS):
            committed = self._register.sequence()
            if position >= committed or self._polling.stopping.is_set():
                return
            changes = self._register.changes(position, _CHUNK, committed)
            position = changes[-1].sequence if len(changes) == _CHUNK else committed
            self._write(changes, position)

    def _write(self, changes: Sequence[Change], reached: int) -> None:
        for change in changes:
            if change.embedding is not None and not np.isfinite(change.embedding).all():
                logger.warning("mark %s has an embedding that is not finite: left out", change.id)
        entities = [entity for change in changes for entity in entities_of(change)]
        unused = unused_keys(changes, [entity["key"] for entity in entities])
        self._collection.write(entities, unused, reached)
