"""Inserts many rows by the driver alone: SQLAlchemy takes longer than the database."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def insert(connection: Connection, table: sa.Table, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows that are not there yet, in the order of the key.

    Args:
        connection: to the register.
        table: of numbers, texts, bytes and truth values.
        rows: values of all its columns in their order; they are sorted.
    """
    if not rows:
        return
    width = len(table.primary_key)
    rows.sort(key=lambda row: row[:width])
    names = ", ".join(table.c.keys())
    into = f"INSERT INTO {table.name} ({names})"
    if connection.dialect.name == "postgresql":
        # A column as one array, in binary: a third of what a statement a row takes.
        kinds = [one.type.compile(connection.dialect).partition(" COLLATE")[0] for one in table.c]
        arrays = ", ".join(f"%b::{kind}[]" for kind in kinds)
        unnested = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - names of ours
        connection.exec_driver_sql(
            f"{into} {unnested} ON CONFLICT DO NOTHING", tuple(map(list, zip(*rows, strict=True)))
        )
        return
    marks = ", ".join("?" * len(table.c))
    connection.exec_driver_sql(f"{into} VALUES ({marks}) ON CONFLICT DO NOTHING", rows)
