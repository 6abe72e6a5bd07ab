"""Rows of the ``runs`` table: which source was read how far."""

from dataclasses import asdict
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.register import schema
from indexer.runs import Finding, Run, RunCounts, RunPosition, RunState


def start(connection: Connection, source: str, size: int, mtime_ns: int) -> Run:
    """Insert a running run."""
    run = {
        "source": source,
        "size": size,
        "mtime_ns": mtime_ns,
        "position": 0,
        "state": "running",
        "started": datetime.now(UTC),
    }
    inserted = sa.insert(schema.runs).values(**run, **asdict(RunCounts()))
    number = connection.execute(inserted.returning(schema.runs.c.id)).scalar_one()
    return Run(id=number, counts=RunCounts(), finished=None, rejects_file=None, **run)  # type: ignore[arg-type]


def save_position(connection: Connection, run: RunPosition) -> None:
    """Set how far a run has come."""
    connection.execute(
        sa.update(schema.runs)
        .where(schema.runs.c.id == run.run_id)
        .values(position=run.position, found=run.found, **asdict(run.counts))
    )


def finish(connection: Connection, run_id: int, state: RunState, rejects_file: str | None) -> None:
    """Set how a run ended."""
    connection.execute(
        sa.update(schema.runs)
        .where(schema.runs.c.id == run_id)
        .values(state=state, finished=datetime.now(UTC), rejects_file=rejects_file)
    )


def newest(connection: Connection, limit: int, source: str | None) -> list[Run]:
    """Read the newest runs."""
    table = schema.runs
    wanted = sa.select(table).order_by(table.c.id.desc()).limit(limit)
    if source is not None:
        wanted = wanted.where(table.c.source == source)
    return [
        Run(
            id=row["id"],
            source=row["source"],
            size=row["size"],
            mtime_ns=row["mtime_ns"],
            position=row["position"],
            counts=RunCounts(**{name: row[name] for name in asdict(RunCounts())}),
            state=row["state"],
            started=aware(row["started"]),
            finished=row["finished"] and aware(row["finished"]),
            rejects_file=row["rejects_file"],
            found={kind: Finding(*held) for kind, held in (row["found"] or {}).items()},
        )
        for row in connection.execute(wanted).mappings()
    ]


def aware(moment: datetime) -> datetime:
    """A moment in UTC; SQLite gives it back without its zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
