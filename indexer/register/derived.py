"""What the register's tables hold twice, for quick answers: compared with the marks, or made anew.

Codes and classes stand in a mark's own row and in tables of their own; folded texts and the index
of words follow from its texts; counters from all marks. The mark's own row counts.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.damage import Fault
from indexer.query import TEXT_COLUMNS
from indexer.register import audit, counters, database, rows, schema, word_index, word_search
from indexer.register.among import among
from indexer.register.bulk import insert
from indexer.words.forms import Words, fold
from models.errors import MarkLensError

_PAGE = 500  # marks, words or keys read at once

Row = sa.RowMapping  # columns of `marks`
# What rows raise that somebody altered.
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, struct.error)


# What a mark's own row says that other tables should hold.


def _codes(row: Row) -> set[tuple[Any, ...]]:
    return set(rows.codes_of(row["id"], row["lists"] or {}))


def _classes(row: Row) -> set[tuple[str, int]]:
    return {(row["id"], number) for number in (row["lists"] or {}).get("nice", ())}


def _words(row: Row) -> str:
    return row["text"] or row["words_read"] or ""


def _folded(row: Row) -> dict[str, str]:
    texts = {name: row[name] or "" for name in TEXT_COLUMNS} | {"text": _words(row)}
    return {f"{name}_folded": fold(text) for name, text in texts.items()}


def _entries(row: Row) -> set[tuple[str, int, int]]:
    """Term, letters and number of the mark's places in the index of words."""
    words = Words.of(_words(row))
    return {(term, words.letters, row["number"]) for term in word_index.terms_of(words)}


def expected_entries(page: Sequence[Row]) -> int:
    """How many places in the index of words a page of marks should have."""
    return sum(len(_entries(row)) for row in page)


# Comparing.


def faults_of(connection: Connection, page: Sequence[Row]) -> Iterator[Fault]:
    """What a page of live marks lacks, or has otherwise, in other tables."""
    ids = [row["id"] for row in page]
    for table, wanted_of in ((schema.mark_codes, _codes), (schema.mark_classes, _classes)):
        wanted = {one for row in page for one in wanted_of(row)}
        found = connection.execute(sa.select(table).where(among(table.c.mark_id, ids)))
        held = set(map(tuple, found))
        for mark_id in sorted({one[0] for one in wanted ^ held}):
            yield Fault("codes", mark_id, f"{table.name} has others than the mark")
    for row in page:
        for name, text in _folded(row).items():
            if (row[name] or "") != text:
                yield Fault("words", row["id"], f"{name} is {row[name]!r}, not {text!r}")
    entries = {one for row in page for one in _entries(row)}
    terms = word_index.ids_of(connection, list({term for term, _, _ in entries}))
    placed = {(terms[term], *place) for term, *place in entries if term in terms}
    lacking = placed - _present(connection, list(schema.mark_terms.primary_key), placed)
    numbers = {number for *_, number in lacking}
    numbers |= {number for term, _, number in entries if term not in terms}
    for row in page:
        if row["number"] in numbers:
            yield Fault("words", row["id"], "is not found by all of its words")


def faults_of_terms(connection: Connection) -> Iterator[Fault]:
    """Words without the keys that they are found by, and keys of no word."""
    table, keyed = schema.terms.c, schema.term_keys
    page = sa.select(table.id, table.term).order_by(table.id).limit(_PAGE)
    last, expected = -1, 0
    while found := connection.execute(page.where(table.id > last)).all():
        last = found[-1].id
        wanted = {(key, *one) for one in found for key in word_index.keys_of(one.term)}
        expected += len(wanted)
        there = _present(connection, list(keyed.primary_key), wanted, word_index.WORD)
        lacking = {term for _, term, _ in wanted - there}
        expected -= len(lacking)
        for one in found:
            if one.id in lacking:
                yield Fault("words", f"word {one.term}", "lacks keys that it is found by")
    if (held := _count(connection, keyed)) > expected:
        yield Fault("left-over", "term_keys", f"up to {held - expected:,} keys of no word")


