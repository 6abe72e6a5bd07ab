"""All of a register as it stands at one moment, to be looked at and not changed.

Everything is read in one transaction, so that what was written meanwhile cannot look like damage;
SQLite's write-ahead log grows as long, and PostgreSQL keeps rows that were replaced.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from indexer.damage import Fault
from indexer.marks import Mark
from indexer.register import (
    counters,
    database,
    derived,
    embedding_checks,
    rows,
    schema,
    schema_steps,
    word_search,
)
from indexer.register.among import among
from models.errors import MarkLensError

_PAGE = 500  # marks read at once
# What reading rows raises that somebody altered; of the last those that `_is_of_rows` knows.
_UNREADABLE = (*derived.UNREADABLE, MarkLensError, sa.exc.DBAPIError)


class Page(NamedTuple):
    """Live marks whose sequences are in a span.

    Attributes:
        span: sequences above the first and up to the second.
        rows: columns of `marks`, and `embedding`; those that could be read.
        marks: the same as marks, by number.
        faults: of them, and of those that could not be read.
        unreadable: how many could not be read.
    """

    span: tuple[int, int]
    rows: list[sa.RowMapping]
    marks: dict[int, Mark]
    faults: list[Fault]
    unreadable: int = 0


class Moment:
    """A register at one moment; for one thread.

    Attributes:
        identity: name of the register; None before it was ever used.
        fingerprint: of the network that made the embeddings; None before the first.
        dimension: of a vector.
        sequence: the last committed sequence number.
        count: how many live marks it says there are.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.identity = counters.fact(connection, "identity")
        self.fingerprint = counters.fact(connection, "fingerprint")
        self.dimension = counters.dimension(connection)
        self.sequence = counters.sequence(connection)
        self.count = counters.live_marks(connection)

    def pages(self, examine: Callable[[Page], Iterable[Fault]]) -> Iterator[Page]:
        """The live marks in the order of their sequences, with what is damaged of them.

        Args:
            examine: finds faults beside those of embeddings, codes and words.

        Raises:
            DBAPIError: the database fails.
        """
        marks = schema.marks.c
        wanted = sa.select(marks.sequence).where(rows.LIVE).order_by(marks.sequence).limit(_PAGE)
        last = 0
        while found := self._connection.scalars(wanted.where(marks.sequence > last)).all():
            span = (last, last := found[-1])
            page = self._examined(span, examine)
            yield page if isinstance(page, Page) else self._page_by_one(span, found, examine)

    def _examined(
        self, span: tuple[int, int], examine: Callable[[Page], Iterable[Fault]]
    ) -> Page | Exception:
        """A page with its faults; or why it cannot be read, after which others still can."""
        try:
            with self._connection.begin_nested():
                page = Page(span, *self._read(span), [])
                page.faults.extend([*self._faults_of(page), *examine(page)])
        except _UNREADABLE as error:
            if isinstance(error, sa.exc.DBAPIError) and not _is_of_rows(error):
                raise
            return error
        return page

    def _faults_of(self, page: Page) -> Iterator[Fault]:
        for row in page.rows:
            if row["image_digest"] is None:
                continue
            held = (row["id"], row["embedding"], row["boxes"])
            fault = embedding_checks.fault_of(*held, self.dimension)
            if fault is not None:
                yield fault
        yield from derived.faults_of(self._connection, page.rows)

    def faults_beside(self, entries: int | None) -> Iterator[Fault]:
        """What is damaged apart from marks: words, rows of no mark, counters, watches.

        Args:
            entries: of all pages, as `expected_entries` counts them; None where some are unknown.
        """
        yield from derived.faults_of_terms(self._connection)
        yield from derived.strays(self._connection, entries)
        yield from derived.counter_faults(self._connection)
        yield from self._watch_faults()

    def stamp(self, sequence: int) -> int | None:
        """What tells the writings up to a sequence number from others; see `counters.stamp`."""
        return counters.stamp(self._connection, sequence)

    def sequences_now(self, numbers: Sequence[int]) -> dict[int, int]:
        """Sequences of marks by their numbers, withdrawn ones too."""
        marks = schema.marks.c
        wanted = sa.select(marks.number, marks.sequence).where(among(marks.number, numbers))
        return dict(map(tuple, self._connection.execute(wanted)))

    def pictures(self) -> Iterator[tuple[str, str]]:
        """Digest of each picture that is referred to, ascending, and one that refers to it."""
        marks, signs = schema.marks.c, schema.watched_signs.c
        named = sa.union_all(
            sa.select(marks.image_digest, marks.id.label("of")).where(
                rows.LIVE, marks.image_digest.is_not(None)
            ),
            sa.select(signs.image_digest, (sa.literal("watch ") + signs.watch).label("of")),
        ).subquery()
        digest: sa.ColumnElement[str] = named.c.image_digest
        if self._connection.dialect.name == "postgresql":
            digest = sa.collate(digest, "C")
        wanted = sa.select(digest, sa.func.min(named.c.of)).group_by(digest).order_by(digest)
        streamed = self._connection.execution_options(yield_per=10_000)
        yield from map(tuple, streamed.execute(wanted))

    def _read(self, span: tuple[int, int]) -> tuple[list[sa.RowMapping], dict[int, Mark]]:
        table, embeddings = schema.marks, schema.mark_embeddings.c
        within = sa.and_(table.c.sequence > span[0], table.c.sequence <= span[1])
        wanted = sa.select(table, embeddings.embedding).outerjoin(
            schema.mark_embeddings, embeddings.mark_id == table.c.id
        )
        found = self._connection.execute(
            wanted.where(rows.LIVE, within).order_by(table.c.sequence)
        ).mappings()
        return list(found), rows.read_marks(self._connection, within)

    def _page_by_one(
        self,
        span: tuple[int, int],
        sequences: Sequence[int],
        examine: Callable[[Page], Iterable[Fault]],
    ) -> Page:
        page = Page(span, [], {}, [])
        for sequence in sequences:
            one = self._examined((sequence - 1, sequence), examine)
            if isinstance(one, Page):
                page.rows.extend(one.rows)
                page.marks.update(one.marks)
                page.faults.extend(one.faults)
            else:
                says = f"{type(one).__name__}: {getattr(one, 'orig', None) or one}"
                page.faults.append(Fault("mark-unreadable", self._id_at(sequence), says))
        return page._replace(unreadable=len(sequences) - len(page.rows))

    def _id_at(self, sequence: int) -> str:
        wanted = sa.select(schema.marks.c.id).where(schema.marks.c.sequence == sequence)
        return str(self._connection.scalar(wanted))

    def _watch_faults(self) -> Iterator[Fault]:
        watches, signs, events = schema.watches.c, schema.watched_signs.c, schema.watch_events.c
        ahead = sa.select(watches.name).where(watches.checked > self.sequence)
        for name in self._connection.scalars(ahead):
            yield Fault("watch", name, "says that marks were compared that are not written yet")
        for sign in self._connection.execute(sa.select(schema.watched_signs)):
            held = (sign.label, sign.vectors, sign.boxes)
            is_mine = sign.fingerprint == self.fingerprint  # else it is encoded again
            if is_mine and embedding_checks.fault_of(*held, self.dimension) is not None:
                yield Fault("watch", sign.watch, f"the embedding of {sign.label} is damaged")
        for column, of in ((signs.mark_id, signs.watch), (events.mark_id, events.watch)):
            known = sa.select(schema.marks.c.id).where(schema.marks.c.id == column).exists()
            lost = sa.select(of, column).where(column.is_not(None), ~known).distinct()
            for name, mark_id in self._connection.execute(lost):
                yield Fault("watch", name, f"refers to {mark_id}, which the register never had")
        other = sa.select(events.watch, signs.watch).join(
            schema.watched_signs, signs.id == events.sign
        )
        for name, owner in self._connection.execute(other.where(events.watch != signs.watch)):
            yield Fault("watch", name, f"has an event of a sign of {owner}")


