"""Whether the targets set for the search of a million marks are met, computed from what was found.

Latencies are medians of ``ranking``: from query and filter to ids and scores, which is what peers
do as well and what a memory read bounds; see `benchmarks.search_product`. Bounds in milliseconds
were set for one machine; beside each stands how many times the floor of this one it is. A target
whose figures are missing is not met. Targets were set for a million marks: those of smaller
registers say how the way there looks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.search_data import CASES

Found = Mapping[str, Any]
RECALL = 0.99
_FLOORS, _IVF_MS, _FILTERED_MS, _FILTER_MS = 1.3, 3.0, 20.0, 2.0
_PAIRS, _IVF_PAIRS_MS = 3.0, 8.0
_MEMORY_MB, _LOAD_S, _SEARCHABLE_S = 1600.0, 2.0, 2.0
_WAIT_MS = 50.0
FILTERED = tuple(case.name for case in CASES if case.kind != "all")


@dataclass(frozen=True)
class Target:
    """One claim and its figure.

    Attributes:
        claim: what should hold.
        value: what was measured; None where it could not be.
        bound: at most so much, or at least with `at_least`.
        unit: of both.
        note: whatever else belongs beside it.
        at_least: which way the bound holds.
    """

    claim: str
    value: float | None
    bound: float
    unit: str
    note: str = ""
    at_least: bool = False

    @property
    def is_met(self) -> bool:
        """Whether it holds."""
        if self.value is None:
            return False
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def verdict(self) -> str:
        """Met, or by how much it was missed."""
        if self.value is None:
            return "not measured"
        if self.is_met:
            return "met"
        off = self.value - self.bound
        return f"missed by {abs(off):.3g} {self.unit} ({abs(off) / self.bound:.0%})"


def floor_of(size: Found) -> float | None:
    """The shortest memory read of a size: milliseconds."""
    read = [one["best"] for one in size.get("floors", ()) if "best" in one]
    return min(read, default=None)


def case_of(size: Found, index: str, case: str, kind: str = "cases") -> Found:
    """What MarkLens found for a case, of whole signs alone or by ``pairs``; empty if it failed."""
    found: Found = size["product"].get(index, {}).get("search", {}).get(kind, {}).get(case, {})
    return found


def targets(size: Found) -> list[Target]:
    """All targets for one size, in the order they were set."""
    return [*_latencies(size), *_pairs(size), *_resources(size), *_against_peers(size)]


def _p50(found: Found, name: str = "ranking_ms") -> float | None:
    return found[name]["p50"] if name in found else None


def _latencies(size: Found) -> Iterator[Target]:
    floor = floor_of(size)
    exact, lists = case_of(size, "exact", "no filter"), case_of(size, "ivf", "no filter")

    def beside(found: Found) -> str:
        if not found or floor is None:
            return ""
        ratio = found["ranking_ms"]["p50"] / floor
        return (
            f"{ratio:.3g} x floor, p95 {found['ranking_ms']['p95']:.3g} ms, "
            f"between reads from SQL {found['between_ms']['p50']:.3g} ms, "
            f"with the marks read {found['answer_ms']['p50']:.3g} ms"
        )

    scan = _p50(exact)
    ratio = None if scan is None or floor is None else scan / floor
    yield Target("exact, no filter, to the floor", ratio, _FLOORS, "x", beside(exact))
    yield Target("IVF, no filter", _p50(lists), _IVF_MS, "ms", beside(lists))
    yield Target("IVF, no filter: recall@50", lists.get("recall"), RECALL, "", at_least=True)
    filtered = {case: case_of(size, "ivf", case) for case in FILTERED}
    if all(filtered.values()):
        slowest = max(filtered, key=lambda case: filtered[case]["ranking_ms"]["p50"])
        worst = min(filtered, key=lambda case: filtered[case]["recall"])
        note = f"{slowest}; {beside(filtered[slowest])}"
        yield Target("IVF, slowest filter", _p50(filtered[slowest]), _FILTERED_MS, "ms", note)
        recall = filtered[worst]["recall"]
        yield Target("IVF, lowest recall@50 of a filter", recall, RECALL, "", worst, at_least=True)
    else:
        yield Target("IVF, slowest filter", None, _FILTERED_MS, "ms")
    yield _no_slower(size, scan)
    yield _resolution(size)


def _pairs(size: Found) -> Iterator[Target]:
    """Searches by pairs of whole signs and parts."""
    exact, lists = (case_of(size, index, "no filter", "pairs") for index in ("exact", "ivf"))
    pairs, wholes = _p50(exact), _p50(case_of(size, "exact", "no filter"))
    ratio = None if pairs is None or wholes is None else pairs / wholes
    yield Target("exact by pairs, to whole signs alone", ratio, _PAIRS, "x")
    yield Target("IVF by pairs", _p50(lists), _IVF_PAIRS_MS, "ms")
    yield Target("IVF by pairs: recall@50", lists.get("recall"), RECALL, "", at_least=True)


def _no_slower(size: Found, scan: float | None) -> Target:
    """Exact mode: the slowest filter against no filter."""
    filtered = {case: _p50(case_of(size, "exact", case)) for case in FILTERED}
    known = {case: spent for case, spent in filtered.items() if spent is not None}
    claim = "exact, slowest filter, to no filter"
    if scan is None or len(known) < len(filtered):
        return Target(claim, None, 1.0, "x")
    slowest = max(known, key=lambda case: known[case])
    return Target(claim, known[slowest] / scan, 1.0, "x", f"{slowest}, {known[slowest]:.3g} ms")


def _resolution(size: Found) -> Target:
    """The slowest filter to become rows, of all that were tried in either mode."""
    spent: dict[str, float] = {}
    for index, found in size["product"].items():
        search = found.get("search", {})
        asked = {case: search.get("cases", {}).get(case, {}) for case in FILTERED}
        for name, one in {**asked, **search.get("filters", {})}.items():
            if "filter_ms" in one:
                spent[f"{name}, {index}"] = one["filter_ms"]["p50"]
    if not spent:
        return Target("resolving a filter, the slowest", None, _FILTER_MS, "ms")
    slowest = max(spent, key=lambda name: spent[name])
    return Target("resolving a filter, the slowest", spent[slowest], _FILTER_MS, "ms", slowest)


def _resources(size: Found) -> Iterator[Target]:
    for index, found in size["product"].items():
        start, search, follow = (found.get(step, {}) for step in ("start", "search", "follow"))
        memory = search.get("memory_mb", {})
        before = search.get("memory_before_mb", {}).get("now")
        note = f"{memory.get('now')} MB at the end, {before} MB of it before loading"
        yield Target(f"{index}: peak memory", memory.get("peak"), _MEMORY_MB, "MB", note)
        loaded = start.get("load_s")
        yield Target(
            f"{index}: start to ready", start.get("ready_s"), _LOAD_S, "s",
            f"snapshot {search.get('snapshot_mb')} MB loaded in {loaded} s, on all cores",
        )  # fmt: skip
        waits = follow.get("commit_to_searchable_s", {})
        note = f"worst of 20, median {waits.get('p50')} s, asked every {follow.get('poll_s')} s"
        claim = f"{index}: commit to searchable"
        yield Target(claim, waits.get("worst"), _SEARCHABLE_S, "s", note)
        yield _reader_wait(index, follow.get("reader_ms", {}))


def _reader_wait(index: str, reader: Found) -> Target:
    """By how much the slowest search beside indexing exceeds the usual one alone."""
    claim = f"{index}: longest wait of a reader for the follower"
    if not reader:
        return Target(claim, None, _WAIT_MS, "ms")
    alone, beside = reader["alone"], reader["beside indexing"]
    note = f"searches take {alone['p50']:.3g} ms alone (worst {alone['worst']:.3g})"
    return Target(
        claim, beside["worst"] - alone["p50"], _WAIT_MS, "ms",
        f"{note}, {beside['p50']:.3g} ms beside indexing (worst {beside['worst']:.3g})",
    )  # fmt: skip


def _against_peers(size: Found) -> Iterator[Target]:
    """Each case: the faster way of MarkLens against the fastest peer, both at `RECALL`."""
    for case in CASES:
        mine = {
            f"MarkLens {index}": found["ranking_ms"]["p50"]
            for index in size["product"]
            if (found := case_of(size, index, case.name)) and found["recall"] >= RECALL
        }
        theirs = peers_at(size, case.name, RECALL)
        claim = f"{case.name}: to the fastest peer"
        if not mine or not theirs:
            # Where no peer gets there, nothing can be compared.
            note = "MarkLens missed the recall" if not mine else "no peer reaches the recall"
            yield Target(claim, None, 1.0, "x", note if size["peers"] else "no peer was asked")
            continue
        ours = min(mine, key=lambda name: mine[name])
        best = min(theirs, key=lambda name: theirs[name])
        note = f"{ours} {mine[ours]:.3g} ms, {best} {theirs[best]:.3g} ms"
        yield Target(claim, mine[ours] / theirs[best], 1.0, "x", note)


def peers_at(size: Found, case: str, level: float) -> dict[str, float]:
    """Median milliseconds of the peers that reach a level of recall in a case."""
    found = {}
    for name, peer in size["peers"].items():
        levels = peer.get("search", {}).get("cases", {}).get(case, {}).get("levels", {})
        if str(level) in levels:
            found[name] = levels[str(level)]["p50"]
    return found
