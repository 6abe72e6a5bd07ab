"""Live marks by their ids: read, looked for, and withdrawn."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.errors import ChangedMeanwhile
from indexer.marks import Mark
from indexer.register import counters, rows, schema
from indexer.register.among import among
from indexer.texts import is_mark_id


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


def sequences(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Sequence of each live mark among these ids."""
    marks = schema.marks.c
    return dict(columns(connection, sa.select(marks.id, marks.sequence), ids))


def refuse_changed(known: Mapping[str, int], seen: Mapping[str, int]) -> None:
    """Refuse to write over marks that have changed.

    Args:
        known: sequences of live marks.
        seen: those that some marks should have, 0 of one that should not be there.

    Raises:
        ChangedMeanwhile: there is one that has another.
    """
    changed = frozenset(one for one, sequence in seen.items() if known.get(one, 0) != sequence)
    if changed:
        raise ChangedMeanwhile(changed)


def withdrawn(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of some ids whose marks were withdrawn."""
    marks = schema.marks.c
    asked = among(marks.id, possible(ids))
    return set(connection.scalars(sa.select(marks.id).where(~rows.LIVE, asked)))


def withdraw(connection: Connection, ids: Sequence[str]) -> tuple[int, int]:
    """Withdraw the live ones among these ids: how many, and the last sequence number taken."""
    live = sorted(sequences(connection, ids))
    last = counters.take_sequences(connection, len(live))
    if live:
        rows.leave_tombstones(connection, live, first=last - len(live) + 1)
        counters.add_live_marks(connection, -len(live))
    return len(live), last
