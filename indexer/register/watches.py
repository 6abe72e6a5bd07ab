"""Rows of watches: named lists of signs, and the marks that came near them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from indexer.errors import BadWatch, UnknownWatch
from indexer.register import audit, counters, schema
from indexer.register.watch_news import WatchNews
from indexer.register.watch_rows import (
    NearMark,
    Watch,
    WatchedSign,
    WatchEvent,
    columns_of,
    event_of,
    sign_of,
    watch_of,
)

MAX_NUMBER = 2**63 - 1  # of an event, and of any that SQL compares it with
_Open = Callable[[], AbstractContextManager[Connection]]


class Watches:
    """The watches of a register."""

    def __init__(self, reading: _Open, writing: _Open) -> None:
        self._reading, self._writing = reading, writing

    def add(self, watch: Watch) -> None:
        """Make a list, with its signs.

        Raises:
            BadWatch: there is one of this name.
        """
        table = schema.watches
        with self._writing() as connection:
            if connection.scalar(sa.select(table.c.name).where(table.c.name == watch.name)):
                raise BadWatch(f"there is a watch {watch.name!r} already; remove it first")
            audit.note(connection, "create watch", watch.name)
            values = {one.name: getattr(watch, one.name) for one in table.columns}
            connection.execute(sa.insert(table).values(values))
            _add_signs(connection, watch.name, watch.signs)

    def change(
        self,
        name: str,
        values: Mapping[str, Any],
        added: Sequence[WatchedSign],
        removed: Sequence[WatchedSign],
    ) -> None:
        """Change a list; what removed signs found is deleted with them.

        Args:
            name: of the list.
            values: `threshold` and `webhook`, where they change. A list that had no webhook tells
                it only of what comes from now on.
            added: more signs.
            removed: signs of it.

        Raises:
            UnknownWatch: there is none of this name.
        """
        table, signs, events = schema.watches, schema.watched_signs, schema.watch_events
        gone = [sign.id for sign in removed]
        with self._writing() as connection:
            held = connection.execute(
                sa.select(table.c.webhook).where(table.c.name == name)
            ).first()
            if held is None:
                raise UnknownWatch(name)
            audit.note(connection, "change watch", name)
            connection.execute(sa.delete(events).where(events.c.sign.in_(gone)))
            connection.execute(sa.delete(signs).where(signs.c.id.in_(gone)))
            _add_signs(connection, name, added)
            if values:
                connection.execute(sa.update(table).where(table.c.name == name).values(values))
            if "webhook" in values:
                _set_try(connection, name, 0, None, None)
                if held.webhook is None:
                    past = sa.update(events).where(events.c.watch == name)
                    connection.execute(past.values(delivered=True))

    def remove(self, name: str) -> None:
        """Delete a list with its signs and what came near.

        Raises:
            UnknownWatch: there is none of this name.
        """
        with self._writing() as connection:
            for table in (schema.watch_events, schema.watched_signs):
                connection.execute(sa.delete(table).where(table.c.watch == name))
            done = connection.execute(
                sa.delete(schema.watches).where(schema.watches.c.name == name)
            )
            if not done.rowcount:
                raise UnknownWatch(name)
            audit.note(connection, "remove watch", name)

    def all(self) -> list[Watch]:
        """Every list, by name."""
        return self._found(sa.true(), sa.true())

    def get(self, name: str) -> Watch:
        """One list.

        Raises:
            UnknownWatch: there is none of this name.
        """
        found = self._found(schema.watches.c.name == name, schema.watched_signs.c.watch == name)
        if not found:
            raise UnknownWatch(name)
        return found[0]

    def picture(self, name: str, sign: int) -> str:
        """Digest of a sign's picture.

        Raises:
            UnknownWatch: there is no list of this name, or it has no such sign.
        """
        signs = schema.watched_signs.c
        wanted = sa.select(signs.image_digest).where(signs.watch == name, signs.id == sign)
        with self._reading() as connection:
            digest: str | None = connection.scalar(wanted)
        if digest is None:
            raise UnknownWatch(name)
        return digest

    def _found(
        self, lists: sa.ColumnElement[bool], of_lists: sa.ColumnElement[bool]
    ) -> list[Watch]:
        """Some lists by name, and the signs of them."""
        watches, table = schema.watches, schema.watched_signs
        wanted = sa.select(table).where(of_lists).order_by(table.c.id)
        with self._reading() as connection:
            signs: dict[str, list[WatchedSign]] = {}
            for row in connection.execute(wanted).mappings():
                signs.setdefault(row["watch"], []).append(sign_of(row))
            found = sa.select(watches, _UNREAD).where(lists).order_by(watches.c.name)
            rows = connection.execute(found).mappings()
            return [watch_of(row, signs.get(row["name"], [])) for row in rows]

    def replace_embedding(self, sign: WatchedSign) -> None:
        """Store a sign's embedding by another network."""
        table = schema.watched_signs
        changed = sa.update(table).where(table.c.id == sign.id).values(columns_of(sign))
        with self._writing() as connection:
            connection.execute(changed)

    def note(self, watch: str, upto: int, found: Sequence[NearMark], now: datetime) -> int:
        """Write what came near, and up to where marks were compared, in one transaction.

        Args:
            watch: name of the list.
            upto: sequence of the last mark that was compared.
            found: a mark that came near the sign before, with the same picture, is not new.
            now: when.

        Returns:
            How many are new.
        """
        table = schema.watches
        with self._writing() as connection:
            if connection.scalar(sa.select(table.c.name).where(table.c.name == watch)) is None:
                return 0  # removed meanwhile
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            signs = schema.watched_signs.c
            held = set(connection.scalars(sa.select(signs.id).where(signs.watch == watch)))
            new = 0
            for one in found:
                if one.sign not in held:  # of a list of this name that was removed meanwhile
                    continue
                number = counters.take_number(connection, schema.watch_events)
                values = {**number, **asdict(one), "watch": watch, "found": now, "delivered": False}
                event = dialect.insert(schema.watch_events).values(values)
                added = event.on_conflict_do_nothing().returning(schema.watch_events.c.id)
                new += len(connection.execute(added).all())
            connection.execute(
                sa.update(table)
                .where(table.c.name == watch, table.c.checked < upto)
                .values(checked=upto)
            )
        return new

    def events(
        self, watch: str, after: int | None = None, limit: int = 100, *, undelivered: bool = False
    ) -> list[WatchEvent]:
        """What came near a list, the newest first; after a number the oldest first.

        Args:
            watch: name of the list.
            after: only events with a higher number, the oldest first: who asks again after the
                last one that was answered misses none.
            limit: at most so many.
            undelivered: only those that the webhook has not got.
        """
        events, signs, lists = schema.watch_events, schema.watched_signs, schema.watches
        wanted = (
            sa.select(events, signs.c.label, (events.c.id <= lists.c.read_upto).label("is_read"))
            .join(signs, signs.c.id == events.c.sign)
            .join(lists, lists.c.name == events.c.watch)
            .where(events.c.watch == watch, events.c.id > (after or 0))
            .order_by(events.c.id.desc() if after is None else events.c.id)
            .limit(limit)
        )
        if undelivered:
            wanted = wanted.where(events.c.delivered.is_(False))
        with self._reading() as connection:
            return [event_of(row) for row in connection.execute(wanted).mappings()]

    def news(self) -> WatchNews:
        """What comes near any list from now on."""
        return WatchNews(self._reading)

    def read(self, watch: str, upto: int | None = None) -> None:
        """Note that what came near was read.

        Args:
            watch: name of the list.
            upto: number of the last event that was read, the newest where None; what was read
                before stays so.

        Raises:
            UnknownWatch: there is none of this name.
        """
        lists, events = schema.watches.c, schema.watch_events.c
        newest = sa.select(sa.func.max(events.id)).where(events.watch == watch)
        if upto is not None:  # no further than what is there: what comes next was not read
            newest = newest.where(events.id <= upto)
        with self._writing() as connection:
            if connection.scalar(sa.select(lists.name).where(lists.name == watch)) is None:
                raise UnknownWatch(watch)
            last = connection.scalar(newest) or 0
            # Compared in SQL: another reader may have gone further since.
            connection.execute(
                sa.update(schema.watches)
                .where(lists.name == watch, lists.read_upto < last)
                .values(read_upto=last)
            )

    def delivered(self, watch: str, ids: Sequence[int]) -> None:
        """Note that the webhook got some events."""
        events = schema.watch_events
        with self._writing() as connection:
            connection.execute(sa.update(events).where(events.c.id.in_(ids)).values(delivered=True))
            _set_try(connection, watch, 0, None, None)

    def failed(self, watch: str, failures: int, next_try: datetime, error: str) -> None:
        """Note that the webhook was not reached, and when to try again."""
        with self._writing() as connection:
            _set_try(connection, watch, failures, next_try, error)


def _add_signs(connection: Connection, watch: str, signs: Sequence[WatchedSign]) -> None:
    for sign in signs:
        number = counters.take_number(connection, schema.watched_signs)
        values = {"watch": watch, **number, **columns_of(sign)}
        connection.execute(sa.insert(schema.watched_signs).values(values))


_UNREAD = (
    sa.select(sa.func.count())
    .where(schema.watch_events.c.watch == schema.watches.c.name)
    .where(schema.watch_events.c.id > schema.watches.c.read_upto)
    .scalar_subquery()
    .label("unread")
)


def _set_try(
    connection: Connection, watch: str, failures: int, next_try: datetime | None, error: str | None
) -> None:
    table = schema.watches
    connection.execute(
        sa.update(table)
        .where(table.c.name == watch)
        .values(failures=failures, next_try=next_try, last_error=error)
    )
