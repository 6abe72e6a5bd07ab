"""What comes near the watches from a moment on, whoever compares it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.register import counters, schema


class WatchNews:
    """What comes near from the moment that this is made: found by this process or by a server.

    Of a watch that had not been compared up to then, what was left counts as well.
    """

    def __init__(self, reading: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._reading, lists = reading, schema.watches.c
        with reading() as connection:
            self._now = counters.sequence(connection)
            found = connection.execute(sa.select(lists.name, lists.checked))
            self._since = {name: min(checked, self._now) for name, checked in found}

    def near(self) -> dict[str, set[str]]:
        """Ids of the marks that came near since, by the name of the watch."""
        events = schema.watch_events.c
        oldest = min(self._since.values(), default=self._now)
        wanted = sa.select(events.watch, events.mark_id, events.sequence)
        wanted = wanted.where(events.sequence > oldest).order_by(events.watch)
        near: dict[str, set[str]] = {}
        with self._reading() as connection:
            for watch, mark_id, sequence in connection.execute(wanted):
                if sequence > self._since.get(watch, self._now):
                    near.setdefault(watch, set()).add(mark_id)
        return near
