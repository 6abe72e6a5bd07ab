"""Words that are read in the pictures of marks without words: which are due, and what was read."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.register import audit, counters, rows, schema, word_index
from indexer.register.among import among
from indexer.words.forms import fold

_Open = Callable[[], AbstractContextManager[Connection]]
_DUE = sa.and_(
    rows.LIVE,
    rows.GIVEN_WORDS.is_(None),
    schema.marks.c.image_digest.is_not(None),
    schema.marks.c.words_read.is_(None),
)


class Unread(NamedTuple):
    """A mark without words in whose picture nobody has looked for any."""

    id: str
    image_digest: str


class WordsRead:
    """The part of a register that keeps words read in pictures."""

    def __init__(self, reading: _Open, writing: _Open) -> None:
        self._reading, self._writing = reading, writing

    def count_due(self) -> int:
        """How many marks without words have a picture that nobody has read."""
        with self._reading() as connection:
            due = sa.select(sa.func.count()).select_from(schema.marks).where(_DUE)
            return int(connection.scalar(due) or 0)

    def due(self, after: str, limit: int) -> list[Unread]:
        """The next of them, by id."""
        marks = schema.marks.c
        wanted = sa.select(marks.id, marks.image_digest).where(_DUE, marks.id > after)
        with self._reading() as connection:
            found = connection.execute(wanted.order_by(marks.id).limit(limit))
            return [Unread(*row) for row in found]

    def save(self, read: Sequence[tuple[Unread, str]]) -> None:
        """Keep what was read, in one transaction; the marks get new sequence numbers.

        A mark that has got words, another picture or a reading meanwhile, or is withdrawn, keeps
        what it has.
        """
        words = dict(read)
        with self._writing() as connection:
            # The counter first: it is what makes writers take turns.
            counters.take_sequences(connection, 0)
            numbers = _still_due(connection, words)
            if not numbers:
                return
            first = 1 + counters.take_sequences(connection, len(numbers)) - len(numbers)
            marks = schema.marks
            for at, (unread, number) in enumerate(numbers.items()):
                text = words[unread]
                kept = sa.update(marks).where(marks.c.number == number)
                folded = fold(text) if text else None
                values = {"words_read": text, "text_folded": folded, "sequence": first + at}
                connection.execute(kept.values(**values))
            changed = [(number, None, words[unread]) for unread, number in numbers.items()]
            word_index.update(connection, changed)
            audit.note(connection, "read words", [unread.id for unread in numbers])


def _still_due(connection: Connection, words: Mapping[Unread, str]) -> dict[Unread, int]:
    """Numbers of the marks that are due now as they were then."""
    marks = schema.marks.c
    named = among(marks.id, [unread.id for unread in words])
    wanted = sa.select(marks.id, marks.image_digest, marks.number).where(_DUE, named)
    found = {Unread(*key): number for *key, number in connection.execute(wanted)}
    return {unread: number for unread, number in found.items() if unread in words}
