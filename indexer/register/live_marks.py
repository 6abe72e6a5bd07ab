"""Live marks by their ids: read, looked for, and withdrawn."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.marks import Mark, is_mark_id
from indexer.register import counters, rows, schema


def possible(ids: Sequence[str]) -> Sequence[str]:
    """The ids that a mark can have: the rest is unknown without asking; PostgreSQL fails on NUL."""
    return [mark_id for mark_id in ids if is_mark_id(mark_id)]


def read(connection: Connection, ids: Sequence[str]) -> dict[str, Mark]:
    """The live marks among some possible ids."""
    return {
        mark.record.id: mark
        for part in rows.in_parts(ids)
        for mark in rows.read_marks(connection, schema.marks.c.id.in_(part)).values()
    }


def columns(
    connection: Connection, wanted: sa.Select[tuple[str, Any]], ids: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """Rows of the live marks among some ids."""
    for part in rows.in_parts(possible(ids)):
        found = connection.execute(wanted.where(rows.LIVE, schema.marks.c.id.in_(part)))
        yield from (tuple(row) for row in found)


def live_ids(connection: Connection, ids: Sequence[str]) -> list[str]:
    """The ids among some that live marks have, ascending, each once."""
    marks = schema.marks.c
    return sorted(dict(columns(connection, sa.select(marks.id, marks.sequence), ids)))


def withdraw(connection: Connection, ids: Sequence[str]) -> tuple[int, int]:
    """Withdraw the live ones among these ids: how many, and the last sequence number taken."""
    live = live_ids(connection, ids)
    last = counters.take_sequences(connection, len(live))
    if live:
        rows.leave_tombstones(connection, live, first=last - len(live) + 1)
        counters.add_live_marks(connection, -len(live))
    return len(live), last
