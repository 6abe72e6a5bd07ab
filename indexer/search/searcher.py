"""Answers a search: filter → allowed rows → exact ranking → what the register holds of the hits."""

import logging
from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch
from indexer.index.follower import Follower
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, ReadView
from indexer.marks import Mark
from indexer.query import Hit, PlanKind, PlanReport, SearchQuery, SearchResult
from indexer.register import Register
from indexer.search.plan import choose
from indexer.search.ranking import AllowedRows, Ranked, Scorer, rank
from models.encoder import Block

logger = logging.getLogger(__name__)

_ATTEMPTS = 4  # times a search starts over because the register changed under it


class Searcher:
    """Searches what a follower shows; safe to share by threads."""

    def __init__(self, register: Register, follower: Follower, blocks: tuple[Block, ...]) -> None:
        """Prepare.

        Args:
            register: where hits are looked up.
            follower: gives the view to search.
            blocks: the parts of an embedding and their default weights.

        Raises:
            FingerprintMismatch: the blocks are not of the embeddings that the follower holds.
        """
        if blocks[-1].stop != follower.dimension:
            raise FingerprintMismatch(
                f"the network's embeddings have {blocks[-1].stop} numbers, "
                f"the index holds {follower.dimension}: run `marklens rebuild --encode`"
            )
        self._register = register
        self._follower = follower
        self._blocks = tuple(blocks)
        follower.measure(self._blocks)

    def __repr__(self) -> str:
        """Name what is searched and how."""
        status = self._follower.status
        return f"{status.total} marks at sequence {status.sequence}, {status.index}"

    def search(self, query: SearchQuery) -> SearchResult:
        """Find the marks nearest to a query among those its filter allows.

        The answer is exactly the head of the whole ranking of the allowed marks, by falling score
        and then by id, as of one state of the register. Where the plan says ``ivf``, marks may be
        missing from it, but scores and order of the others are exact.

        Raises:
            BadQuery: the embedding's shape or a weight does not fit the network's blocks.
            DatabaseUnavailable: the register cannot be read.
        """
        scorer = Scorer(self._blocks, query.embedding, query.weights)
        view = self._follower.view()
        for _ in range(_ATTEMPTS):
            result = self._search_view(view, query, scorer)
            if result is not None:
                return result
            # A mark was written between the view and the look-up: start over with the newer state.
            view = self._follower.refresh_briefly()
        return self._search_changing(view, query, scorer)

    def _search_view(
        self, view: ReadView, query: SearchQuery, scorer: Scorer
    ) -> SearchResult | None:
        """Search one view; None if the register turned out to have moved past it."""
        search = _Search(view, query, scorer)
        text = query.filter.text
        if text:
            search.only(self._register.ids_with_text(text))
            if self._register.sequence() != view.sequence:
                return None  # the numbers may be newer or older than the view's
        ranked = search.ranked()
        marks = self._register.marks([one.id for one in ranked])
        if any(one.id not in marks or marks[one.id].sequence != one.sequence for one in ranked):
            return None
        return self._result(search, ranked, marks)

    def _search_changing(self, view: ReadView, query: SearchQuery, scorer: Scorer) -> SearchResult:
        """Search while the register changes faster than one search takes.

        Marks are then ranked as of the view, and described as they are now; those withdrawn
        since give way to the next.
        """
        logger.info("the register changes during searches: answering as of %d", view.sequence)
        search = _Search(view, query, scorer)
        if query.filter.text:
            search.only(self._register.ids_with_text(query.filter.text))
        while True:
            ranked = search.ranked()
            marks = self._register.marks([one.id for one in ranked])
            gone = frozenset(one.id for one in ranked if one.id not in marks)
            if not gone:
                return self._result(search, ranked, marks)
            search.leave_out(gone)

    def _result(
        self, search: "_Search", ranked: list[Ranked], marks: Mapping[str, Mark]
    ) -> SearchResult:
        names = [block.name for block in self._blocks]
        hits = tuple(
            Hit(
                id=one.id,
                score=one.score,
                scores=dict(zip(names, one.cosines, strict=True)),
                mark=marks[one.id],
            )
            for one in ranked
        )
        return SearchResult(hits, search.report(self._follower.index_name))


class _Search:
    """One search over one view, with its stop watch."""

    def __init__(self, view: ReadView, query: SearchQuery, scorer: Scorer) -> None:
        started = perf_counter()
        self._view = view
        self._query = query
        self._scorer = scorer
        self._allowed = [_allowed(part, query) for part in view.parts]
        self.leave_out(query.exclude)
        self._filter_s = perf_counter() - started
        self._search_s = 0.0

    def leave_out(self, ids: frozenset[str]) -> None:
        """Forbid some marks."""
        if not ids:
            return
        self._allowed = [_without(one, one.segment.ids.rows_of(ids)) for one in self._allowed]

    def only(self, sequences: NDArray[np.int64]) -> None:
        """Allow only rows that have one of these sequence numbers."""
        started = perf_counter()
        narrowed = []
        for one in self._allowed:
            rows = RowSet.of_rows(len(one.segment), one.segment.rows_at(sequences))
            narrowed.append(_narrowed(one, rows))
        self._allowed = narrowed
        self._filter_s += perf_counter() - started

    def ranked(self) -> list[Ranked]:
        """The nearest allowed marks."""
        started = perf_counter()
        ranked = rank(self._allowed, self._scorer, self._query.k)
        self._search_s += perf_counter() - started
        return ranked

    def report(self, index: str) -> PlanReport:
        """What was done."""
        matched = sum(one.count for one in self._allowed)
        return PlanReport(
            kind=_kind(self._allowed, matched, self._view.total),
            index=index,
            matched=matched,
            total=self._view.total,
            sequence=self._view.sequence,
            milliseconds={"filter": 1e3 * self._filter_s, "search": 1e3 * self._search_s},
        )


def _kind(allowed: Sequence[AllowedRows], matched: int, total: int) -> PlanKind:
    """How a view was searched: by lists, if one of its segments was."""
    if any(one.plan == "ivf" for one in allowed):
        return "ivf"
    return choose(matched, total)


def _allowed(part: LiveSegment, query: SearchQuery) -> AllowedRows:
    everything = AllowedRows(part.segment, part.alive, part.count)
    if query.filter.is_empty:
        return everything
    return _narrowed(everything, part.segment.filters.allowed(query.filter))


def _narrowed(one: AllowedRows, rows: RowSet) -> AllowedRows:
    both = rows & one.rows if one.count < len(one.segment) else rows
    return AllowedRows(one.segment, both, len(both))


def _without(one: AllowedRows, forbidden: list[int]) -> AllowedRows:
    if not forbidden:
        return one
    rows = one.rows.without(np.array(forbidden))
    return AllowedRows(one.segment, rows, len(rows))
