"""Facets: how many marks have each code, class, status and office, counted in a view.

SQL reads whole tables for it, seconds at a million marks. Here each segment keeps, for each code
and all above it, the rows that have it, each once; counting the rows that pass a filter is then
one look at a mask a row. So counts add up over segments, and the marks that a filter leaves are
counted as quickly as all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer.index.columns import KeyRows
from indexer.index.filters import KEYS_BELOW, NO_DATE, FilterColumns
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, ReadView
from indexer.marks import CodeSource, Facets
from indexer.query import DAY_COLUMNS, Filter
from indexer.register.listing import FacetCounts
from models.vienna import ViennaCode

_Counted = Literal[CodeSource, "nice"]
FACETS = ("vienna_any", "nice", "status", "office")  # fields of a filter, each a facet of its own
_KEPT = 6  # of codes from another probability on, what is kept of a segment at once


def count_codes(view: ReadView, source: CodeSource) -> dict[ViennaCode, int]:
    """Live marks that have each code or anything below it, with or without picture.

    Args:
        view: the marks.
        source: assigned codes, confidently predicted ones, or either.
    """
    rows = ((part.segment.filters, part.alive.mask()) for part in _parts(view))
    counted = _summed((_rows_of(columns, source), mask) for columns, mask in rows)
    return {_code(key): count for key, count in counted.items()}


def count_facets(view: ReadView) -> Facets:
    """The statuses, offices, classes and spans of days of live marks, with their counts."""
    rows = [*_passing(_parts(view), Filter(), None)]
    nice = _summed((_rows_of(columns, "nice"), mask) for columns, mask in rows)
    spans = {name: _span(name, rows) for name in DAY_COLUMNS}
    return Facets(_labels("status", rows), _labels("office", rows), nice, **spans)


def count_passing(
    view: ReadView,
    wanted: Filter,
    among: NDArray[np.int64] | None = None,
    with_pictures: bool = False,
) -> FacetCounts:
    """Count the marks that pass a filter, by each value of each facet.

    What a facet's own field asks is left out of its counts: they say how many marks would pass
    with the value. Codes that marks must have, or must not, hold for the counts of codes.

    Args:
        view: the marks.
        wanted: the filter; its texts are not looked at.
        among: numbers of the only marks to count, such as those with a text; None for all.
        with_pictures: whether only marks that a picture can find count.
    """
    parts = view.parts if with_pictures else _parts(view)
    passing = {facet: [*_passing(parts, without(wanted, facet), among)] for facet in FACETS}
    source, least = wanted.vienna_source, wanted.min_probability
    codes = _summed(
        (_rows_of(columns, source, least), mask) for columns, mask in passing["vienna_any"]
    )
    return FacetCounts(
        matched=sum(int(mask.sum()) for _, mask in _passing(parts, wanted, among)),
        vienna={_code(key): count for key, count in codes.items()},
        nice=_summed((_rows_of(columns, "nice"), mask) for columns, mask in passing["nice"]),
        status=_labels("status", passing["status"]),
        office=_labels("office", passing["office"]),
    )


_Rows = tuple[FilterColumns, NDArray[np.bool_]]


def without(wanted: Filter, facet: str) -> Filter:
    """The same filter without what a facet's own field asks."""
    return replace(wanted, **{facet: getattr(Filter(), facet)})


def _passing(
    parts: Sequence[LiveSegment], wanted: Filter, among: NDArray[np.int64] | None
) -> Iterable[_Rows]:
    """The columns of each segment, and which of its rows live and pass."""
    for part in parts:
        columns, rows = part.segment.filters, part.alive
        if among is not None:
            rows = rows & RowSet.of_rows(len(columns), part.segment.rows_of(among))
        yield columns, (rows if wanted.is_empty else rows & columns.allowed(wanted)).mask()


def _labels(name: str, passing: Sequence[_Rows]) -> dict[str, int]:
    counts = dict[str, int]()
    for columns, mask in passing:
        for label, count in columns.words[name].counts(mask).items():
            counts[label] = counts.get(label, 0) + count
    return dict(sorted(counts.items()))


def _span(name: str, passing: Sequence[_Rows]) -> tuple[date, date] | None:
    """The first and the last day of a field; None where no mark has one."""
    ends: list[int] = []
    for columns, mask in passing:
        days = columns.days[name][mask]
        days = days[days != NO_DATE]
        ends += [int(days.min()), int(days.max())] if len(days) else []
    return (date.fromordinal(min(ends)), date.fromordinal(max(ends))) if ends else None


def _parts(view: ReadView) -> tuple[LiveSegment, ...]:
    return (*view.parts, *view.without_vectors)


def _rows_of(columns: FilterColumns, counted: _Counted, least: float | None = None) -> KeyRows:
    """The rows that have each class, or each code or anything below it; found once a segment.

    Args:
        columns: of the segment.
        counted: classes, or codes of which source.
        least: probability from which a predicted code counts; None for its own threshold.
    """
    known = columns.known_rows  # other threads add and take out
    asked = (counted, None if counted in ("nice", "assigned") else least)
    rows = known.get(asked)
    if rows is None:
        others = [key for key in list(known) if key[1] is not None]
        if len(others) >= _KEPT:
            known.pop(others[0], None)
        rows = known[asked] = _find_rows(columns, counted, least)
    return rows


def _find_rows(columns: FilterColumns, counted: _Counted, least: float | None) -> KeyRows:
    lists: list[tuple[NDArray[Any], NDArray[Any]]] = []
    if counted == "nice":
        lists.append((columns.nice.keys, columns.nice.rows))
    if counted in ("assigned", "either"):
        lists.append((columns.assigned.keys, columns.assigned.rows))
    if counted in ("predicted", "either"):
        codes, sure = columns.predicted.codes, columns.predicted.sure(least)
        lists.append((codes.keys[sure], codes.rows[sure]))
    keys, rows = (np.concatenate(arrays) for arrays in zip(*lists, strict=True))
    keys = keys.astype(np.int64)
    return KeyRows.of(keys, rows) if counted == "nice" else _with_ancestors(keys, rows)


def _with_ancestors(keys: NDArray[np.int64], rows: NDArray[np.int32]) -> KeyRows:
    """The rows of each code, and of each division and category above it."""
    all_keys, all_rows = [], []
    for below in KEYS_BELOW.values():
        # A code without division counts for no division, one without section for no section.
        held = keys % (below * 100) >= below if below < KEYS_BELOW["category"] else keys > 0
        all_keys.append(keys[held] // below * below)
        all_rows.append(rows[held])
    return KeyRows.of(np.concatenate(all_keys), np.concatenate(all_rows))


def _summed(found: Iterable[tuple[KeyRows, NDArray[np.bool_]]]) -> dict[int, int]:
    """Rows by key, ascending; keys that come to nothing are left out."""
    counted = [(rows.keys, rows.counts(mask)) for rows, mask in found]
    if not counted:
        return {}
    keys, places = np.unique(np.concatenate([one for one, _ in counted]), return_inverse=True)
    totals = np.zeros(len(keys), np.int64)
    np.add.at(totals, places, np.concatenate([counts for _, counts in counted]))
    return {int(key): int(n) for key, n in zip(keys, totals, strict=True) if n}


@lru_cache(maxsize=4096)  # the classification has fewer codes
def _code(key: int) -> ViennaCode:
    return ViennaCode(key // 10_000, key // 100 % 100, key % 100)
