"""Finds marks by part of a text, through the database's index of trigrams where it has one.

Of numbers and owners' names every run of letters and digits is looked for, in any order: what
stands between them does not count. Of other texts, and where all runs are of one or two signs, the
whole is looked for.

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
from indexer.words.forms import fold, runs, spellings

_TRIGRAM = 3  # characters from which an index of trigrams can answer
_PHRASE = 10  # trigrams of which a text is looked for as a phrase
_PIECES = 3  # trigrams that marks must have which are then read: a third of a long phrase's time
_IN_RUNS = ("id", "owner")  # fields of which runs are looked for, not the whole
_KNOWN = sa.text("SELECT count(*) FROM sqlite_master WHERE name = 'mark_words'")
_INDEX = sa.table("mark_words", sa.column("rowid", sa.BigInteger))  # rowid: marks.number


def contains(connection: Connection, of: str, text: str) -> sa.ColumnElement[bool]:
    """Whether a mark's field holds a text, folded, as a condition on `marks`."""
    asked = _asked(of, text)
    indexed = _indexed(connection, of, asked)
    if indexed is not None:
        return schema.marks.c.number.in_(indexed)
    return _holds(of, asked)


def numbers_with(
    connection: Connection, of: str, text: str, limit: int | None = None
) -> NDArray[np.int64]:
    """Numbers (n,), ascending, of the live marks whose field holds a text."""
    asked = _asked(of, text)
    found = _indexed(connection, of, asked)  # of live marks only: tombstones have no texts
    if found is None:
        marks = schema.marks.c
        found = sa.select(marks.number).where(marks.deleted.is_(False), _holds(of, asked))
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


def _asked(of: str, text: str) -> list[tuple[str, ...]]:
    """What a field must hold, the longest first, each in one of some spellings."""
    found = runs(text) if of in _IN_RUNS else []
    asked = [spellings(run) if of == "owner" else (fold(run),) for run in found]
    asked.sort(key=_least, reverse=True)
    return asked if asked and _least(asked[0]) >= _TRIGRAM else [(fold(text),)]


def _least(spelt: Sequence[str]) -> int:
    """Signs of the shortest of some spellings."""
    return min(map(len, spelt))


def _holds(of: str, asked: Sequence[Sequence[str]]) -> sa.ColumnElement[bool]:
    column = schema.marks.c[f"{of}_folded"]
    return sa.and_(
        *(sa.or_(*(column.contains(one, autoescape=True) for one in spelt)) for spelt in asked)
    )


def _indexed(
    connection: Connection, of: str, asked: Sequence[Sequence[str]]
) -> sa.Select[tuple[int]] | None:
    """Numbers by SQLite's index; None where it cannot tell."""
    if _least(asked[0]) < _TRIGRAM or connection.dialect.name != "sqlite":
        return None
    if not connection.scalar(_KNOWN):
        return None
    phrases = " OR ".join(map(_quoted, asked[0]))
    if len(asked) == 1 and all(map(_is_phrase, asked[0])):
        return _matching(of, phrases)
    pieces = _pieces(asked)  # fewer than two say less than the longest run does
    having = _matching(of, " AND ".join(map(_quoted, pieces)) if len(pieces) > 1 else phrases)
    marks = schema.marks.c
    return sa.select(marks.number).where(marks.number.in_(having), _holds(of, asked))


def _is_phrase(text: str) -> bool:
    """Whether the index is asked for a text as a whole: its trigrams, one after the other."""
    return len(text) - _TRIGRAM < _PHRASE and " " not in text


def _pieces(asked: Sequence[Sequence[str]]) -> list[str]:
    """Some trigrams of all that is asked for, from its beginning to its end."""
    every = [piece for spelt in asked for piece in _common(spelt)]
    last = len(every) - 1
    return list(dict.fromkeys(every[last * at // (_PIECES - 1)] for at in range(_PIECES) if every))


def _common(spelt: Sequence[str]) -> list[str]:
    """The trigrams that all spellings have, in order."""
    first, *others = spelt
    pieces = [first[at : at + _TRIGRAM] for at in range(len(first) - _TRIGRAM + 1)]
    return [one for one in dict.fromkeys(pieces) if all(one in other for other in others)]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _matching(of: str, expression: str) -> sa.Select[tuple[int]]:
    """Numbers of the marks whose field matches an expression of the index."""
    asked: sa.BindParameter[str] = sa.bindparam(
        "parts", f"{of}_folded : ({expression})", unique=True
    )
    matches = sa.literal_column("mark_words").op("MATCH")(asked)
    return sa.select(_INDEX.c.rowid).where(matches)
