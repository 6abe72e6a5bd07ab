"""A server's thread that compares new marks with the watches, whoever wrote them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from indexer.errors import BadWatch
from search_api.marklens import MarkLens
from search_api.watch.watching import Watching

logger = logging.getLogger(__name__)
_DELIVER_EVERY = 10  # looks at the register between two tries of webhooks that were not reached


@contextmanager
def watching(marklens: MarkLens) -> Iterator[None]:
    """Compare new marks and tell webhooks in the background while the block runs."""
    stopping = Event()
    thread = Thread(target=_watch, args=(marklens, stopping), name="marklens-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _watch(marklens: MarkLens, stopping: Event) -> None:
    watches = Watching(marklens)
    seen, looks, error_said = -1, 0, ""
    while not stopping.wait(marklens.settings.poll_s):
        try:
            now = marklens.register.sequence()
            if now != seen:
                watches.check()
            elif looks % _DELIVER_EVERY == 0:
                watches.deliver()
            seen, error_said = now, ""
        except Exception as error:
            if isinstance(error, BadWatch):  # all others are compared
                seen = now
            # The thread outlives whatever goes wrong, and says it once, not every second.
            if error_said != str(error):
                logger.exception("comparing new marks with the watches failed, trying again")
            error_said = str(error)
        looks += 1
