"""A limit on how many pictures are looked at at the same time, and on how many may wait."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from search_api.problems import TooBusy


class Places:
    """`running` callers work at once, `waiting` more queue, and the next is turned away.

    Without it a burst of queries would hold one decoded picture each in memory and fill the
    thread pool, so that not even health checks were answered.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._running = BoundedSemaphore(running)
        self._inside = BoundedSemaphore(running + waiting)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place while the body runs.

        Raises:
            TooBusy: every place to wait in is taken.
        """
        if not self._inside.acquire(blocking=False):
            raise TooBusy("Too many pictures wait to be encoded: try again in a few seconds.")
        try:
            with self._running:
                yield
        finally:
            self._inside.release()
