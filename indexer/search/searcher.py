"""Answers a search: filter → allowed rows → exact ranking → the marks of the hits."""

import logging
from collections.abc import Mapping, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from indexer.errors import FingerprintMismatch
from indexer.index.following import RegisterIndex, View
from indexer.marks import Box, Mark
from indexer.matches import Candidate, Pair
from indexer.query import (
    RERANK,
    WORDS,
    Hit,
    PlanKind,
    PlanReport,
    SearchQuery,
    SearchResult,
)
from indexer.register import Register
from indexer.search.allowed import allowed_marks, rank_allowed
from indexer.search.grouping import grouped
from indexer.search.like_words import numbers_alike
from indexer.search.ranking import Ranked
from indexer.search.reranking import Reranking
from indexer.search.scoring import Query, all_weights, block_weights
from models.encoder import Block
from models.network.score_calibration import ScoreCalibration

logger = logging.getLogger(__name__)

_ATTEMPTS = 4  # times a search starts over because the register changed under it


class Searcher:
    """Searches what a follower shows; safe to share by threads."""

    def __init__(
        self,
        register: Register,
        follower: RegisterIndex,
        blocks: tuple[Block, ...],
        calibration: ScoreCalibration | None = None,
    ) -> None:
        """Prepare.

        Args:
            register: where hits are looked up.
            follower: gives the view to search.
            blocks: the parts of an embedding and their default weights.
            calibration: what scores with these weights mean, where it is known.

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
        self._calibration = calibration
        follower.measure(self._blocks)

    def __repr__(self) -> str:
        """Name what is searched and how."""
        status = self._follower.status
        return f"{status.total} marks at sequence {status.sequence}, {status.index}"

    def search(self, query: SearchQuery) -> SearchResult:
        """Find the marks nearest to a query among those its filter allows.

        The answer is exactly the head of the whole ranking of the allowed marks, by falling score
        and then by id, as of one state of the register; the first of it are ranked again by their
        places and codes (`indexer.search.reranking`). Where the plan says ``ivf``, marks
        may be missing from it, but scores and order of the others are exact.

        Raises:
            BadQuery: the embedding's shape or a weight does not fit the network's blocks.
            DatabaseUnavailable: the register cannot be read.
        """
        compared = Query(self._blocks, query.embedding.vectors, query.weights)
        view = self._follower.view()
        for _ in range(_ATTEMPTS):
            result = self._search_view(view, query, compared)
            if result is not None:
                return result
            # A mark was written between the view and the look-up: start over with the newer state.
            view = self._follower.refresh_briefly()
        logger.info("the register changes during searches: answering as of %d", view.sequence)
        return self._search_changing(view, query, compared)

    def search_view(self, view: View, query: SearchQuery) -> SearchResult:
        """Find the marks of a view nearest to a query, scored and ranked as `search` does.

        They are described as the register has them now; those withdrawn since are left out.

        Raises:
            BadQuery, DatabaseUnavailable: as in `search`.
        """
        compared = Query(self._blocks, query.embedding.vectors, query.weights)
        return self._search_changing(view, query, compared)

    def grouped(self, hits: Sequence[Hit]) -> tuple[Hit, ...]:
        """Hits, the nearest first, each with the first of those that show the same sign."""
        return grouped(hits, self._follower.view(), self._blocks)

    def weights(self, given: Mapping[str, float] | None) -> Mapping[str, float]:
        """The weight of all that can be weighed, by default where it is not given.

        Raises:
            BadQuery: there is nothing of a name that is given.
        """
        return all_weights(self._blocks, given)

    def total_weight(self, given: Mapping[str, float] | None) -> float:
        """Sum of the blocks' weights.

        Raises:
            BadQuery: there is nothing of a name that is given, or no block has a weight above 0.
        """
        return sum(block_weights(self._blocks, self.weights(given)))

    def _search_view(self, view: View, query: SearchQuery, compared: Query) -> SearchResult | None:
        """Search one view; None if the register turned out to have moved past it."""
        search = self._begin(view, query, compared)
        if query.filter.texts and self._register.sequence() != view.sequence:
            return None  # the texts may be newer or older than the view
        ranked, is_current = self._ranked(search, query)
        found = self._described(ranked, query.k)
        if not is_current or any(
            mark is None or mark.sequence != one.sequence for one, mark in found
        ):
            return None
        return self._result(search, query, found)

    def _search_changing(self, view: View, query: SearchQuery, compared: Query) -> SearchResult:
        """Search while the register changes faster than one search takes.

        Marks are then ranked as of the view, and described as they are now; those withdrawn
        since give way to the next.
        """
        search = self._begin(view, query, compared)
        while True:
            found = self._described(self._ranked(search, query)[0], query.k)
            gone = [one.number for one, mark in found if mark is None]
            if not gone:
                return self._result(search, query, found)
            search.leave_out(np.array(gone))

    def _begin(self, view: View, query: SearchQuery, compared: Query) -> "_Search":
        """Find out what may be found; the register says what has an id, or certain texts."""
        search = _Search(view, query, compared)
        if query.exclude:
            search.leave_out(self._register.numbers_of(sorted(query.exclude)))
        if query.among is not None:
            search.only(self._register.numbers_of(query.among))
        for field, text in query.filter.texts:
            search.only(
                numbers_alike(self._register, [query.filter])
                if field == "text"
                else self._register.numbers_with_text(text, field)
            )
        return search

    def _ranked(self, search: "_Search", query: SearchQuery) -> tuple[list[Ranked], bool]:
        """The first marks, ranked again; and whether the register still holds them as compared."""
        ranked = search.ranked()
        if not search.is_reranked:
            return ranked, True
        first = [one.sequence for one in self._first(ranked, query.rerank)]
        started = perf_counter()
        candidates = self._register.candidates(first)
        return search.ranked_again(ranked, candidates, started), len(candidates) == len(first)

    def _first(self, ranked: list[Ranked], k: int) -> list[Ranked]:
        """The k best; of those that score as much as the last of them, by id."""
        if len(ranked) <= k or ranked[k - 1].score != ranked[k].score:
            return ranked[:k]
        ids = self._register.ids_numbered([one.number for one in ranked])
        return sorted(ranked, key=lambda one: (-one.score, ids.get(one.number, "")))[:k]

    def _described(self, ranked: list[Ranked], k: int) -> "list[tuple[Ranked, Mark | None]]":
        """The k best with what the register holds of them; None of one that is withdrawn."""
        best = self._first(ranked, k)
        marks = self._register.marks_numbered([one.number for one in best])
        return [(one, marks.get(one.number)) for one in best]

    def _result(
        self, search: "_Search", query: SearchQuery, found: "list[tuple[Ranked, Mark | None]]"
    ) -> SearchResult:
        boxes: list[Box] = list(map(tuple, query.embedding.boxes.tolist()))
        names = [block.name for block in self._blocks]
        calibration = self._calibration if self._has_default_weights(query) else None
        total = search.total
        in_order = sorted(
            ((one, mark) for one, mark in found if mark is not None),
            key=lambda pair: (-pair[0].score, pair[1].record.id),
        )
        hits = tuple(
            Hit(
                id=mark.record.id,
                score=one.score,
                scores=dict(zip(names, one.cosines, strict=True)),
                mark=mark,
                pair=Pair(*one.pair, boxes[one.pair[0]], _box(mark, one.pair[1])),
                probability=(
                    None if calibration is None else calibration.probability(one.score, total)
                ),
                places=search.reranking.matches(one),
                same_codes=search.reranking.agreement(one),
            )
            for one, mark in in_order
        )
        return SearchResult(hits, search.report(self._follower.index_name))

    def _has_default_weights(self, query: SearchQuery) -> bool:
        weights, defaults = dict(self.weights(query.weights)), self.weights(None)
        weights[WORDS] = defaults[WORDS]  # does not count in a score by picture
        # Of marks that are named, those are asked that are not ranked again by default either.
        is_default = query.rerank == (RERANK if query.among is None else 0)
        return is_default and weights == defaults


class _Search:
    """One search over one view, with its stop watch."""

    def __init__(self, view: View, query: SearchQuery, compared: Query) -> None:
        started = perf_counter()
        self._view = view
        self._query = query
        self._compared = compared
        self._allowed = allowed_marks(view, query.filter)
        self._plan: PlanKind = "none"
        self.reranking = Reranking(query.embedding, query.shown, compared)
        self.is_reranked = query.rerank > 0 and self.reranking.is_on
        self._reranked, self._rerank_s = 0, 0.0
        self._filter_s = perf_counter() - started
        self._search_s = 0.0

    def leave_out(self, numbers: NDArray[np.int64]) -> None:
        """Forbid the marks with some numbers."""
        started = perf_counter()
        self._allowed = self._allowed.without(numbers)
        self._filter_s += perf_counter() - started

    def only(self, numbers: NDArray[np.int64]) -> None:
        """Allow only the marks with some numbers."""
        started = perf_counter()
        self._allowed = self._allowed.only(numbers)
        self._filter_s += perf_counter() - started

    def ranked(self) -> list[Ranked]:
        """The nearest allowed marks, and all that score as much as the last of them."""
        started = perf_counter()
        wanted = max(self._query.k, self._query.rerank if self.is_reranked else 0)
        ranking = rank_allowed(self._allowed, self._compared, wanted)
        self._search_s += perf_counter() - started
        self._plan = ranking.plan
        return ranking.best

    @property
    def total(self) -> int:
        """Marks searchable."""
        return self._view.total

    def ranked_again(
        self, ranked: list[Ranked], candidates: Mapping[int, Candidate], started: float
    ) -> list[Ranked]:
        """The same marks, the candidates ranked again."""
        again = self.reranking.apply(ranked, candidates)
        self._reranked = len(candidates)
        self._rerank_s += perf_counter() - started
        return again

    def report(self, index: str) -> PlanReport:
        """What was done."""
        return PlanReport(
            kind=self._plan,
            index=index,
            matched=self._allowed.count,
            total=self.total,
            sequence=self._view.sequence,
            milliseconds={
                "filter": 1e3 * self._filter_s,
                "search": 1e3 * self._search_s,
                "rerank": 1e3 * self._rerank_s,
            },
            reranked=self._reranked,
        )


def _box(mark: Mark, place: int) -> Box | None:
    """Where one of a mark's vectors was seen; its boxes may be newer, and fewer, than vectors."""
    return mark.boxes[place] if place < len(mark.boxes) else None
