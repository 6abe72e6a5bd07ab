"""Fills a PostgreSQL register by copying its marks, for sizes that `Register.add` takes hours for.

Copies have their own ids, numbers and words, and no vectors; owners, codes, classes and days are
those of the marks they are made of. Of their words the common ones stay; of those made up each
letter becomes another one, in each copy otherwise, consonants from consonants, so that words grow
in number as with marks that are invented one by one. They are in Latin letters throughout.

All is one transaction in the server: indexes are dropped and made again, so this tells nothing of
how quickly marks are written.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from benchmarks.invented_marks import CYRILLIC, common_words
from indexer.register import counters, database, schema
from indexer.register.word_index import keys_of

_COPIED = schema.marks, schema.mark_codes, schema.mark_classes
_FILLED = (*(table.name for table in _COPIED), "terms", "term_keys", "mark_terms")
_SETTINGS = ("work_mem = '1GB'", "maintenance_work_mem = '2GB'")
_VOWELS, _CONSONANTS = "aeiouy", "bcdfghjklmnpqrstvwxz"
_AT_ONCE = 100_000  # terms
_CONSTRAINTS = """
SELECT conrelid::regclass::text, 'CONSTRAINT ' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype IN ('p', 'u', 'f') AND (conrelid::regclass::text = ANY(:tables)
OR confrelid::regclass::text = ANY(:tables)) ORDER BY contype = 'f'
"""
_INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid::regclass::text = ANY(:tables)
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
# The words of the marks that are copied, in Latin letters, and whether copies keep them.
_WORDS = """
CREATE TEMP TABLE words ON COMMIT DROP AS SELECT number, at, word, word = ANY(:common) AS stays
FROM marks, unnest(string_to_array(translate(text_folded, :cyrillic, :latin), ' '))
WITH ORDINALITY AS found (word, at)
"""
_TEXTS = """
CREATE TEMP TABLE texts ON COMMIT DROP AS SELECT number AS of, string_agg(
CASE WHEN stays THEN word ELSE translate(word, :letters, :others) END, ' ' ORDER BY at) AS words
FROM words GROUP BY number
"""
# The terms of copies: each word once, and all of them without blanks (`word_index.terms_of`).
_PLACED = """
CREATE TEMP TABLE placed ON COMMIT DROP AS
SELECT word AS term, length(replace(text_folded, ' ', '')) AS letters, number FROM marks,
LATERAL (SELECT DISTINCT unnest(string_to_array(text_folded, ' ')) AS word) AS of_mark
WHERE number > :first
UNION ALL
SELECT '=' || replace(text_folded, ' ', ''), length(replace(text_folded, ' ', '')), number
FROM marks WHERE number > :first AND text_folded LIKE '% %'
AND length(replace(text_folded, ' ', '')) <= 40
"""
_TERMS = """
INSERT INTO terms SELECT :last + row_number() OVER (), term FROM
(SELECT term COLLATE "C" FROM placed EXCEPT SELECT term FROM terms) AS new
"""
_MARK_TERMS = """
INSERT INTO mark_terms SELECT id, letters, number
FROM placed JOIN terms ON terms.term = placed.term COLLATE "C"
"""


def fill(engine: Engine, marks: int) -> None:
    """Copy all marks of a register until it has so many."""
    started = time.perf_counter()

    def say(what: str) -> None:
        print(f"  {time.perf_counter() - started:6.0f} s: {what}", flush=True)

    with engine.begin() as connection:
        database.wait_without_end(connection)
        for setting in _SETTINGS:
            connection.exec_driver_sql(f"SET LOCAL {setting}")
        first = counters.take_sequences(connection, 0)
        with _without_indexes(connection):
            latin, cyrillic = CYRILLIC
            common = {"common": list(common_words()[0]), "cyrillic": cyrillic, "latin": latin}
            connection.execute(sa.text(_WORDS), common)
            for table in _COPIED:  # apart, so that copying does not read what it has copied
                of = f"CREATE TEMP TABLE old_{table} ON COMMIT DROP AS TABLE {table}"
                connection.exec_driver_sql(of)
            for copy in range(1, -(-marks // first)):
                _copy(connection, copy, first, min(first, marks - copy * first))
                say(f"{min(marks, first * (copy + 1)):,} marks")
            _index_words(connection, first)
            say("words")
        say("indexes")
        counters.take_sequences(connection, marks - first)
        counters.add_live_marks(connection, marks - first)
    say("committed")


def _copy(connection: Connection, copy: int, first: int, count: int) -> None:
    """Copy the first marks of a register, with words of their own."""
    draw = random.Random(copy)
    others = "".join("".join(draw.sample(of, len(of))) for of in (_VOWELS, _CONSONANTS))
    letters = {"letters": _VOWELS + _CONSONANTS, "others": others}
    connection.execute(sa.text(_TEXTS), letters)
    mark_id = f"'EM-' || lpad((marks.number + {copy * first - 1})::text, 9, '0')"
    anew = {
        "id": mark_id,
        "mark_id": mark_id,
        "id_folded": f"lower({mark_id})",
        "number": f"marks.number + {copy * first}",
        "sequence": f"marks.number + {copy * first}",
        "text": "upper(texts.words)",
        "text_folded": "texts.words",
        **dict.fromkeys(("image_digest", "pixels_digest", "media_type", "boxes"), "NULL"),
    }
    for table in _COPIED:
        columns = ", ".join(anew.get(one.name, f"{one}") for one in table.c)
        is_marks = table is schema.marks
        other = "texts ON of = number" if is_marks else "old_marks AS marks ON marks.id = mark_id"
        connection.exec_driver_sql(
            f"INSERT INTO {table} ({', '.join(table.c.keys())}) SELECT {columns} "  # noqa: S608
            f"FROM old_{table} AS {table} LEFT JOIN {other} WHERE marks.number <= {count}"
        )
    connection.exec_driver_sql("DROP TABLE texts")


def _index_words(connection: Connection, first: int) -> None:
    """Index the words of the marks after the first ones as `word_index` does."""
    connection.execute(sa.text(_PLACED), {"first": first})
    last = connection.scalar(sa.select(sa.func.max(schema.terms.c.id)))
    connection.execute(sa.text(_TERMS), {"last": last})
    connection.exec_driver_sql(_MARK_TERMS)
    driver: Any = connection.connection.dbapi_connection
    with driver.cursor("new_terms") as found, driver.cursor() as written:
        found.execute("SELECT id, term FROM terms WHERE id > %s", [last])
        while new := found.fetchmany(_AT_ONCE):
            rows = "".join(
                f"{key}\t{term}\t{text}\n" for term, text in new for key in keys_of(text)
            )
            with written.copy("COPY term_keys (key, term, word) FROM STDIN") as copy:
                copy.write(rows)


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    """Drop the indexes and constraints of the tables that are filled, and make them again."""
    tables = {"tables": list(_FILLED)}
    constraints = connection.execute(sa.text(_CONSTRAINTS), tables).all()
    for table, name, _ in reversed(constraints):
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP {name}")
    indexes = connection.execute(sa.text(_INDEXES), tables).all()
    for name, _ in indexes:
        connection.exec_driver_sql(f"DROP INDEX {name}")
    yield
    for _, made in indexes:
        connection.exec_driver_sql(made)
    for table, name, definition in constraints:
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD {name} {definition}")
