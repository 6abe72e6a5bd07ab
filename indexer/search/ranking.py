"""The ranking of a view: FAISS finds candidates, exact arithmetic ranks them.

A mark and a query are a few vectors each: of the whole sign and of its parts. What two vectors
score is Σ weight · cosine / Σ weight over the blocks, less `PAIR_LOSS` where parts are among them;
the score of a mark is that of its best pair. Products of float16 numbers and sums of a few hundred
of them are exact in float64, so a score depends on nothing but the two embeddings: duplicates tie
exactly, and the same picture scores 1.

FAISS computes with float32 and takes blocks as unit-length. Both errors have a bound. Whole signs
are compared first: the k-th best of them bounds what pairs with a part must reach. Then candidates
are widened until no mark that FAISS left out can reach the last place. So the result is the whole
ranking's head, not an approximation of it; but where a segment has lists (see
`indexer.index.vectors.faiss_ivf`), marks whose list was not visited are missing from it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.segments import Segment
from indexer.index.vectors import Nearest, VectorIndex
from indexer.query import PlanKind
from indexer.search.plan import choose
from indexer.search.scoring import Query, Scorer

# What a pair scores less, by how many of the two are parts: see docs/decisions/0015.
PAIR_LOSS = (0.0, 0.025, 0.15)
_MARGIN = 16  # candidates beyond k asked for at first
_WIDEN = 4  # times as many candidates if those did not settle the last place
_PLANS: tuple[PlanKind, ...] = ("none", "gather", "exact", "ivf")
_FLOAT32 = 1e-6  # by which a threshold may be rounded up to float32


class Ranked(NamedTuple):
    """One ranked mark; a tuple, since making fifty dataclasses took longer than some searches.

    Attributes:
        number: of the mark; see `Change.number`.
        sequence: of the row that was compared.
        score: of its best pair.
        cosines: of that pair, one for each block.
        pair: vectors of the query and of the mark, 0 for the whole; of equal pairs the first.
    """

    number: int
    sequence: int
    score: float
    cosines: tuple[float, ...]
    pair: tuple[int, int]


@dataclass(frozen=True, eq=False)
class AllowedVectors:
    """The vectors of one index that may be found.

    Attributes:
        index: all vectors.
        rows: those that are allowed.
        count: how many are allowed.
    """

    index: VectorIndex
    rows: RowSet
    count: int

    @property
    def plan(self) -> PlanKind:
        """How they are searched."""
        total = len(self.index)
        return choose(self.count, total, self.count <= self.index.exact_share * total)

    def nearest(self, scorer: Scorer, wanted: int, least: float) -> Nearest:
        """The nearest of them; those that score less than `least` may be missing."""
        query, made_of = scorer.scaled, scorer.embedding
        if self.count == len(self.index):
            return self.index.scan(query, wanted, None, least, made_of)
        if self.plan == "gather":
            return self.index.gather(query, wanted, self.rows.rows(), least)
        return self.index.scan(query, wanted, self.rows.dense(), least, made_of)


@dataclass(frozen=True, eq=False)
class AllowedRows:
    """The rows of one segment that may be found.

    Attributes:
        segment: all rows.
        rows: those that are allowed.
        count: how many are allowed.
    """

    segment: Segment
    rows: RowSet
    count: int

    @property
    def wholes(self) -> AllowedVectors:
        """The vectors of their whole signs."""
        return AllowedVectors(self.segment.vectors, self.rows, self.count)

    @cached_property
    def parts(self) -> AllowedVectors:
        """The vectors of their parts."""
        parts = self.segment.part_vectors
        if self.count == len(self.segment):
            everything = len(parts.vectors)
            return AllowedVectors(parts.vectors, RowSet.all(everything), everything)
        rows = parts.of_set(self.rows)
        return AllowedVectors(parts.vectors, rows, len(rows))


class Ranking(NamedTuple):
    """The best of the allowed rows.

    Attributes:
        best: the k best, best first, and all others that score as much as the k-th.
        plan: how they were searched, by the most thorough search of a segment.
    """

    best: list[Ranked]
    plan: PlanKind


def rank(allowed: Sequence[AllowedRows], query: Query, k: int) -> Ranking:
    """Rank the allowed rows down to the k-th place; to fewer if fewer are allowed."""
    scans: list[_Scan] = []
    wanted = k + k // 8 + _MARGIN
    for stage in _stages([one for one in allowed if one.count], query):
        last = _last_score(_by_segment(scans).values(), k)
        for scan in stage:
            scan.widen(wanted, k, last)
        scans += stage
    last = _last_score(_by_segment(scans).values(), k)
    while unsettled := [scan for scan in scans if scan.is_unsettled(last)]:
        wanted *= _WIDEN
        for scan in unsettled:
            scan.widen(wanted, k, last)
        last = _last_score(_by_segment(scans).values(), k)
    plans = {scan.plan for scan in scans}
    return Ranking(_head(scans, k), max(plans, key=_PLANS.index, default="none"))


def _stages(allowed: Sequence[AllowedRows], query: Query) -> "Iterator[list[_Scan]]":
    """What is compared with what, the most promising first: later ones have more to reach."""
    whole, *parts = enumerate(query.scorers)
    yield [_Scan(one, *whole, of_parts=False) for one in allowed]
    if query.has_parts:
        with_parts = [one for one in allowed if one.parts.count]
        yield [_Scan(one, *whole, of_parts=True) for one in with_parts]
        yield [
            _Scan(one, *part, of_parts=of_parts)
            for part in parts
            for of_parts in (False, True)
            for one in (with_parts if of_parts else allowed)
        ]


class _Scan:
    """The candidates of one segment, by one vector of the query against wholes or parts."""

    def __init__(self, allowed: AllowedRows, place: int, scorer: Scorer, of_parts: bool) -> None:
        self.segment = allowed.segment
        self._allowed = allowed.parts if of_parts else allowed.wholes
        self._place = place  # of the vector in the query
        self._scorer = scorer
        self._of_parts = of_parts
        self._loss = PAIR_LOSS[(place > 0) + of_parts]
        self._error = scorer.error_bound(allowed.segment)
        self._is_complete = False  # every pair that may reach the k-th best is a candidate
        self._ceiling = np.inf  # no pair that is left out scores higher
        self.pairs = _Pairs.none(len(scorer.blocks))

    @property
    def plan(self) -> PlanKind:
        """How it is done."""
        return self._allowed.plan

    def is_unsettled(self, last: float) -> bool:
        """Whether a pair that is no candidate may score as much as the k-th best mark."""
        return not self._is_complete and self._ceiling >= last

    def widen(self, wanted: int, k: int, last: float) -> None:
        """Take those of the `wanted` nearest vectors as candidates that may be among the k best.

        Args:
            wanted: how many to look at.
            k: how many marks are wanted.
            last: score of the k-th best mark known, which is to be reached.
        """
        allowed, scorer = self._allowed, self._scorer
        wanted = min(wanted, allowed.count)
        least = last + self._loss - self._error - _FLOAT32
        nearest = allowed.nearest(scorer, wanted, least)
        if len(nearest.scores) and not self._of_parts:
            # Each of k rows scores as much as the last of them did to FAISS, less the error.
            least = max(least, float(nearest.scores[:k][-1]) - 2 * self._error)
        rows = nearest.rows[: np.count_nonzero(nearest.scores >= least)]
        if len(rows):
            scores, cosines = scorer.score(allowed.index.vectors(rows))
            self.pairs = self._pairs(rows, scores - self._loss, cosines)
        self._is_complete = wanted == allowed.count or len(nearest.scores) < wanted
        if len(nearest.scores):
            self._ceiling = float(nearest.scores[-1]) + self._error - self._loss

    def _pairs(
        self, rows: NDArray[np.int64], scores: NDArray[np.float64], cosines: NDArray[np.float64]
    ) -> "_Pairs":
        parts, of_query = self.segment.part_vectors, np.full(len(rows), self._place)
        if self._of_parts:
            return _Pairs(parts.owners[rows], scores, cosines, of_query, parts.places(rows))
        return _Pairs(rows, scores, cosines, of_query, np.zeros_like(rows))


class _Pairs(NamedTuple):
    """Compared pairs of one segment.

    Attributes:
        rows: (p,) the segment's row of each.
        scores: (p,) float64, less the loss of pairs with a part.
        cosines: (p, blocks) float64.
        of_query, of_mark: (p,) which vector of each it is.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    cosines: NDArray[np.float64]
    of_query: NDArray[np.int64]
    of_mark: NDArray[np.int64]

    @classmethod
    def none(cls, blocks: int) -> "_Pairs":
        """No pairs."""
        rows = np.zeros(0, np.int64)
        return cls(rows, np.zeros(0), np.zeros((0, blocks)), rows, rows)

    def best(self) -> "_Pairs":
        """The best pair of each row; of equal ones the first."""
        order = np.lexsort((self.of_mark, self.of_query, -self.scores))
        _, first = np.unique(self.rows[order], return_index=True)
        return self.some(order[first])

    def some(self, at: NDArray[np.int64]) -> "_Pairs":
        """Some of the pairs."""
        return _Pairs(
            self.rows[at], self.scores[at], self.cosines[at], self.of_query[at], self.of_mark[at]
        )

    def ranked(self, segment: Segment) -> list[Ranked]:
        """All of them, in no order."""
        columns = (
            segment.numbers[self.rows].tolist(),
            segment.sequences[self.rows].tolist(),
            self.scores.tolist(),
            map(tuple, self.cosines.tolist()),
            zip(self.of_query.tolist(), self.of_mark.tolist(), strict=True),
        )
        return list(map(Ranked._make, zip(*columns, strict=True)))


def _by_segment(scans: Sequence[_Scan]) -> dict[Segment, _Pairs]:
    """The best pair of each candidate."""
    found: dict[Segment, list[_Pairs]] = {}
    for scan in scans:
        found.setdefault(scan.segment, []).append(scan.pairs)
    return {
        segment: pairs[0]  # of whole signs, one a row
        if len(pairs) == 1
        else _Pairs(*map(np.concatenate, zip(*pairs, strict=True))).best()
        for segment, pairs in found.items()
    }


def _head(scans: Sequence[_Scan], k: int) -> list[Ranked]:
    found = _by_segment(scans)
    last = _last_score(found.values(), k)
    head = [
        ranked
        for segment, pairs in found.items()
        for ranked in pairs.some(np.flatnonzero(pairs.scores >= last)).ranked(segment)
    ]
    return sorted(head, key=lambda ranked: (-ranked.score, ranked.number))


def _last_score(found: Iterable[_Pairs], k: int) -> float:
    """Score of the k-th best candidate; minus infinity with fewer candidates."""
    scores = np.concatenate([np.zeros(0), *(pairs.scores for pairs in found)])
    return -np.inf if len(scores) < k else float(np.partition(scores, -k)[-k])
