"""The marks of a view that may be found: the one place where a search meets what compares vectors.

Above it a search knows marks, filters and scores; below it are segments in this process' memory,
compared by FAISS, or a collection on a Milvus server. Both give the same ranking by the same exact
scores.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.index.following import View
from indexer.index.milvus import MilvusView, PassingMarks
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, ReadView
from indexer.query import Filter
from indexer.search.milvus_ranking import rank_passing
from indexer.search.ranking import AllowedRows, Ranking, rank
from indexer.search.scoring import Query


@dataclass(frozen=True)
class AllowedInMemory:
    """Rows of segments that may be found; as `PassingMarks` are on a server."""

    parts: tuple[AllowedRows, ...]

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(one.count for one in self.parts)

    def without(self, numbers: NDArray[np.int64]) -> "AllowedInMemory":
        """Those that have none of some numbers; see `Change.number`."""
        return AllowedInMemory(
            tuple(
                _replaced(one, one.rows.without(one.segment.rows_of(numbers))) for one in self.parts
            )
        )

    def only(self, numbers: NDArray[np.int64]) -> "AllowedInMemory":
        """Those that have one of some numbers."""
        return AllowedInMemory(
            tuple(
                _narrowed(one, RowSet.of_rows(len(one.segment), one.segment.rows_of(numbers)))
                for one in self.parts
            )
        )


AllowedMarks = AllowedInMemory | PassingMarks  # of one view; immutable


def allowed_marks(view: View, wanted: Filter) -> AllowedMarks:
    """The marks of a view that pass all of a filter but its texts, which only SQL knows."""
    if isinstance(view, MilvusView):
        return view.passing(wanted)
    if not isinstance(view, ReadView):
        raise TypeError(f"a view of an unknown kind: {type(view).__name__}")
    return AllowedInMemory(tuple(_allowed(part, wanted) for part in view.parts))


def rank_allowed(allowed: AllowedMarks, query: Query, k: int) -> Ranking:
    """The k that score best, and all others that score as much as the k-th."""
    if isinstance(allowed, PassingMarks):
        return rank_passing(allowed, query, k)
    return rank(allowed.parts, query, k)


def _allowed(part: LiveSegment, wanted: Filter) -> AllowedRows:
    everything = AllowedRows(part.segment, part.alive, part.count)
    if wanted.is_empty:
        return everything
    return _narrowed(everything, part.segment.filters.allowed(wanted))


def _narrowed(one: AllowedRows, rows: RowSet) -> AllowedRows:
    """The allowed rows that are also in a set."""
    return _replaced(one, rows & one.rows if one.count < len(one.segment) else rows)


def _replaced(one: AllowedRows, rows: RowSet) -> AllowedRows:
    return AllowedRows(one.segment, rows, len(rows))
