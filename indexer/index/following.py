"""What follows the register and shows its marks to searches, wherever their vectors are."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.marks import CodeSource, Facets
from indexer.query import Filter
from indexer.register.listing import FacetCounts
from models.encoder import Block
from models.vienna import ViennaCode

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """What a follower knows and does.

    Attributes:
        index: what compares the vectors.
        sequence: the last change searches see.
        committed: the register's last change, when it was last asked.
        live: marks, found by picture or not.
        total: marks that can be found.
        segments: segments they are spread over.
        saved: sequence of the snapshot this process last read or wrote; None without.
        following: whether the background thread runs.
        error: why following fails at the moment; None while all is well.
        merge_error: why merging segments failed last; None while all is well.
    """

    index: str
    sequence: int
    committed: int
    live: int
    total: int
    segments: int
    saved: int | None
    following: bool
    error: str | None
    merge_error: str | None = None


class View(Protocol):
    """The register as of one sequence number, as an index holds it."""

    @property
    def sequence(self) -> int:
        """The last change it knows."""

    @property
    def total(self) -> int:
        """Marks that can be found."""

    def whole_vectors(
        self, sequences: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """Vectors (m, d) of the whole signs written under some sequences, and which those are."""


class RegisterIndex(Protocol):
    """The register's searchable state; safe to share by threads.

    `indexer.index.follower.Follower` holds it in memory, `indexer.index.milvus.MilvusFollower` on a
    server. `indexer.search.allowed` compares what their views show.
    """

    dimension: int

    @property
    def index_name(self) -> str:
        """What compares the vectors."""

    @property
    def status(self) -> FollowerStatus:
        """What it knows and does."""

    def view(self) -> View:
        """The state searches see now; empty before the first `refresh`."""

    def refresh(self) -> View:
        """Replay what the register has committed until now."""

    def refresh_briefly(self) -> View:
        """Replay what the register has committed, or leave much of it to the background thread."""

    def rebuild(self) -> View:
        """Forget everything and read the register from its beginning."""

    def save_snapshot(self) -> None:
        """Write what is held in memory alone to disk."""

    def measure(self, blocks: Sequence[Block]) -> None:
        """Get ready for searches with these blocks."""

    def start(self, poll_s: float = 1.0) -> None:
        """Follow in the background, asking every `poll_s` seconds."""

    def stop(self) -> None:
        """End the background threads, if they run."""

    def code_counts(self, source: CodeSource) -> dict[ViennaCode, int]:
        """Live marks that have each code or anything below it; see `Register.code_counts`."""

    def facets(self) -> Facets:
        """What live marks have to filter by."""

    def count_passing(
        self, wanted: Filter, among: NDArray[np.int64] | None, with_pictures: bool
    ) -> FacetCounts:
        """Count the marks that pass a filter: see `indexer.index.facets.count_passing`."""


class Polling:
    """Looks for changes every so many seconds, in a thread.

    Attributes:
        error: why looking fails at the moment; None while all is well.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._thread: Thread | None = None
        self.stopping = Event()
        self.error: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, poll_s: float) -> None:
        """Begin."""
        self.stopping.clear()
        self._thread = Thread(
            target=self._work, args=(poll_s,), name="marklens-follower", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the thread, if it runs."""
        self.stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self, poll_s: float) -> None:
        while not self.stopping.wait(poll_s):
            try:
                self._look()
                self.error = None
            except Exception as error:
                # The thread outlives whatever goes wrong, and says it once, not every second.
                if self.error != str(error):
                    logger.exception("following the register failed, trying again")
                self.error = str(error)
