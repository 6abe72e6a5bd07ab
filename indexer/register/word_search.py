"""Finds marks by part of a text, through the database's index of trigrams where it has one.

SQLite's index is the FTS5 table `mark_words`, PostgreSQL's is used by its LIKE. Without one, and
for texts of fewer than three characters, all marks are read, 0.3 to 0.7 s at a million. What is
found is the same in each case.
"""

import sqlite3
from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexer.register import schema
from indexer.words.forms import fold

_TRIGRAM = 3  # characters from which an index of trigrams can answer
_PHRASE = 10  # trigrams of which a text is looked for as a phrase
_PIECES = 3  # trigrams that marks must have which are then read: a third of a long phrase's time
_KNOWN = sa.text("SELECT count(*) FROM sqlite_master WHERE name = 'mark_words'")
_INDEX = sa.table("mark_words", sa.column("rowid", sa.BigInteger))  # rowid: marks.number


def contains(connection: Connection, of: str, text: str) -> sa.ColumnElement[bool]:
    """Whether a mark's field holds a text, folded, as a condition on `marks`."""
    indexed = _indexed(connection, of, fold(text))
    if indexed is not None:
        return schema.marks.c.number.in_(indexed)
    return schema.marks.c[f"{of}_folded"].contains(fold(text), autoescape=True)


def numbers_with(
    connection: Connection, of: str, text: str, limit: int | None = None
) -> NDArray[np.int64]:
    """Numbers (n,), ascending, of the live marks whose field holds a text."""
    found = _indexed(connection, of, fold(text))  # of live marks only: tombstones have no texts
    if found is None:
        marks = schema.marks.c
        holds = contains(connection, of, text)
        found = sa.select(marks.number).where(marks.deleted.is_(False), holds)
    return np.sort(np.fromiter(connection.scalars(found.limit(limit)), np.int64))


def is_sound(connection: Connection) -> bool:
    """Whether SQLite's index of trigrams is whole and agrees with the marks; True without one.

    SQLite asks for the right to write for that, so that writers wait meanwhile.
    """
    if connection.dialect.name != "sqlite" or not connection.scalar(_KNOWN):
        return True
    try:
        connection.exec_driver_sql(
            "INSERT INTO mark_words (mark_words, rank) VALUES ('integrity-check', 1)"
        )
    except sa.exc.DatabaseError as error:
        if not is_corrupt(error):
            raise
        return False
    return True


def is_corrupt(error: sa.exc.DatabaseError) -> bool:
    """Whether SQLite says that its file is damaged."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT


def index_anew(connection: Connection) -> None:
    """Make SQLite's index of trigrams of the marks; PostgreSQL keeps its own."""
    if connection.dialect.name == "sqlite" and connection.scalar(_KNOWN):
        connection.exec_driver_sql("INSERT INTO mark_words (mark_words) VALUES ('rebuild')")


def _indexed(connection: Connection, of: str, folded: str) -> sa.Select[tuple[int]] | None:
    """Numbers by SQLite's index; None where it cannot tell."""
    if len(folded) < _TRIGRAM or connection.dialect.name != "sqlite":
        return None
    if not connection.scalar(_KNOWN):
        return None
    last = len(folded) - _TRIGRAM
    if last < _PHRASE and " " not in folded:
        return _matching(of, [folded])  # its trigrams, one after the other
    starts = [last * at // (_PIECES - 1) for at in range(_PIECES)]
    having = _matching(of, [folded[start : start + _TRIGRAM] for start in starts])
    marks = schema.marks.c
    holds = marks[f"{of}_folded"].contains(folded, autoescape=True)
    return sa.select(marks.number).where(marks.number.in_(having), holds)


def _matching(of: str, parts: Sequence[str]) -> sa.Select[tuple[int]]:
    """Numbers of the marks whose field has some parts."""
    quoted = " AND ".join('"' + part.replace('"', '""') + '"' for part in parts)
    asked: sa.BindParameter[str] = sa.bindparam("parts", f"{of}_folded : ({quoted})", unique=True)
    matches = sa.literal_column("mark_words").op("MATCH")(asked)
    return sa.select(_INDEX.c.rowid).where(matches)
