"""Retries while the database is away, so that a restart of it does not end a long run."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from indexer.errors import DatabaseLost

logger = logging.getLogger(__name__)

_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
T = TypeVar("T")


class Retry:
    """Tries again while the connection to the database is lost; safe to share by threads.

    What is asked must bear being done twice: its answer may be what was lost.
    """

    def __init__(self, limit_s: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Set the limits.

        Args:
            limit_s: how long to wait for one answer, seconds.
            stop: asked while waiting; once true it waits no longer.
        """
        self._limit_s, self._stop = limit_s, stop

    def until_done(self, ask: Callable[[], T]) -> T:
        """Return what `ask` returns, calling it again after each lost connection.

        Raises:
            DatabaseLost: the database did not come back in time.
            MarkLensError: whatever else `ask` raises, at once.
        """
        deadline = time.monotonic() + self._limit_s
        pause = _PAUSE_S
        while True:
            try:
                return ask()
            except DatabaseLost as error:
                if time.monotonic() + pause > deadline or self._stop():
                    raise
                logger.warning("%s Trying again in %.1f s.", error, pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
