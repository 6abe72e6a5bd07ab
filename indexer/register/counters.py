"""Reads and writes the register's counters and facts: two small tables of named values."""

import secrets

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.register import schema
from indexer.register.bulk import insert

_SEQUENCE, _MARKS = "sequence", "marks"


def take_sequences(connection: Connection, n: int) -> int:
    """Advance the sequence number by `n`; return the last one taken.

    The counter's row stays locked until the transaction ends: so writers take turns.
    """
    last = _add(connection, _SEQUENCE, n)
    if n:
        insert(connection, schema.stamps, [(last, secrets.randbits(63))])
    return last


def sequence(connection: Connection) -> int:
    """The last committed sequence number; 0 in an empty register."""
    return _value(connection, _SEQUENCE)


def stamp(connection: Connection, sequence: int) -> int | None:
    """A random number that was noted with the writing that reached a sequence number.

    A register that was restored from a backup, and written to until it stands there again, has
    another one under the same sequence. None of what versions without stamps wrote.
    """
    stamps = schema.stamps.c
    wanted = sa.select(stamps.stamp).where(stamps.sequence <= sequence)
    held: int | None = connection.scalar(wanted.order_by(stamps.sequence.desc()).limit(1))
    return held


def add_live_marks(connection: Connection, n: int) -> None:
    """Count `n` more live marks, fewer if negative."""
    if n:
        _add(connection, _MARKS, n)


def live_marks(connection: Connection) -> int:
    """How many live marks there are."""
    return _value(connection, _MARKS)


def take_number(connection: Connection, table: sa.Table) -> dict[str, int]:
    """The column `id` of a row to be written, with a number that no row of its table ever had.

    Empty in PostgreSQL, whose own numbers only rise; SQLite gives that of a deleted last row again.
    """
    if connection.dialect.name == "postgresql":
        return {}
    insert(connection, schema.counter, [(table.name, 0)])  # should there be none yet
    highest = connection.scalar(sa.select(sa.func.max(table.c.id))) or 0  # others may not count
    behind = max(0, highest - _value(connection, table.name))
    return {"id": _add(connection, table.name, behind + 1)}


def count_anew(connection: Connection) -> None:
    """Bring the counters to what the marks say; the sequence number never goes back.

    Servers that run keep what they counted until it goes on: it goes on by one, to no mark.
    """
    marks, counter = schema.marks.c, schema.counter
    insert(connection, counter, [(_SEQUENCE, 0), (_MARKS, 0)])  # should a row be lost
    take_sequences(connection, 0)  # like every writer, in turn
    highest = connection.scalar(sa.select(sa.func.max(marks.sequence))) or 0
    live = connection.scalar(sa.select(sa.func.count()).where(marks.deleted.is_(False)))
    for name, value in ((_SEQUENCE, max(highest, sequence(connection)) + 1), (_MARKS, live)):
        connection.execute(sa.update(counter).where(counter.c.name == name).values(value=value))


def fact(connection: Connection, key: str) -> str | None:
    """A fact of the register; None if it is not known."""
    held: str | None = connection.scalar(
        sa.select(schema.meta.c.value).where(schema.meta.c.key == key)
    )
    return held


def dimension(connection: Connection) -> int:
    """Numbers of a vector of the network that the register is bound to; 0 of none."""
    return int(fact(connection, "dimension") or 0)


def set_once(connection: Connection, key: str, value: str) -> str:
    """Store a fact unless there is one under its key; return what is stored."""
    held = fact(connection, key)
    if held is not None:
        return held
    # Two processes may come here at once on PostgreSQL: the counter's lock orders them.
    take_sequences(connection, 0)
    held = fact(connection, key)
    if held is None:
        connection.execute(sa.insert(schema.meta).values(key=key, value=value))
        held = value
    return held


def forget(connection: Connection, *keys: str) -> None:
    """Delete facts."""
    connection.execute(sa.delete(schema.meta).where(schema.meta.c.key.in_(keys)))


def _add(connection: Connection, name: str, n: int) -> int:
    counter = schema.counter.c
    added = sa.update(schema.counter).where(counter.name == name).values(value=counter.value + n)
    return int(connection.execute(added.returning(counter.value)).scalar_one())


def _value(connection: Connection, name: str) -> int:
    counter = schema.counter.c
    return int(connection.scalar(sa.select(counter.value).where(counter.name == name)) or 0)
