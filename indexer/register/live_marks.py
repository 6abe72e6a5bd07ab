"""Live marks by their ids: read, looked for, and withdrawn."""

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.marks import Mark, is_mark_id
from indexer.register import counters, rows, schema
from indexer.register.among import among


def possible(ids: Sequence[str]) -> Sequence[str]:
    """The ids that a mark can have: the rest is unknown without asking; PostgreSQL fails on NUL."""
    return [mark_id for mark_id in ids if is_mark_id(mark_id)]


def read(connection: Connection, ids: Sequence[str]) -> dict[str, Mark]:
    """The live marks among some possible ids."""
    found = rows.read_marks(connection, among(schema.marks.c.id, ids))
    return {mark.record.id: mark for mark in found.values()}


def columns(
    connection: Connection, wanted: sa.Select[tuple[str, Any]], ids: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """Rows of the live marks among some ids."""
    asked = among(schema.marks.c.id, possible(ids))
    yield from map(tuple, connection.execute(wanted.where(rows.LIVE, asked)))


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
