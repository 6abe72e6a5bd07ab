"""Runs indexers in processes of their own, some with a fault built in.

Started once with a network's folder; then each line on stdin is a list of runs that go on at the
same time, each in a fork of this process, so that torch is imported once. One line of answers.
"""

import itertools
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import indexer.ingest.workers
import indexer.register
import indexer.register.image_store
import indexer.register.rows
import indexer.register.runs
from indexer.ingest import IngestOptions, ingest
from indexer.ingest.rejects import RejectsFile
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources import open_source
from indexer.sources.field_reader import FieldReader
from models.encoder import Encoder
from models.errors import MarkLensError

# Where a run can die: what is called then, and whether it dies before the call or after it.
STAGES: dict[str, tuple[Any, str, str]] = {
    "before the run is noted": (Register, "start_run", "before"),
    "after the run is noted": (Register, "start_run", "after"),
    "reading a row": (FieldReader, "mark", "before"),
    "asking what is known": (Register, "digests", "before"),
    "decoding a picture": (indexer.ingest.workers, "decode_image", "before"),
    "a picture half written": (Path, "replace", "before"),
    "a picture named, its folder not synced": (
        indexer.register.image_store,
        "sync_folder",
        "before",
    ),
    "before the network": (Encoder, "encode_prepared", "before"),
    "after the network": (Encoder, "encode_prepared", "after"),
    "in the middle of a batch's rows": (indexer.register.rows, "_forget", "after"),
    "rows written, position not": (indexer.register.runs, "save_position", "before"),
    "all written, not committed": (indexer.register.runs, "save_position", "after"),
    "just committed": (Register, "add", "after"),
    "a row rejected": (RejectsFile, "add", "after"),
    "rejects on the disk": (RejectsFile, "sync", "after"),
    "before the end is noted": (Register, "finish_run", "before"),
    "after the end is noted": (Register, "finish_run", "after"),
}


def die_at(stage: str, turn: int) -> None:
    """Have this process killed at the given call of a stage."""
    owner, name, when = STAGES[stage]
    called: Callable[..., Any] = getattr(owner, name)
    turns = itertools.count(1)

    def dying(*arguments: Any, **named: Any) -> Any:
        mine = next(turns) == turn
        if mine and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = called(*arguments, **named)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, dying)


class BackwardClock(datetime):
    """A clock that jumps back by an hour each time somebody looks at it."""

    _hours = itertools.count()

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=next(cls._hours))


def run(encoder: Encoder, job: dict[str, Any]) -> dict[str, Any]:
    """One run over a source; what it reported, or why it failed."""
    if job.get("stage"):
        die_at(job["stage"], job.get("turn", 1))
    if job.get("clock_goes_back"):
        indexer.register.runs.datetime = indexer.register.rows.datetime = BackwardClock  # type: ignore[attr-defined, misc]
    if job.get("largest_file"):  # bytes; the system refuses to write beyond
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest_file"], resource.RLIM_INFINITY))
    try:
        register = Register.open(job["url"])
        register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
        options = IngestOptions(
            resume=job.get("resume", False), batch=4, rejects_dir=Path(job["rejects"]), retry_s=0
        )
        source = open_source(Path(job["source"]), Path(job["pictures"]), strict=True)
        workers = indexer.ingest.workers.LocalWorkers(encoder, threads=1)
        report = ingest(source, register, ImageStore(Path(job["images"])), workers, options)
        register.close()
    except MarkLensError as error:
        return {"error": str(error)}
    return {
        "read": report.read,
        "rejected": report.rejected,
        "resumed_after": report.resumed_after,
        "rejects_file": str(report.rejects_file),
        "broken": list(report.broken),
    }


def fork(encoder: Encoder, job: dict[str, Any]) -> tuple[int, int]:
    """Start a run; its process and where its answer comes from."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        answer = json.dumps(run(encoder, job)).encode()
        os.write(writing, answer)
        os._exit(0)
    os.close(writing)
    return process, reading


def main() -> None:
    """Answer line after line."""
    encoder = Encoder.load(Path(sys.argv[1]), device="cpu", runtime="torch")
    with TemporaryDirectory() as folder:  # imports, once for all forks, what opening imports
        Register.open(f"sqlite:///{folder}/register.db").close()
    for line in sys.stdin:
        started = [fork(encoder, job) for job in json.loads(line)]
        answers = []
        for process, reading in started:
            with os.fdopen(reading, "rb") as pipe:
                answer = pipe.read()
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            answers.append({"status": status, **(json.loads(answer) if answer else {})})
        sys.stdout.write(json.dumps(answers) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