@contextmanager
def open_moment(url: str) -> Iterator[Moment]:
    """Open a register as it stands now.

    Raises:
        DatabaseUnavailable: it cannot be read, there is none, or its schema is not the newest.
    """
    with _engine(url) as engine:
        postgresql = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        options = postgresql if engine.dialect.name == "postgresql" else {}
        with engine.connect() as connection, connection.execution_options(**options).begin():
            database.wait_without_end(connection)
            yield Moment(connection)


def database_faults(url: str) -> Iterator[Fault]:
    """What SQLite finds damaged in its own file; PostgreSQL has `pg_amcheck` for that.

    Its index of trigrams is checked with the right to write, which is given back at once, and only
    in a file that is whole.
    """
    with _engine(url) as engine:
        if engine.dialect.name != "sqlite":
            return
        with engine.connect() as connection:
            try:
                says = connection.exec_driver_sql("PRAGMA integrity_check(100)").scalars().all()
            except sa.exc.DatabaseError as error:
                if not word_search.is_corrupt(error):
                    raise
                says = [str(error.orig)]
            connection.rollback()
            if says != ["ok"]:
                yield from (Fault("database", "SQLite", str(one)) for one in says)
                return
            connection.exec_driver_sql("PRAGMA query_only = OFF")
            connection.rollback()
            if not word_search.is_sound(connection):
                yield Fault(
                    "words", "mark_words", "the index of parts of texts disagrees with marks"
                )
            connection.rollback()


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    parsed = database.parse_url(url)
    engine = database.create_engine(parsed, create=False)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _only_read)
    try:
        with database.plain_errors(parsed):
            schema_steps.require_newest(engine)
            yield engine
    finally:
        engine.dispose()


def _is_of_rows(error: sa.exc.DBAPIError) -> bool:
    """Whether a value is at fault, as a text that is no UTF-8, and not the database or its disk."""
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state.startswith(("22", "XX"))  # data exception; what is damaged within
    return isinstance(error.orig, sqlite3.Error) and not hasattr(error.orig, "sqlite_errorcode")


def _only_read(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA temp_store = FILE")  # sorting all pictures takes no memory
