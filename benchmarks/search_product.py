"""MarkLens' own part of `benchmarks.search`, in one process for each way of indexing.

``python -m benchmarks.search_product --step S --data FOLDER --index exact|ivf --threads N --out F``

- ``build``: read the register into an index and save its snapshot;
- ``start``: load the snapshot as a server does at its start, with all cores;
- ``search``: load it and search, with as many cores as are asked for.

Searches are timed in two rounds. ``answer`` is all of `Searcher.search`, which at its end reads the
50 marks from SQL. ``ranking`` is what peers do as well, in the same way, one search after the
other: from query to ids and scores, with the filter's resolution, which peers without attributes
are spared; the marks are at hand. ``between`` is that part of the first round, where each search
finds the processor's caches full of what SQL left there.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from benchmarks.search_data import CASES, Case, Dataset, K
from benchmarks.search_process import disk_mb, memory_mb, percentiles, use_cores, write_json
from benchmarks.search_register import FINGERPRINT, planted_code, row_of
from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import Mark
from indexer.query import PARTS, Filter, SearchQuery, SearchResult
from indexer.register import Register
from indexer.register.database import sqlite_url
from indexer.search.searcher import Searcher
from models.encoder import Block, Embedding
from models.vienna import ViennaCode

IndexName = Literal["exact", "ivf"]
INDEXES: tuple[IndexName, ...] = ("exact", "ivf")
_WARM = 5  # searches before the clock starts

# What people ask beside one code; none is planted, all follow the real frequencies.
RICH_FILTERS = {
    "a category": Filter(vienna_any=(ViennaCode(27),)),
    "a category and not another": Filter(
        vienna_any=(ViennaCode(3),), vienna_none=(ViennaCode(26), ViennaCode(27, 5))
    ),
    "not a category": Filter(vienna_none=(ViennaCode(26),)),
    "codes, classes, status, days": Filter(
        vienna_all=(ViennaCode(26), ViennaCode(29)),
        nice=frozenset({9, 25, 35}),
        status=frozenset({"registered"}),
        filed_from=date(2010, 1, 1),
        filed_to=date(2020, 12, 31),
    ),
}


def register_url(data: Path) -> str:
    """The register beside a dataset."""
    return sqlite_url(data / "register.db")


def open_follower(data: Path, index: IndexName) -> tuple[Register, Follower]:
    """A follower that has loaded nothing yet, over the register of a folder."""
    register = Register.open(register_url(data), create=False)
    dimension = Dataset(data).dimension
    choice = IndexChoice(device="cpu", kind=index)
    return register, Follower(register, data / f"index-{index}", dimension, FINGERPRINT, choice)


def open_searcher(data: Path, register: Register, follower: Follower) -> Searcher:
    """A searcher over a loaded follower."""
    blocks = tuple(
        Block(block.name, block.start, block.stop, block.weight)
        for block in Dataset(data).facts.blocks
    )
    return Searcher(register, follower, blocks)


def filter_of(code: int | None) -> Filter:
    """The filter by a planted code."""
    if code is None:
        return Filter()
    return Filter(vienna_any=(planted_code(code),), vienna_source="assigned")


def build(data: Path, index: IndexName) -> dict[str, Any]:
    """Read the register, make the index, save the snapshot, as `marklens rebuild` does."""
    register, follower = open_follower(data, index)
    started = time.perf_counter()
    view = follower.rebuild()
    open_searcher(data, register, follower)  # looks at every row; the snapshot remembers
    built = time.perf_counter()
    follower.save_snapshot()
    found = {
        "build_s": round(built - started, 2),
        "save_s": round(time.perf_counter() - built, 2),
        "marks": view.total,
        "build_memory_mb": memory_mb(),
    }
    register.close()
    return found


def start(data: Path, index: IndexName) -> dict[str, Any]:
    """Load, and be ready to search."""
    register, follower = open_follower(data, index)
    started = time.perf_counter()
    follower.refresh()
    loaded = time.perf_counter()
    open_searcher(data, register, follower)
    ready = time.perf_counter()
    register.close()
    return {"load_s": round(loaded - started, 3), "ready_s": round(ready - started, 3)}


def search(data: Path, index: IndexName) -> dict[str, Any]:
    """Load and search."""
    before = memory_mb()
    register, follower = open_follower(data, index)
    follower.refresh()
    searcher = open_searcher(data, register, follower)
    dataset = Dataset(data)
    _timed(
        searcher,
        [SearchQuery(Embedding.without_boxes(one), k=K) for one in dataset.queries(CASES[0])],
    )
    memory = memory_mb()  # before recall is computed from the vectors' file, which is mapped
    unread = open_searcher(data, cast(Register, _KnownMarks(register)), follower)
    cases, pairs = (
        {case.name: _searched((searcher, unread), dataset, case, by_pairs) for case in CASES}
        for by_pairs in (False, True)
    )
    found = {
        "engine": follower.index_name,
        "snapshot_mb": disk_mb(data / f"index-{index}"),
        "memory_before_mb": before,
        "memory_mb": memory,
        "cases": cases,
        "pairs": pairs,
        "filters": {
            name: _resolved(searcher, dataset, wanted) for name, wanted in RICH_FILTERS.items()
        },
    }
    register.close()
    return found


class _KnownMarks:
    """In place of a register: what it said of marks when they were asked for first."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._marks: dict[int, Mark] = {}

    def marks_numbered(self, numbers: Sequence[int]) -> dict[int, Mark]:
        unknown = [number for number in numbers if number not in self._marks]
        if unknown:
            self._marks |= self._register.marks_numbered(unknown)
        return {number: self._marks[number] for number in numbers}

    def ids_numbered(self, numbers: Sequence[int]) -> dict[int, str]:
        return {n: mark.record.id for n, mark in self.marks_numbered(numbers).items()}


