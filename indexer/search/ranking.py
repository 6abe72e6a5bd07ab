"""The ranking of a view: FAISS finds candidates, exact arithmetic ranks them.

The score of a mark is Σ weight · cosine / Σ weight over the blocks. Products of float16 numbers
and sums of a few hundred of them are exact in float64, so a score depends on nothing but the two
embeddings: duplicates tie exactly, and the same picture scores 1.

FAISS computes with float32 and takes blocks as unit-length. Both errors have a bound, and the
candidates are widened until no mark that FAISS left out can reach the last place. So the result
is the whole ranking's head, not an approximation of it; but where a segment has lists (see
`indexer.index.vectors.faiss_ivf`), marks whose list was not visited are missing from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.errors import BadQuery
from indexer.index.row_sets import RowSet
from indexer.index.segments import Segment, bounds_of
from indexer.index.vectors import Nearest
from indexer.query import PlanKind
from indexer.search.plan import choose
from models.encoder import Block

_MARGIN = 16  # candidates beyond k asked for at first
_WIDEN = 4  # times as many candidates if those did not settle the last place
_CHUNK = 1 << 13  # candidates scored at once
_PLANS: tuple[PlanKind, ...] = ("none", "gather", "exact", "ivf")


class Ranked(NamedTuple):
    """One ranked mark; a tuple, since making fifty dataclasses took longer than some searches.

    Attributes:
        number: of the mark; see `Change.number`.
        sequence: of the row that was compared.
        score: Σ weight · cosine / Σ weight.
        cosines: one for each block.
    """

    number: int
    sequence: int
    score: float
    cosines: tuple[float, ...]


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
    def plan(self) -> PlanKind:
        """How it is searched."""
        total = len(self.segment)
        return choose(self.count, total, self.count <= self.segment.vectors.exact_share * total)


class Scorer:
    """One query's embedding under its weights."""

    def __init__(
        self,
        blocks: tuple[Block, ...],
        embedding: NDArray[np.float16],
        weights: Mapping[str, float] | None,
    ) -> None:
        """Prepare a query.

        Args:
            blocks: the parts of an embedding, with their default weights.
            embedding: (d,) float16.
            weights: block name to weight; a block left out keeps its default.

        Raises:
            BadQuery: another number of dimensions, an unknown block, or no weight above 0.
        """
        self.blocks = blocks
        self._weights = _chosen(blocks, weights or {})
        if embedding.shape != (blocks[-1].stop,):
            raise BadQuery(
                f"the query has shape {embedding.shape}, the register's ({blocks[-1].stop},)"
            )
        if not np.isfinite(embedding).all():
            raise BadQuery("the query's embedding holds numbers that are not finite")
        self._bounds = bounds_of(blocks)
        query = embedding.astype(np.float64)
        # Columns of ones and of the query where a block is: products with them are sums by block.
        self._ones = np.zeros((len(query), len(blocks)))
        for column, (start, stop) in enumerate(self._bounds):
            self._ones[start:stop, column] = 1
        self._columns = query[:, None] * self._ones
        self._squares = np.square(query) @ self._ones
        self.scaled = self._scaled()

    def _scaled(self) -> NDArray[np.float32]:
        """What FAISS multiplies with: (d,) float32, blocks as long as their share of the weight."""
        shares = np.array(self._weights) / sum(self._weights)
        lengths = np.sqrt(self._squares)
        factors = np.divide(shares, lengths, out=np.zeros_like(shares), where=lengths > 0)
        return np.asarray(self._columns @ factors, np.float32)

    def error_bound(self, segment: Segment) -> float:
        """By how much FAISS' score of a row of the segment may miss the exact one."""
        length_error = segment.length_error(self._bounds)
        # One float32 rounding for each product and each sum, on rows up to 1 + that long.
        rounding = (2 * len(self.scaled) + 16) * 2.0**-24
        return length_error + rounding * (1 + length_error)

    def score(
        self, vectors: NDArray[np.float16]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Score rows exactly.

        Args:
            vectors: (m, d) float16.

        Returns:
            scores (m,) and cosines (m, blocks), -1 to 1; a block of zeros has cosine 0.
        """
        cosines = np.zeros((len(vectors), len(self.blocks)))
        for start in range(0, len(vectors), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows = vectors[part].astype(np.float64)
            products = rows @ self._columns
            lengths = np.sqrt(self._squares * (np.square(rows, out=rows) @ self._ones))
            np.divide(products, lengths, out=cosines[part], where=lengths > 0)
        np.minimum(np.maximum(cosines, -1.0, out=cosines), 1.0, out=cosines)  # a third of clip's
        scores, total = np.zeros(len(vectors)), 0.0
        for column, weight in enumerate(self._weights):
            # Both sums in the same order and rounding: cosines of 1 give a score of exactly 1.
            scores += weight * cosines[:, column]
            total += weight
        return scores / total, cosines


class Ranking(NamedTuple):
    """The best of the allowed rows.

    Attributes:
        best: the k best, best first, and all others that score as much as the k-th.
        plan: how they were searched, by the most thorough search of a segment.
    """

    best: list[Ranked]
    plan: PlanKind


def rank(allowed: Sequence[AllowedRows], scorer: Scorer, k: int) -> Ranking:
    """Rank the allowed rows down to the k-th place; to fewer if fewer are allowed."""
    scans = [_Scan(one, scorer) for one in allowed if one.count]
    unsettled, wanted = scans, k + k // 8 + _MARGIN
    while unsettled:
        for scan in unsettled:
            scan.widen(wanted, k)
        last = _last_score(scans, k)
        unsettled = [scan for scan in scans if not scan.is_complete and scan.ceiling >= last]
        wanted *= _WIDEN
    plans = {one.plan for one in allowed if one.count}
    return Ranking(_head(scans, k), max(plans, key=_PLANS.index, default="none"))


class _Scan:
    """The candidates of one segment."""

    def __init__(self, allowed: AllowedRows, scorer: Scorer) -> None:
        self._allowed = allowed
        self._scorer = scorer
        self._rows = np.zeros(0, np.int64)
        self._cosines = np.zeros((0, len(scorer.blocks)))
        self.scores = np.zeros(0)
        self.is_complete = False  # every allowed row that may be among the k best is a candidate
        # No row that may be among the k best, and is no candidate, scores higher.
        self.ceiling = np.inf

    def widen(self, wanted: int, k: int) -> None:
        """Take those of the `wanted` nearest rows as candidates that may be among the k best."""
        allowed, scorer = self._allowed, self._scorer
        nearest = self._nearest(min(wanted, allowed.count))
        error_bound = scorer.error_bound(allowed.segment)
        # Each of k rows scores as much as the last of them did to FAISS, less the error_bound.
        least = float(nearest.scores[:k][-1]) - 2 * error_bound
        self._rows = nearest.rows[: np.count_nonzero(nearest.scores >= least)]
        self.scores, self._cosines = scorer.score(allowed.segment.vectors.vectors(self._rows))
        self.is_complete = wanted >= allowed.count
        self.ceiling = float(nearest.scores[-1]) + error_bound

    def _nearest(self, wanted: int) -> Nearest:
        allowed, query = self._allowed, self._scorer.scaled
        vectors = allowed.segment.vectors
        if allowed.count == len(allowed.segment):
            return vectors.scan(query, wanted, None)
        if allowed.plan == "gather":
            return vectors.gather(query, wanted, allowed.rows.rows())
        return vectors.scan(query, wanted, allowed.rows.dense())

    def above(self, least: float) -> list[Ranked]:
        """Candidates that score at least so much, in no order."""
        segment = self._allowed.segment
        at = np.flatnonzero(self.scores >= least)
        rows = self._rows[at]
        columns = (
            segment.numbers[rows].tolist(),
            segment.sequences[rows].tolist(),
            self.scores[at].tolist(),
            map(tuple, self._cosines[at].tolist()),
        )
        return list(map(Ranked._make, zip(*columns, strict=True)))


def _head(scans: Sequence[_Scan], k: int) -> list[Ranked]:
    last = _last_score(scans, k)
    head = [ranked for scan in scans for ranked in scan.above(last)]
    return sorted(head, key=lambda ranked: (-ranked.score, ranked.number))


def _last_score(scans: Sequence[_Scan], k: int) -> float:
    """Score of the k-th best candidate; minus infinity with fewer candidates."""
    scores = np.concatenate([np.zeros(0), *(scan.scores for scan in scans)])
    return -np.inf if len(scores) < k else float(np.partition(scores, -k)[-k])


def _chosen(blocks: Sequence[Block], weights: Mapping[str, float]) -> tuple[float, ...]:
    names = [block.name for block in blocks]
    unknown = sorted(set(weights) - set(names))
    if unknown:
        raise BadQuery(f"there is no block {unknown[0]!r} to weigh; there are {', '.join(names)}")
    chosen = tuple(float(weights.get(block.name, block.weight)) for block in blocks)
    if not sum(chosen) > 0:
        raise BadQuery("all weights are 0; give at least one block a weight above 0")
    return chosen
