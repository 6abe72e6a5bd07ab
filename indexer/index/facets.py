"""Facets: how many marks have each code, class, status and office, counted in a view.

SQL reads whole tables for it, seconds at a million marks. Here each segment's rows are counted
once, and what its dead rows have is subtracted: a mark that has a code counts once for the code
and once for each code above it, so counts add up over rows.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexer.index.columns import KeyCounts
from indexer.index.filters import KEYS_BELOW, NO_DATE, FilterColumns
from indexer.index.segments import LiveSegment, ReadView
from indexer.marks import CodeSource, Facets
from models.vienna import ViennaCode

_Counted = Literal[CodeSource, "nice"]


def count_codes(view: ReadView, source: CodeSource) -> dict[ViennaCode, int]:
    """Live marks that have each code or anything below it, with or without picture.

    Args:
        view: the marks.
        source: assigned codes, confidently predicted ones, or either.
    """
    return {_code(key): count for key, count in _live_counts(view, source).items()}


def count_facets(view: ReadView) -> Facets:
    """The statuses, offices, classes and filing dates of live marks, with their counts."""
    status, office = dict[str, int](), dict[str, int]()
    days: list[int] = []
    for part in _parts(view):
        columns, alive = part.segment.filters, part.alive.mask()
        for counts, labels in (
            (status, columns.words["status"]),
            (office, columns.words["office"]),
        ):
            for name, count in labels.counts(alive).items():
                counts[name] = counts.get(name, 0) + count
        filed = columns.days["filed"][alive]
        filed = filed[filed != NO_DATE]
        days += [int(filed.min()), int(filed.max())] if len(filed) else []
    filed_span = (date.fromordinal(min(days)), date.fromordinal(max(days))) if days else None
    nice = _live_counts(view, "nice")
    return Facets(dict(sorted(status.items())), dict(sorted(office.items())), nice, filed_span)


def _parts(view: ReadView) -> tuple[LiveSegment, ...]:
    return (*view.parts, *view.without_vectors)


def _live_counts(view: ReadView, counted: _Counted) -> dict[int, int]:
    """Live rows by key, ascending: all rows less the dead ones."""
    found: list[tuple[KeyCounts, int]] = []
    for part in _parts(view):
        columns = part.segment.filters
        known = columns.known_counts
        if counted not in known:
            known[counted] = _count(columns, counted, np.ones(len(columns), np.bool_))
        found.append((known[counted], 1))
        if part.count < len(columns):
            found.append((_count(columns, counted, (~part.alive).mask()), -1))
    return _summed(found)


def _count(columns: FilterColumns, counted: _Counted, rows: NDArray[np.bool_]) -> KeyCounts:
    """Rows of a mask that have each class, or each code or anything below it."""
    lists = []
    if counted == "nice":
        lists.append((columns.nice.keys, columns.nice.rows))
    if counted in ("assigned", "either"):
        lists.append((columns.assigned.keys, columns.assigned.rows))
    if counted in ("predicted", "either"):
        codes, confident = columns.predicted.codes, columns.predicted.confident
        lists.append((codes.keys[confident], codes.rows[confident]))
    keys, borne = (np.concatenate(arrays) for arrays in zip(*lists, strict=True))
    chosen = rows[borne]
    keys, borne = keys[chosen].astype(np.int64), borne[chosen]
    return KeyCounts.of(keys, borne) if counted == "nice" else _with_ancestors(keys, borne)


def _with_ancestors(keys: NDArray[np.int64], rows: NDArray[np.int32]) -> KeyCounts:
    """Count each code's rows, and those of each division and category above it."""
    levels = []
    for below in KEYS_BELOW.values():
        # A code without division counts for no division, one without section for no section.
        held = keys % (below * 100) >= below if below < KEYS_BELOW["category"] else keys > 0
        levels.append(KeyCounts.of(keys[held] // below * below, rows[held]))
    together = np.concatenate([one.keys for one in levels])
    order = np.argsort(together)
    return KeyCounts(together[order], np.concatenate([one.counts for one in levels])[order])


def _summed(found: Sequence[tuple[KeyCounts, int]]) -> dict[int, int]:
    """Counts by key, ascending; keys that come to nothing are left out."""
    if not found:
        return {}
    keys, places = np.unique(np.concatenate([one.keys for one, _ in found]), return_inverse=True)
    totals = np.zeros(len(keys), np.int64)
    np.add.at(totals, places, np.concatenate([sign * one.counts for one, sign in found]))
    return {int(key): int(n) for key, n in zip(keys, totals, strict=True) if n}


@lru_cache(maxsize=4096)  # the classification has fewer codes
def _code(key: int) -> ViennaCode:
    return ViennaCode(key // 10_000, key // 100 % 100, key % 100)
