"""The Markdown that `benchmarks.search` prints, from what it found; no figure is typed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.search_data import CASES
from benchmarks.search_peers import LEVELS
from benchmarks.search_targets import case_of, floor_of, targets

Found = Mapping[str, Any]


def report(found: Found) -> str:
    """All tables."""
    machine = found["machine"]
    lines = [
        "# Search",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"Python {machine['python']}; {found['threads']} core(s) for each search. "
        "Times are milliseconds unless they say otherwise.",
    ]
    for size in found["sizes"]:
        if "product" not in size:
            continue
        lines += ["", f"## {size['marks']:,} marks", "", *_statistics(size)]
        lines += ["", *_product(size), "", *_by_pairs(size), "", *_serving(size)]
        for level in LEVELS:
            lines += ["", *_side_by_side(size, level)]
        lines += ["", *_built(size), "", *_targets(size)]
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _statistics(size: Found) -> Iterator[str]:
    """Floor, and how near the drawn vectors are to the real ones."""
    read = ", ".join(f"{one.get('best')} (p50 {one.get('p50')})" for one in size["floors"])
    yield f"Floor, reading {size['bytes'] / 1e6:,.0f} MB of memory once: {read} ms."
    yield ""
    drawn, real = size["statistics"]["drawn"], size["statistics"]["real"]
    names = list(next(iter(real.values())))
    yield from _table(
        ["block", *names],
        [
            (block, *(f"{drawn[block][name]} (real {real[block][name]})" for name in names))
            for block in real
        ],
    )


def _product(size: Found) -> Iterator[str]:
    """Latency and recall of MarkLens' own ways."""
    yield "### MarkLens"
    yield ""
    floor = floor_of(size)
    rows = []
    for case in CASES:
        for index in size["product"]:
            found = case_of(size, index, case.name)
            if not found:
                rows.append((case.name, index, *["-"] * 9))
                continue
            ranking, answer = found["ranking_ms"], found["answer_ms"]
            rows.append(
                (
                    case.name,
                    index,
                    "/".join(found["plan"]),
                    f"{found['matched']:,}",
                    _figure(ranking["p50"]),
                    _figure(ranking["p95"]),
                    _figure(None if floor is None else ranking["p50"] / floor),
                    _figure(found["filter_ms"]["p50"]),
                    _figure(found["between_ms"]["p50"]),
                    f"{_figure(answer['p50'])} / {_figure(answer['p95'])}",
                    f"{found['recall']:.4f}",
                )
            )
    heads = ["filter", "index", "plan", "matched", "p50", "p95", "x floor", "filter alone"]
    heads += ["between reads from SQL", "with the marks read p50 / p95", "recall@50"]
    yield from _table(heads, rows)
    yield ""
    resolved = [
        (
            name,
            index,
            f"{one['matched']:,}",
            _figure(one["first_filter_ms"]),
            *_pair(one["filter_ms"]),
            *_pair(one["ranking_ms"]),
        )
        for index, found in size["product"].items()
        for name, one in found.get("search", {}).get("filters", {}).items()
    ]
    heads = ["richer filter", "index", "matched", "asked first", "filter p50", "p95"]
    yield from _table([*heads, "search p50", "p95"], resolved)


def _by_pairs(size: Found) -> Iterator[str]:
    """Searches by pairs of whole signs and parts, beside those of whole signs alone."""
    yield "### Parts compared, too"
    yield ""
    rows = []
    for case in CASES:
        for index in size["product"]:
            alone, pairs = (case_of(size, index, case.name, kind) for kind in ("cases", "pairs"))
            if alone and pairs:
                spent = pairs["ranking_ms"]
                ratio = spent["p50"] / max(alone["ranking_ms"]["p50"], 1e-9)
                recall = f"{pairs['recall']:.4f}"
                rows.append((case.name, index, *_pair(spent), _figure(ratio), recall))
    yield from _table(["filter", "index", "p50", "p95", "x whole signs alone", "recall@50"], rows)


def _pair(milliseconds: Found) -> tuple[str, str]:
    return _figure(milliseconds["p50"]), _figure(milliseconds["p95"])


