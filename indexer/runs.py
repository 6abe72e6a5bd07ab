"""Runs over sources: how far they have come, and what they count and find on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

RunState = Literal["running", "interrupted", "failed", "finished"]


class Finding(NamedTuple):
    """How often a run met something that is to be told at its end, and where first."""

    times: int
    first: str


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What a run over a source did so far; read = the sum of the others."""

    read: int = 0
    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class RunPosition:
    """Where a run stands, committed in the same transaction as the marks up to there.

    Attributes:
        run_id: of the run.
        position: of the last row that is done.
        counts: of the rows up to there.
        found: in them, by its kind: see `indexer.ingest.findings`.
    """

    run_id: int
    position: int
    counts: RunCounts
    found: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One run over a source, named by path, size (bytes) and time of change (ns)."""

    id: int
    source: str
    size: int
    mtime_ns: int
    position: int
    counts: RunCounts
    state: RunState
    started: datetime
    finished: datetime | None
    rejects_file: str | None
    found: Mapping[str, Finding] = field(default_factory=dict)

    @property
    def reached(self) -> RunPosition:
        """Where it stands."""
        return RunPosition(self.id, self.position, self.counts, self.found)
