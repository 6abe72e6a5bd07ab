"""How soon a committed mark is found, and how many changes a second a follower takes in.

``python -m benchmarks.search_follow --data FOLDER --index exact|ivf --marks N --out FILE`` copies
the register and its snapshot, follows the copy as a server does (a background thread that asks
once a second, searches meanwhile), and starts a second process that writes to it:

- single marks, one commit each, at moments that have nothing to do with the follower's; each is
  ``searchable`` when a search for its own embedding returns it;
- N marks in commits of 500, as fast as they can be written; they are all in when the last one is.
  Meanwhile a thread searches through a narrow filter, as it did before, and as in a server
  (`indexer.search.serving`): how much longer the slowest takes is how long a reader waits for the
  follower and its merges;
- N marks in one process stopped meanwhile, for the rate of the follower alone: `refresh`.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np

from benchmarks.search_data import CASES, Dataset
from benchmarks.search_process import ROOT, memory_mb, percentiles, write_json
from benchmarks.search_product import (
    INDEXES,
    IndexName,
    filter_of,
    open_follower,
    open_searcher,
    register_url,
)
from benchmarks.search_register import mark_id, new_marks
from indexer.index.follower import Follower
from indexer.query import SearchQuery
from indexer.register import Register
from indexer.search.searcher import Searcher
from indexer.search.serving import prioritise_searches
from models.encoder import Embedding

_POLL_S = 1.0  # the product's default
_SINGLE = 20  # marks committed alone
_BATCH = 500  # marks a commit, as the bulk loop writes
_PATIENCE_S = 600.0
_ALONE_S = 5.0  # of searches before anything is written
_PAUSE_S = 0.01  # between two searches
_READ = "uncorrelated 0.1 %"


def follow(data: Path, index: IndexName, marks: int) -> dict[str, Any]:
    """Measure on a copy, which is deleted."""
    with _copied(data, index) as copy:
        register, follower = open_follower(copy, index)
        follower.refresh()
        searcher = open_searcher(copy, register, follower)
        first = len(Dataset(copy))
        follower.start(_POLL_S)
        try:
            with prioritise_searches():
                waits = _single_commits(copy, searcher, first)
                with _Reader(copy, searcher) as reader:
                    time.sleep(_ALONE_S)
                    reader.begin_anew()
                    bulk = _bulk(copy, follower, first + _SINGLE, marks)
        finally:
            follower.stop()
        replay = _replayed(copy, register, follower, first + _SINGLE + marks, marks)
        register.close()
    return {
        "commit_to_searchable_s": {
            "p50": round(float(np.median(waits)), 3),
            "p95": round(float(np.percentile(waits, 95)), 3),
            "worst": round(max(waits), 3),
        },
        **bulk,
        "reader_ms": reader.found(),
        **replay,
        "poll_s": _POLL_S,
        "memory_mb": memory_mb(),
    }


class _Reader:
    """A thread that searches through a narrow filter, and how long each search took."""

    def __init__(self, data: Path, searcher: Searcher) -> None:
        case = next(case for case in CASES if case.name == _READ)
        dataset = Dataset(data)
        embedding = Embedding.without_boxes(dataset.queries(case)[0])
        self._query = SearchQuery(embedding, k=10, filter=filter_of(case.code(0)))
        self._searcher = searcher
        self._spent: list[list[float]] = [[]]
        self._ended = Event()
        self._thread = Thread(target=self._read)

    def __enter__(self) -> "_Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def begin_anew(self) -> None:
        """Count what follows apart from what was."""
        self._spent.append([])

    def found(self) -> dict[str, dict[str, float]]:
        """Milliseconds, alone and beside indexing."""
        names = ("alone", "beside indexing")
        return {
            name: percentiles(spent) | {"worst": round(max(spent), 2)}
            for name, spent in zip(names, self._spent, strict=True)
        }

    def _read(self) -> None:
        while not self._ended.is_set():
            started = time.perf_counter()
            self._searcher.search(replace(self._query))
            self._spent[-1].append(1e3 * (time.perf_counter() - started))
            self._ended.wait(_PAUSE_S)


@contextmanager
def _copied(data: Path, index: IndexName) -> Iterator[Path]:
    """A folder with the same register, vectors and snapshot, whose register may be written to."""
    for left in data.glob("follow-*"):  # by a run that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=data, prefix="follow-") as temporary:
        copy = Path(temporary)
        shutil.copy(data / "register.db", copy)
        shutil.copytree(data / f"index-{index}", copy / f"index-{index}")
        for path in [*data.glob("*.npy"), *data.glob("*.npz"), data / "dataset.json"]:
            (copy / path.name).symlink_to(path.resolve())
        yield copy


def _single_commits(data: Path, searcher: Searcher, first: int) -> list[float]:
    """Seconds from each commit until a search finds its mark."""
    embeddings = {
        first + at: new_marks(Dataset(data), first + at, 1, seed=at)[0].embedding
        for at in range(_SINGLE)
    }
    waits = []
    with _writer(data, "--first", str(first), "--singles", str(_SINGLE)) as lines:
        for row, line in zip(embeddings, lines, strict=False):
            committed = float(line)
            deadline = time.monotonic() + _PATIENCE_S
            embedding = embeddings[row]
            if embedding is None:
                raise RuntimeError("a new mark has no embedding")
            while not _finds(searcher, embedding, mark_id(row)):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{mark_id(row)} was not found in {_PATIENCE_S:.0f} s")
                time.sleep(0.002)
            waits.append(time.monotonic() - committed)
    return waits


def _finds(searcher: Searcher, embedding: Embedding, wanted: str) -> bool:
    # It is a copy of another mark, so it shares the first place with it and perhaps with more.
    hits = searcher.search(SearchQuery(embedding, k=10)).hits
    return any(hit.id == wanted for hit in hits)


def _bulk(data: Path, follower: Follower, first: int, marks: int) -> dict[str, float]:
    """A second process writes as fast as it can while this one follows."""
    before = follower.status.total
    with _writer(data, "--first", str(first), "--marks", str(marks)) as lines:
        times = [float(line) for line in lines]
    deadline = time.monotonic() + _PATIENCE_S
    while follower.status.total < before + marks:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{marks} marks were not followed in {_PATIENCE_S:.0f} s")
        time.sleep(0.002)
    seen = time.monotonic()
    return {
        "written_per_s": round(marks / (times[-1] - times[0]), 1),
        "followed_per_s": round(marks / (seen - times[0]), 1),
        "behind_the_last_commit_s": round(seen - times[-1], 3),
    }


def _replayed(
    data: Path, register: Register, follower: Follower, first: int, marks: int
) -> dict[str, float]:
    """What one refresh takes in of marks written while nobody followed."""
    register.add(new_marks(Dataset(data), first, marks, seed=1))
    started = time.perf_counter()
    follower.refresh()
    return {"replayed_per_s": round(marks / (time.perf_counter() - started), 1)}


@contextmanager
def _writer(data: Path, *arguments: str) -> Iterator[Iterator[str]]:
    """A second process that writes marks; its lines say when it had committed."""
    command = [sys.executable, "-m", "benchmarks.search_follow", "--write", "--data", str(data)]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdout is None:
            raise RuntimeError("the writer has no output")
        yield iter(process.stdout.readline, "")
    if process.returncode:
        raise RuntimeError(f"the writing process failed with status {process.returncode}")


def write(data: Path, first: int, singles: int, marks: int) -> None:
    """The second process: commit, and print the clock that all processes share."""
    register = Register.open(register_url(data), create=False)
    dataset = Dataset(data)
    rng = np.random.default_rng(first)
    for at in range(singles):
        time.sleep(float(rng.uniform(1.0, 2.0) * _POLL_S))
        register.add(new_marks(dataset, first + at, 1, seed=at))
        print(time.monotonic(), flush=True)
    if marks:
        print(time.monotonic(), flush=True)
    for start in range(0, marks, _BATCH):
        register.add(new_marks(dataset, first + start, min(_BATCH, marks - start), seed=0))
        print(time.monotonic(), flush=True)
    register.close()


def main() -> None:
    """Measure and write the figures, or write marks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--index", choices=INDEXES)
    parser.add_argument("--marks", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", action="store_true", help="be the second process")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--singles", type=int, default=0)
    options = parser.parse_args()
    if options.write:
        write(options.data, options.first, options.singles, options.marks)
    else:
        write_json(options.out, follow(options.data, options.index, options.marks))


if __name__ == "__main__":
    main()
