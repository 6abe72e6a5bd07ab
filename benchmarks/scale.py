"""How cost grows with the register: FAISS exact, FAISS IVF and Milvus, from 10^4 marks on.

::

    python -m benchmarks.scale --work DIR [--marks 10000 100000] [--queries 60] [--filters all]
    python -m benchmarks.scale --work DIR --plot docs/images/scale.png

The first builds synthetic registers (`search_synthesis`, `search_register`: 1.9 vectors a mark) and
measures each engine on them, FAISS in a process of its own and Milvus as the standalone server of
PyPI's `milvus` 2.3.5 (`milvus_server`): time to build from SQL, memory, disk, and for searches
without filter and with one that a hundredth of the marks pass, latency and processor time of the
whole search and recall@50 of marks, by score against FAISS exact. Processor time is that of client
and server; it says more than latency where other work runs on the machine. The figures go to
``scale.json`` in ``--work``; the second draws them and prints them as a table, with what is
computed for the sizes that were not measured and the rule by which. Memory of Milvus is its
process' less what it took when empty. With ``--filters all`` searches with filters of every share
are measured, drawn without regard to the vectors or from clusters of them; the table then has
their recall and processor time.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.milvus_server import MilvusServer
from benchmarks.search import SAMPLE_SIZE, real_embeddings
from benchmarks.search_data import CASES, Case, Dataset, K
from benchmarks.search_process import disk_mb, memory_mb, percentiles, run_child, write_json
from benchmarks.search_product import filter_of, open_searcher, register_url
from benchmarks.search_register import FINGERPRINT, write_register
from benchmarks.search_synthesis import synthesise
from indexer.index.follower import Follower
from indexer.index.following import RegisterIndex
from indexer.index.milvus import MilvusAddress, MilvusFollower
from indexer.index.vectors import IndexChoice
from indexer.query import SearchQuery
from indexer.register import Register
from indexer.search.searcher import Searcher
from models.encoder import Embedding

Found = dict[str, Any]
_IN_MEMORY = ("exact", "ivf")
_ON_SERVER = ("FLAT", "IVF_SQ8", "HNSW")
_NAMES = {"exact": "FAISS exact", "ivf": "FAISS IVF"} | {
    kind: f"Milvus {kind}" for kind in _ON_SERVER
}
_ASKED = tuple(case for case in CASES if case.name in ("no filter", "uncorrelated 1 %"))
_FILTERS = {"few": _ASKED, "all": CASES}
_COMPUTED = 1_000_000, 10_000_000  # marks
_CURVES: dict[str, Callable[[Found], float]] = {
    "a search, ms": lambda one: one["no filter"]["answer_ms"]["p50"],
    "1 % pass, ms": lambda one: one["uncorrelated 1 %"]["answer_ms"]["p50"],
    "a search, processor ms": lambda one: one["no filter"]["processor_ms"],
    "memory, MB": lambda one: one["memory_mb"],
    "building, processor s": lambda one: one["build_processor_s"],
    "disk, MB": lambda one: one["disk_mb"],
}
_TOLERANCE = 1e-6  # of scores: who is right is measured by them
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure, or draw what was measured."""
    options = _options()
    if options.out is not None:
        write_json(options.out, _measured(options))
    elif options.plot is not None:
        found = json.loads((options.work / "scale.json").read_text())
        draw(found, options.plot)
        print("\n".join(table(found)))
    else:
        _measure_all(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="keeps what is built and scale.json")
    parser.add_argument("--marks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--queries", type=int, default=60, help="of each kind")
    parser.add_argument(
        "--engines", nargs="*", choices=_NAMES, default=list(_NAMES), help="none: build registers"
    )
    parser.add_argument("--filters", choices=_FILTERS, default="few", help="all: of every share")
    parser.add_argument("--sample", type=Path, help="as `benchmarks.search` takes it")
    parser.add_argument("--plot", type=Path, help="the picture to draw")
    for name in ("data", "out"):
        parser.add_argument(f"--{name}", type=Path, help=argparse.SUPPRESS)
    for name in ("engine", "url"):
        parser.add_argument(f"--{name}", default="", help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure_all(options: argparse.Namespace) -> None:
    options.work.mkdir(parents=True, exist_ok=True)
    file = options.work / "scale.json"
    found: list[Found] = json.loads(file.read_text()) if file.exists() else []
    for marks in options.marks:
        data = options.work / f"{marks}"
        if not (data / "complete").exists():
            real = real_embeddings(options.work, options.sample, SAMPLE_SIZE)
            synthesise(data, real, marks, options.queries, seed=1)
            write_register(Dataset(data), register_url(data))
            (data / "complete").touch()
        for engine in options.engines:
            one = {"marks": marks, "engine": engine, **_in_child(data, engine, options.filters)}
            print(json.dumps(one), file=sys.stderr, flush=True)
            found = [
                held for held in found if (held["marks"], held["engine"]) != (marks, engine)
            ] + [one]
            write_json(file, found)


def _in_child(data: Path, engine: str, filters: str) -> Found:
    asked: dict[str, object] = {"data": data, "engine": engine, "filters": filters}
    if engine in _IN_MEMORY:
        return run_child("benchmarks.scale", asked)
    folder = data / f"milvus-{engine}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    server = MilvusServer(folder)
    server.start()
    try:
        empty = memory_mb(server.pid)["now"]
        asked |= {"url": f"{server.url}?index={engine}", "pid": server.pid}
        found = run_child("benchmarks.scale", asked)
        found["memory_mb"] = round(memory_mb(server.pid)["now"] - empty, 1)
        found["empty_mb"] = empty
        # Neither the log of writes, which is kept for days, nor the metadata.
        others = ("rocksmq", "rocksmq_meta_kv", "etcd.data")
        rest = sum(disk_mb(folder / "data" / name) for name in others)
        found["disk_mb"] = round(disk_mb(folder / "data") - rest, 1)
        return found
    finally:
        server.kill()


def _measured(options: argparse.Namespace) -> Found:
    """Build one index and search it, in this process or on the server whose process is given."""
    data, engine, pid = options.data, options.engine, options.pid
    register, dataset = Register.open(register_url(data), create=False), Dataset(data)
    dimension = dataset.dimension
    before = memory_mb()["now"]
    folder = data / f"index-{engine}"
    follower: RegisterIndex
    if options.url:
        address = MilvusAddress.parse(options.url)
        follower = MilvusFollower(register, address, dimension, FINGERPRINT)
    else:
        choice = IndexChoice("cpu", "exact" if engine == "exact" else "ivf")
        follower = Follower(register, folder, dimension, FINGERPRINT, choice)
    started, spent = time.perf_counter(), _processor_s(pid)
    follower.rebuild()
    if isinstance(follower, MilvusFollower):
        follower.settle()
    found: Found = {
        "load": round(os.getloadavg()[0], 1),  # of others, too, after building
        "vectors": len(dataset.vectors) + len(dataset.parts),
        "build_s": round(time.perf_counter() - started, 1),
        "build_processor_s": round(_processor_s(pid) - spent, 1),
    }
    follower.save_snapshot()
    searcher = open_searcher(data, register, follower)
    for case in _FILTERS[options.filters]:
        searched, scores = _searched(searcher, dataset, case, pid)
        found[case.name] = {**searched, "recall": _recall(data, case.name, engine, scores)}
    if not options.url:
        found["memory_mb"] = round(memory_mb()["now"] - before, 1)
        found["disk_mb"] = disk_mb(folder)
    follower.stop()
    register.close()
    return found


def _searched(
    searcher: Searcher, dataset: Dataset, case: Case, pid: int
) -> tuple[Found, list[list[float]]]:
    """What searches with one kind of filter took, and the scores that each found."""
    asked = [
        SearchQuery(
            Embedding.without_boxes(dataset.query_vectors(case, query)),
            k=K,
            filter=filter_of(case.code(query)),
            rerank=0,
        )
        for query in range(dataset.facts.queries)
    ]
    for query in asked[:5]:
        searcher.search(query)
    spent, times, scores, plans = _processor_s(pid), [], [], set()
    for query in asked:
        began = time.perf_counter()
        result = searcher.search(query)
        times.append(1e3 * (time.perf_counter() - began))
        scores.append([hit.score for hit in result.hits])
        plans.add(result.plan.kind)
    spent = _processor_s(pid) - spent
    found = {
        "plan": sorted(plans),
        "answer_ms": percentiles(times),
        "processor_ms": round(1e3 * spent / len(asked), 2),
    }
    return found, scores


def _recall(data: Path, case: str, engine: str, scores: list[list[float]]) -> float | None:
    """Share of the places where a mark stands that scores what the exact search's does, or more."""
    file = data / f"truth-{case}.json"
    if engine == "exact":
        file.write_text(json.dumps(scores))
    if not file.exists():
        return None
    found = wanted = 0
    for right, given in zip(json.loads(file.read_text()), scores, strict=True):
        least = min(right, default=0.0) - _TOLERANCE
        wanted += len(right)
        found += sum(score >= least for score in given[: len(right)])
    return round(found / wanted, 4)


def _processor_s(pid: int) -> float:
    """Processor time of this process and of another one, seconds."""
    spent = time.process_time()
    if pid:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        spent += (int(words[11]) + int(words[12])) / _TICKS
    return spent


def draw(found: list[Found], picture: Path) -> None:
    """Draw how searches, memory, building and disk grow; dotted what was not measured."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(13, 7), layout="constrained")
    plots = np.ravel(axes)
    for (name, value), axis in zip(_CURVES.items(), plots, strict=True):
        for engine, label in _NAMES.items():
            points = sorted((one["marks"], value(one)) for one in found if one["engine"] == engine)
            if not points:
                continue
            (line,) = axis.plot(*zip(*points, strict=True), marker="o", label=label)
            ahead = [points[-1], *_computed(points)]
            axis.plot(*zip(*ahead, strict=True), linestyle=":", color=line.get_color())
        axis.set(title=name, xlabel="marks", xscale="log", yscale="log")
        axis.grid(visible=True, which="major", alpha=0.3)
    plots[0].legend(loc="upper left", title="dotted: computed")
    figure.savefig(picture, dpi=100)


def table(found: list[Found]) -> Iterator[str]:
    """The same figures in Markdown, computed ones in italics, and what computes them."""
    yield f"| engine | marks | {' | '.join(_CURVES)} | recall@50 | plans | load |"
    yield f"|---|---:|{'---:|' * (len(_CURVES) + 1)}---|---:|"
    rules = []
    for engine, label in _NAMES.items():
        held = sorted(
            (one for one in found if one["engine"] == engine), key=lambda one: int(one["marks"])
        )
        for one in held:
            values = " | ".join(_rounded(value(one)) for value in _CURVES.values())
            asked = [one[case.name] for case in _ASKED]
            recalls = " / ".join(_share(answer["recall"]) for answer in asked)
            plans = " / ".join(answer["plan"][0] for answer in asked)
            yield (
                f"| {label} | {one['marks']:,} | {values} | {recalls} | {plans} | {one['load']} |"
            )
        lines = [
            _computed([(one["marks"], value(one)) for one in held]) for value in _CURVES.values()
        ]
        for points in zip(*lines, strict=True):
            values = " | ".join(f"*{_rounded(value)}*" for _, value in points)
            yield f"| {label} | *{points[0][0]:,}* | {values} | | | |"
        if len(held) > 1:
            before, last = held[-2:]
            more = (last["vectors"] - before["vectors"]) / 1e6
            each = (
                f"{name} {(value(last) - value(before)) / more:,.1f}"
                for name, value in _CURVES.items()
            )
            rules.append(f"{label}, from {before['marks']:,} marks on: {'; '.join(each)}")
    yield "\nComputed by what a million vectors more take (of MB: bytes a vector):"
    yield from rules
    yield from _by_filter([one for one in found if all(case.name in one for case in CASES)])


def _by_filter(found: list[Found]) -> Iterator[str]:
    """Recall and processor time of searches by their filter, where all were measured."""
    if not found:
        return
    names = [f"{_NAMES[one['engine']]}, {one['marks']:,}" for one in found]
    yield f"\n| recall@50 / processor ms | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"
    for case in CASES:
        cells = (
            f"{_share(one[case.name]['recall'])} / {_rounded(one[case.name]['processor_ms'])}"
            for one in found
        )
        yield f"| {case.name} | {' | '.join(cells)} |"


def _share(recall: float | None) -> str:
    return "unknown" if recall is None else f"{recall:.4g}"


def _rounded(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{float(f'{value:.3g}'):,.0f}"


def _computed(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Values at sizes that were not measured: on along the line through the last two that were."""
    if len(points) < 2:
        return []
    (before, low), (marks, high) = points[-2:]
    slope = (high - low) / (marks - before)
    return [(one, high + slope * (one - marks)) for one in _COMPUTED if one > marks]


if __name__ == "__main__":
    main()
