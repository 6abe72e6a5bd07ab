"""Rows of watches: named lists of signs, and the marks that came near them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from indexer.errors import BadWatch, UnknownWatch
from indexer.register import audit, counters, schema
from indexer.register.runs import aware
from indexer.register.stored_embeddings import STORED, STORED_BOXES
from indexer.register.watch_news import WatchNews
from models.encoder import Embedding
from models.vienna import ViennaCode

MAX_NUMBER = 2**63 - 1  # of an event, and of any that SQL compares it with
_Open = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class WatchedSign:
    """One sign of a watch.

    Attributes:
        id: its number.
        label: a mark's id, or a picture's name.
        mark_id: of a mark of the register, which does not come near itself; None for a picture.
        image_digest: of its picture in the image store.
        fingerprint: of the network that made the embedding.
        embedding: what marks are compared with.
        shown: how surely it shows each Vienna code, 0 to 1; None where that was never noted.
    """

    id: int
    label: str
    mark_id: str | None
    image_digest: str
    fingerprint: str
    embedding: Embedding
    shown: Mapping[ViennaCode, float] | None = None


@dataclass(frozen=True)
class Watch:
    """A named list of signs.

    Attributes:
        name: of the list.
        threshold: score from which a mark is near.
        asked: filter and weights, as the fields of a form.
        webhook: address that is told; None without.
        feed_key: secret part of the feed's address.
        checked: marks written up to this sequence were compared.
        created: when it was made.
        failures: of the webhook since it was last reached.
        next_try: when the webhook is tried again.
        last_error: why it was not reached.
        signs: what is watched.
        read_upto: number of the last event that somebody read.
        unread: how many came after it.
    """

    name: str
    threshold: float
    asked: Mapping[str, Any]
    webhook: str | None
    feed_key: str
    checked: int
    created: datetime
    failures: int
    next_try: datetime | None
    last_error: str | None
    signs: tuple[WatchedSign, ...]
    read_upto: int = 0
    unread: int = 0


@dataclass(frozen=True)
class NearMark:
    """A mark that scores at least the threshold.

    Attributes:
        sign: number of the watched sign.
        mark_id: of the mark.
        image_digest: of the mark's picture.
        sequence: of the change that wrote the mark.
        score: as the ranking gives it.
    """

    sign: int
    mark_id: str
    image_digest: str
    sequence: int
    score: float


@dataclass(frozen=True)
class WatchEvent:
    """A mark that came near a watched sign.

    Attributes:
        id: rising number, which no other event ever gets.
        watch: name of the list.
        sign: label of the watched sign.
        mark_id: of the mark.
        sequence: of the change that wrote the mark.
        score: as the ranking gives it.
        found: when it was compared.
        is_read: whether somebody read it.
    """

    id: int
    watch: str
    sign: str
    mark_id: str
    sequence: int
    score: float
    found: datetime
    is_read: bool


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
            for sign in watch.signs:
                number = counters.take_number(connection, schema.watched_signs)
                values = {"watch": watch.name, **number, **_columns(sign)}
                connection.execute(sa.insert(schema.watched_signs).values(values))

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
                signs.setdefault(row["watch"], []).append(_sign(row))
            found = sa.select(watches, _UNREAD).where(lists).order_by(watches.c.name)
            rows = connection.execute(found).mappings()
            return [_watch(row, signs.get(row["name"], [])) for row in rows]

    def replace_embedding(self, sign: WatchedSign) -> None:
        """Store a sign's embedding by another network."""
        table = schema.watched_signs
        changed = sa.update(table).where(table.c.id == sign.id).values(_columns(sign))
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
            return [_event(row) for row in connection.execute(wanted).mappings()]

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


def _columns(sign: WatchedSign) -> dict[str, Any]:
    embedding = sign.embedding
    return {
        "label": sign.label,
        "mark_id": sign.mark_id,
        "image_digest": sign.image_digest,
        "fingerprint": sign.fingerprint,
        "vectors": np.ascontiguousarray(embedding.vectors, STORED).tobytes(),
        "boxes": np.ascontiguousarray(embedding.boxes, STORED_BOXES).tobytes(),
        "places": embedding.places,
        "codes": sign.shown and {str(code): share for code, share in sign.shown.items()},
    }


def _sign(row: sa.RowMapping) -> WatchedSign:
    boxes = np.frombuffer(row["boxes"], STORED_BOXES).reshape(-1, 4).astype(np.float32)
    vectors = np.frombuffer(row["vectors"], STORED).reshape(len(boxes), -1).astype(np.float16)
    names = ("id", "label", "mark_id", "image_digest", "fingerprint")
    embedding = Embedding(vectors, boxes, row["places"])
    held = row["codes"]
    shown = held and {ViennaCode.parse(code): share for code, share in held.items()}
    return WatchedSign(**{name: row[name] for name in names}, embedding=embedding, shown=shown)


def _watch(row: sa.RowMapping, signs: Sequence[WatchedSign]) -> Watch:
    next_try = row["next_try"]
    return Watch(
        **{
            **row,
            "created": aware(row["created"]),
            "next_try": None if next_try is None else aware(next_try),
            "signs": tuple(signs),
        }
    )


def _event(row: sa.RowMapping) -> WatchEvent:
    names = ("id", "watch", "mark_id", "sequence", "score", "is_read")
    values = {name: row[name] for name in names}
    return WatchEvent(**values, sign=row["label"], found=aware(row["found"]))