def strays(connection: Connection, entries: int | None) -> Iterator[Fault]:
    """Rows of no live mark.

    Args:
        connection: to the register.
        entries: how many places in the index of words all live marks should have; None if unknown.
    """
    marks = schema.marks.c
    for table in rows.CHILDREN:
        of = sa.select(marks.id).where(marks.id == table.c.mark_id, _may_have(table))
        stray = sa.select(table.c.mark_id).where(~of.exists()).distinct()
        for mark_id in connection.scalars(stray):
            yield Fault("left-over", mark_id, f"has rows in {table.name} that it should not have")
    if entries is not None and (held := _count(connection, schema.mark_terms)) > entries:
        says = f"up to {held - entries:,} places of words that no mark has"
        yield Fault("left-over", "mark_terms", says)


def counter_faults(connection: Connection) -> Iterator[Fault]:
    """Counters that disagree with the marks."""
    marks = schema.marks.c
    highest = connection.scalar(sa.select(sa.func.max(marks.sequence))) or 0
    held = counters.sequence(connection)
    if held < highest:
        yield Fault("counters", "sequence", f"stands at {held:,}, below the mark at {highest:,}")
    count = connection.scalar(sa.select(sa.func.count()).where(rows.LIVE)) or 0
    held = counters.live_marks(connection)
    if held != count:
        yield Fault("counters", "marks", f"says {held:,}, and {count:,} marks are there")


def _may_have(table: sa.Table) -> sa.ColumnElement[bool]:
    """Whether a mark may have rows in a table of marks' rows."""
    if table in (schema.mark_embeddings, schema.mark_places):
        return sa.and_(rows.LIVE, schema.marks.c.image_digest.is_not(None))
    return rows.LIVE


def _present(
    connection: Connection,
    key: Sequence[sa.ColumnElement[Any]],
    rows: set[tuple[Any, ...]],
    *beside: sa.ColumnElement[Any],
) -> set[tuple[Any, ...]]:
    """Those of some rows that are there: the key of a table, and what stands beside it."""
    columns, ordered = sa.tuple_(*key), sorted(row[: len(key)] for row in rows)
    parts = (ordered[at : at + _PAGE] for at in range(0, len(ordered), _PAGE))
    return rows & {
        tuple(one)
        for part in parts
        for one in connection.execute(sa.select(*key, *beside).where(columns.in_(part)))
    }


def _count(connection: Connection, table: sa.Table) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


# Making anew.


class DerivedTables:
    """The part of a register that can be made of its marks alone."""

    def __init__(self, writing: Callable[[], AbstractContextManager[Connection]]) -> None:
        self._writing = writing

    def make_anew(self) -> None:
        """Make codes, classes, folded texts, words and counters of the marks, in one transaction.

        Writers wait meanwhile; readers see what was there before.
        """
        with self._writing() as connection:
            database.wait_without_end(connection)
            counters.count_anew(connection)
            audit.note(connection, "make tables anew", "codes, classes, words, counters")
            derived = (schema.mark_terms, schema.term_keys, schema.terms)
            for table in (*derived, schema.mark_codes, schema.mark_classes):
                connection.execute(sa.delete(table))
            marks = schema.marks.c
            for table in (schema.mark_embeddings, schema.mark_places):
                of = sa.select(marks.id).where(marks.id == table.c.mark_id, _may_have(table))
                connection.execute(sa.delete(table).where(~of.exists()))
            word_search.index_anew(connection)  # first: changed texts are noted in it
            last = -1
            try:
                while page := _page(connection, last):
                    last = page[-1]["number"]
                    _write(connection, page)
            except UNREADABLE as error:
                raise MarkLensError(
                    f"Nothing was made anew, since rows of marks cannot be read ({error}): "
                    "`marklens verify` names them and what mends them."
                ) from error


def _page(connection: Connection, after: int) -> list[Row]:
    marks = schema.marks
    wanted = sa.select(marks).where(rows.LIVE, marks.c.number > after)
    return list(connection.execute(wanted.order_by(marks.c.number).limit(_PAGE)).mappings())


def _write(connection: Connection, page: Sequence[Row]) -> None:
    for row in page:
        texts = {name: text or None for name, text in _folded(row).items()}
        if any(row[name] != text for name, text in texts.items()):
            changed = sa.update(schema.marks).where(schema.marks.c.id == row["id"])
            connection.execute(changed.values(**texts))
    word_index.update(connection, [(row["number"], None, _words(row)) for row in page])
    for table, wanted_of in ((schema.mark_codes, _codes), (schema.mark_classes, _classes)):
        insert(connection, table, [one for row in page for one in wanted_of(row)])
