"""The ranking of a view on a Milvus server: it names candidates, the register's vectors rank them.

The scores are those of `indexer.search.ranking`: of every candidate all pairs are scored exactly,
from the vectors that SQL keeps. A collection with a FLAT index compares with every vector, so the
result is the whole ranking's head, by the argument used there: a pair that the server did not name
scores no more than the last one that it named, and more are asked for until that is less than the
k-th best mark has. Another kind of index may miss a mark.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from indexer.index.milvus import Found, PassingMarks
from indexer.search.ranking import PAIR_LOSS, Ranked, Ranking
from indexer.search.scoring import Query

# Blocks are unit-length before each number is rounded to float16, by at most 2^-11 of it, or 2^-25
# where it is that small.
_LENGTH_ERROR = 2.0**-11 + 2.0**-20
_QUANTISED = 0.01  # by which an index that is not exact may miss a product: 8 bits a number
_MARGIN = 16
_WIDEN = 4


def rank_passing(passing: PassingMarks, query: Query, k: int) -> Ranking:
    """Rank marks down to the k-th place; to fewer if fewer pass."""
    if not passing.count:
        return Ranking([], "none")
    candidates = _Candidates(passing, query)
    wanted = k + k // 8 + _MARGIN
    unsettled = [False, True] if query.has_parts else [False]  # whole signs and parts of marks
    while unsettled:
        for of_parts in unsettled:
            candidates.look(wanted, k, of_parts=of_parts)
        last = candidates.last(k)
        unsettled = [one for one in unsettled if -np.inf < candidates.ceiling[one] >= last]
        wanted *= _WIDEN
    return Ranking(candidates.head(k), "milvus")


class _Candidates:
    """The marks that a server named, with their exact scores."""

    def __init__(self, passing: PassingMarks, query: Query) -> None:
        self._passing = passing
        self._query = query
        self._scaled = np.stack([scorer.scaled for scorer in query.scorers])
        self._error = max(scorer.error_of(_LENGTH_ERROR) for scorer in query.scorers)
        if not passing.view.collection.address.is_exact:
            self._error += _QUANTISED
        self._ranked: dict[int, Ranked | None] = {}  # by number; None of one that is withdrawn
        # No pair of a mark's whole sign, and of its parts, that was not named scores higher.
        self.ceiling = {False: np.inf, True: np.inf}

    def last(self, k: int) -> float:
        """Score of the k-th best; minus infinity with fewer."""
        scores = np.array([one.score for one in self._ranked.values() if one is not None])
        return -np.inf if len(scores) < k else float(np.partition(scores, -k)[-k])

    def head(self, k: int) -> list[Ranked]:
        """The k best, and all that score as much as the k-th."""
        last = self.last(k)
        best = [one for one in self._ranked.values() if one is not None and one.score >= last]
        return sorted(best, key=lambda one: (-one.score, one.number))

    def look(self, wanted: int, k: int, *, of_parts: bool) -> None:
        """Take those of the `wanted` nearest vectors that may be among the k best."""
        ceilings = []
        for place, found in enumerate(
            self._passing.nearest(self._scaled, wanted, of_parts=of_parts)
        ):
            loss = PAIR_LOSS[(place > 0) + of_parts]
            scores = found.scores + self._error - loss
            may_reach = scores >= self.last(k)
            self._add(found, may_reach)
            ceilings.append(-np.inf if found.is_all else float(scores[-1]))
        self.ceiling[of_parts] = max(ceilings)

    def _add(self, found: Found, chosen: NDArray[np.bool_]) -> None:
        """Score some of the marks that were found, unless they are scored already."""
        sequences = dict(
            zip(found.numbers[chosen].tolist(), found.sequences[chosen].tolist(), strict=True)
        )
        new = [number for number in sequences if number not in self._ranked]
        self._ranked |= dict.fromkeys(new)
        stored = self._passing.vectors(new)
        vectors = {
            number: one if self._query.has_parts else one[:1] for number, (_, one) in stored.items()
        }
        for ranked in _best_pairs(self._query, vectors, sequences):
            self._ranked[ranked.number] = ranked


def _best_pairs(
    query: Query, vectors: dict[int, NDArray[np.float16]], sequences: dict[int, int]
) -> Iterable[Ranked]:
    """Each mark by the best of all its pairs with the query; of equal ones by the first."""
    if not vectors:
        return
    counts = [len(one) for one in vectors.values()]
    of_mark = np.concatenate([np.arange(count) for count in counts])
    every = np.concatenate(list(vectors.values()))
    scored = [scorer.score(every) for scorer in query.scorers]
    losses = np.array(PAIR_LOSS)
    scores = np.stack(
        [one - losses[int(place > 0) + (of_mark > 0)] for place, (one, _) in enumerate(scored)]
    )
    for number, start, count in zip(vectors, np.cumsum([0, *counts]), counts, strict=False):
        own = scores[:, start : start + count]
        of_query, place = divmod(int(own.argmax()), count)
        cosines = scored[of_query][1][start + place]
        yield Ranked(
            number,
            sequences[number],
            float(own[of_query, place]),
            tuple(cosines.tolist()),
            (of_query, place),
        )
