"""How many marks bear each code, class, status and office: counted in a view, not in SQL.

SQL reads whole tables for it, seconds at a million marks. Here each segment's rows are counted
once, and what its dead rows bear is subtracted: a mark that bears a code counts once for the code
and once for each code above it, so counts add up over rows.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np

from indexer.index.filters import FilterColumns, Tally
from indexer.index.segments import LiveSegment, ReadView
from indexer.marks import CodeSource, Facets
from models.vienna import ViennaCode


def count_codes(view: ReadView, source: CodeSource) -> dict[ViennaCode, int]:
    """Live marks that bear each code or anything below it, with or without picture.

    Args:
        view: the marks.
        source: assigned codes, confidently predicted ones, or either.
    """
    tallies = []
    for part in _parts(view):
        columns = part.segment.filters
        tallies.append((columns.code_tally(source), 1))
        if part.alive is not None:
            tallies.append((columns.code_tally(source, ~part.alive), -1))
    return {_code(key): count for key, count in _summed(tallies).items()}


def count_facets(view: ReadView) -> Facets:
    """The statuses, offices, classes and filing dates of live marks, with their counts."""
    status, office = dict[str, int](), dict[str, int]()
    nice: list[tuple[Tally, int]] = []
    days: list[int] = []
    for part in _parts(view):
        columns, alive = part.segment.filters, part.alive
        for counts, labels in ((status, columns.status), (office, columns.office)):
            for name, count in labels.counted(alive).items():
                counts[name] = counts.get(name, 0) + count
        nice.append((columns.nice_tally(), 1))
        if alive is not None:
            nice.append((columns.nice_tally(~alive), -1))
        days += _span(columns, part)
    filed = (date.fromordinal(min(days)), date.fromordinal(max(days))) if days else None
    return Facets(dict(sorted(status.items())), dict(sorted(office.items())), _summed(nice), filed)


def _parts(view: ReadView) -> tuple[LiveSegment, ...]:
    return (*view.parts, *view.bare)


def _span(columns: FilterColumns, part: LiveSegment) -> list[int]:
    """First and last day of filing of the live rows; none without any."""
    filed = columns.filed if part.alive is None else columns.filed[part.alive]
    filed = filed[filed != columns.no_date]
    return [int(filed.min()), int(filed.max())] if len(filed) else []


def _summed(tallies: Sequence[tuple[Tally, int]]) -> dict[int, int]:
    """Counts by key, ascending; keys that come to nothing are left out."""
    if not tallies:
        return {}
    keys, places = np.unique(np.concatenate([one.keys for one, _ in tallies]), return_inverse=True)
    totals = np.zeros(len(keys), np.int64)
    np.add.at(totals, places, np.concatenate([sign * one.counts for one, sign in tallies]))
    return {int(key): int(n) for key, n in zip(keys, totals, strict=True) if n}


@lru_cache(maxsize=4096)  # the classification has fewer codes
def _code(key: int) -> ViennaCode:
    return ViennaCode(key // 10_000, key // 100 % 100, key % 100)