def _serving(size: Found) -> Iterator[str]:
    """Building, loading, memory, following."""
    rows = []
    for index, found in size["product"].items():
        steps = [found.get(step, {}) for step in ("build", "start", "search", "follow")]
        built, start, search, follow = steps
        failed = [step["failed"] for step in steps if "failed" in step]
        waits = follow.get("commit_to_searchable_s", {})
        memory = search.get("memory_mb", {})
        rows.append(
            (
                f"{index}, {search.get('engine', '-')}",
                _figure(built.get("build_s")),
                search.get("snapshot_mb", "-"),
                f"{start.get('load_s', '-')} / {start.get('ready_s', '-')}",
                f"{memory.get('peak', '-')} / {memory.get('now', '-')}",
                " / ".join(str(waits.get(name, "-")) for name in ("p50", "p95", "worst")),
                f"{follow.get('followed_per_s', '-')} of {follow.get('written_per_s', '-')}",
                follow.get("replayed_per_s", "-"),
                _waited(follow.get("reader_ms", {})),
                "; ".join(failed) or search.get("load_average", "-"),
            )
        )
    heads = [
        "index",
        "build s",
        "snapshot MB",
        "loaded / ready s",
        "memory peak / end MB",
        "commit to searchable s p50 / p95 / worst",
        "followed of written marks/s",
        "replayed marks/s",
        "a reader's searches, p50 / worst: alone; beside indexing",
        "load average, or failure",
    ]
    yield from _table(heads, rows)


def _waited(reader: Found) -> str:
    pairs = [f"{found['p50']} / {found['worst']}" for found in reader.values()]
    return "; ".join(pairs) or "-"


def _side_by_side(size: Found, level: float) -> Iterator[str]:
    """One level of recall: every engine's median for every case."""
    yield f"### p50 at recall@50 >= {level}; in brackets the best recall where that is not reached"
    yield ""
    rows: list[list[str]] = []
    for index in size["product"]:
        row = [f"MarkLens {index}"]
        for case in CASES:
            found = case_of(size, index, case.name)
            row.append(_cell(found, level))
        rows.append(row)
    for name, peer in size["peers"].items():
        failed = [
            peer[step]["failed"] for step in ("build", "search") if "failed" in peer.get(step, {})
        ]
        row = [name]
        for case in CASES:
            row.append(_peer_cell(peer.get("search", {}).get("cases", {}).get(case.name), level))
        rows.append([*row, "; ".join(failed)])
    heads = ["engine", *(case.name for case in CASES), "failure"]
    yield from _table(heads, [[*row, ""][: len(heads)] for row in rows])


def _cell(found: Found, level: float) -> str:
    if not found:
        return "-"
    if found["recall"] < level:
        return f"({found['recall']:.3f})"
    return _figure(found["ranking_ms"]["p50"])


def _peer_cell(found: Found | None, level: float) -> str:
    if found is None:
        return "-"
    reached = found["levels"].get(str(level))
    if reached is not None:
        return f"{_figure(reached['p50'])}"
    over = ", time over" if found["over"] else ""
    return f"({found['best']['recall']:.3f}{over})"


def _built(size: Found) -> Iterator[str]:
    """What peers cost to build and to hold, and the settings that reach the highest level."""
    rows = []
    for name, peer in size["peers"].items():
        built, search = peer.get("build", {}), peer.get("search", {})
        memory = search.get("memory_mb", {})
        elsewhere = search.get("memory_elsewhere_mb", 0)
        settings = []
        for case in ("no filter", "uncorrelated 1 %"):
            reached = search.get("cases", {}).get(case, {}).get("levels", {}).get(str(LEVELS[-1]))
            settings.append("-" if reached is None else _setting(reached["setting"]))
        rows.append(
            (
                f"{name} {search.get('version', '')}",
                _figure(built.get("build_s")),
                built.get("build_memory_mb", {}).get("peak", "-"),
                search.get("disk_mb", "-"),
                search.get("load_s", "-"),
                f"{memory.get('peak', '-')} + {elsewhere}",
                *settings,
                search.get("load_average", "-"),
            )
        )
    heads = ["peer", "build s", "build peak MB", "disk MB", "load s", "peak MB + its server's"]
    heads += [f"setting at {LEVELS[-1]}, no filter", "uncorrelated 1 %", "load average"]
    yield from _table(heads, rows)


def _setting(setting: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in setting.items()) or "none"


def _targets(size: Found) -> Iterator[str]:
    yield "### Targets (set for 1,000,000 marks)"
    yield ""
    rows = [
        (
            target.claim,
            f"{'>=' if target.at_least else '<='} {target.bound:g} {target.unit}",
            f"{_figure(target.value)} {target.unit}",
            target.verdict,
            target.note,
        )
        for target in targets(size)
    ]
    yield from _table(["target", "bound", "measured", "verdict", "beside it"], rows)
