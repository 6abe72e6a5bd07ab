"""Threads of a server: new marks are compared with the watches, and webhooks told.

They are two, so that no webhook that is slow to answer keeps new marks from being compared.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event

from indexer.errors import BadWatch
from search_api.beside import beside
from search_api.marklens import MarkLens
from search_api.watch.watching import Watching

logger = logging.getLogger(__name__)
_DELIVER_EVERY = 10  # looks at the register between two tries of webhooks that were not reached
_LAST_S = 1.0  # that a server which ends gives a webhook; it is told again after the next start


@contextmanager
def watching(marklens: MarkLens) -> Iterator[None]:
    """Compare new marks and tell webhooks in the background while the block runs."""
    watches, news = Watching(marklens), Event()
    comparing = partial(_repeat, _Comparing(marklens, watches, news), marklens.settings.poll_s)
    telling = partial(_repeat, _Telling(watches, news), marklens.settings.poll_s)
    with beside("watch", comparing), beside("webhooks", telling, _LAST_S):
        yield


class _Comparing:
    """Compares what was written since the last look."""

    def __init__(self, marklens: MarkLens, watches: Watching, news: Event) -> None:
        self._marklens, self._watches, self._news = marklens, watches, news
        self._seen = -1

    def __call__(self, is_stopping: Callable[[], bool]) -> None:
        now = self._marklens.register.sequence()
        if now == self._seen:
            return
        try:
            self._watches.compare(is_stopping)
        except BadWatch:  # all others are compared
            self._seen = now
            raise
        finally:
            self._news.set()
        self._seen = now


class _Telling:
    """Tells webhooks what is new, and now and then again those that were not reached."""

    def __init__(self, watches: Watching, news: Event) -> None:
        self._watches, self._news = watches, news
        self._looks = 0

    def __call__(self, is_stopping: Callable[[], bool]) -> None:
        self._looks += 1
        if self._news.is_set() or self._looks % _DELIVER_EVERY == 0:
            self._news.clear()
            self._watches.deliver(is_stopping)


def _repeat(work: Callable[[Callable[[], bool]], None], poll_s: float, stopping: Event) -> None:
    """Work again and again; the thread outlives whatever goes wrong, and says it once."""
    error_said = ""
    while not stopping.wait(poll_s):
        try:
            work(stopping.is_set)
            error_said = ""
        except Exception as error:
            if error_said != str(error):
                logger.exception("work on the watches failed, trying again")
            error_said = str(error)