def _searched(
    searchers: tuple[Searcher, Searcher], dataset: Dataset, case: Case, by_pairs: bool
) -> dict[str, Any]:
    """Ask a case's queries one after the other: with the marks read from SQL, then with known.

    Whole signs alone are compared, as peers do, or pairs of whole signs and parts.
    """
    searcher, unread = searchers
    asked = [
        SearchQuery(
            Embedding.without_boxes(dataset.query_vectors(case, query)),
            k=K,
            filter=filter_of(case.code(query)),
            weights={PARTS: int(by_pairs)},
        )
        for query in range(dataset.facts.queries)
    ]
    for query in asked[:_WARM]:
        searcher.search(query)
    results, answers = _timed(searcher, asked)
    _timed(unread, asked)  # from now on it knows the marks
    alone, _ = _timed(unread, asked)
    stages, between = ([one.plan.milliseconds for one in turn] for turn in (alone, results))
    rows = [np.array([row_of(hit.id) for hit in one.hits], np.int64) for one in results]
    return {
        "recall": round(dataset.recall(case, rows, by_pairs=by_pairs), 4),
        "matched": int(np.median([result.plan.matched for result in results])),
        "plan": sorted({result.plan.kind for result in results}),
        "ranking_ms": percentiles([stage["filter"] + stage["search"] for stage in stages]),
        "filter_ms": percentiles([stage["filter"] for stage in stages]),
        "between_ms": percentiles([stage["filter"] + stage["search"] for stage in between]),
        "answer_ms": percentiles(answers),
    }


def _resolved(searcher: Searcher, dataset: Dataset, wanted: Filter) -> dict[str, Any]:
    """How long a richer filter takes to become rows, and its search."""
    asked = [
        SearchQuery(Embedding.without_boxes(one), k=K, filter=wanted)
        for one in dataset.queries(Case("all"))
    ]
    results, _ = _timed(searcher, asked[:_WARM] + asked)
    stages = [result.plan.milliseconds for result in results[_WARM:]]
    return {
        "matched": results[0].plan.matched,
        "first_filter_ms": round(results[0].plan.milliseconds["filter"], 3),
        "filter_ms": percentiles([stage["filter"] for stage in stages]),
        "ranking_ms": percentiles([stage["filter"] + stage["search"] for stage in stages]),
    }


def _timed(
    searcher: Searcher, asked: Sequence[SearchQuery]
) -> tuple[list[SearchResult], list[float]]:
    """Results, and how long each took: milliseconds."""
    results, spent = [], []
    for query in asked:
        fresh = replace(query)  # nothing kept from an earlier search of the same value
        started = time.perf_counter()
        results.append(searcher.search(fresh))
        spent.append(1e3 * (time.perf_counter() - started))
    return results, spent


def main() -> None:
    """Do one step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", choices=("build", "start", "search"), required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--index", choices=INDEXES, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.step == "build":
        found = build(options.data, options.index)
    elif options.step == "start":
        found = start(options.data, options.index)
    else:
        use_cores(options.threads)
        found = search(options.data, options.index)
    write_json(options.out, found)


if __name__ == "__main__":
    main()
