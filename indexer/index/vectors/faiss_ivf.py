"""Inverted lists of product codes narrow a search down; exact scores rank what is left.

The lists are FAISS' `IndexIVFPQFastScan`, over the vectors' principal components: four bits for two
of them, an eighth of the memory of short forms (see `short`). A search reads in growing rounds the
lists that probably reach furthest, until those that are left reach no further than the k-th best,
and compares the float16 vectors of the best few hundred rows. A filter that leaves up to `_NARROW`
of the rows is searched exactly, by gathering. So is every query of which product codes say too
little, such as one of colour alone: how far they are off is measured on the rows that were
compared. What may be missed is a row whose list was not read; the list that the query's own vector
belongs to always is.

``python -m benchmarks.search`` prints times and recall, filtered and not.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors.faiss_exact import FaissShortIndex
from indexer.index.vectors.index import Kept, Nearest, kept_vectors
from indexer.index.vectors.inverted_lists import InvertedLists
from indexer.index.vectors.short import ShortForms

_NARROW = 0.12  # share of allowed rows up to which comparing all of their short forms costs less
_LEAST, _EACH = 512, 7  # rows compared exactly: at least, and for each that is wanted
_FIRST = 64  # of them compared first, where a score is given that all must reach
_DEVIATIONS = 3.0  # of product codes' errors, by which a row that was not compared may be better
_OUTGROWN = 1.5  # rows, to those that lists were trained for, above which to train new ones


class FaissIvfIndex(FaissShortIndex):
    """Float16 vectors with short forms and inverted lists; rows of lists not read are missed."""

    is_exact, exact_share = False, _NARROW

    def __init__(
        self, vectors: NDArray[np.float16], short: ShortForms, lists: InvertedLists
    ) -> None:
        """Keep vectors, their short forms and their inverted lists.

        Args:
            vectors: (n, d) float16; they must not change any more.
            short: their short forms, in the same order.
            lists: of the same rows.

        Raises:
            ValueError: something is of other vectors.
        """
        super().__init__(vectors, short)
        if vectors.shape != (lists.index.ntotal, len(lists.mean)):
            raise ValueError("the inverted lists are of other vectors")
        self.name = f"faiss IVF{len(lists.centroids)},PQ4 fast scan, re-ranked fp16, cpu"
        self._lists = lists

    @classmethod
    def of(
        cls, vectors: NDArray[np.float16], proceed: Callable[[], None] = lambda: None
    ) -> "FaissIvfIndex":
        """Train lists for (n, d) float16 vectors, n > 0, and sort them in."""
        short = ShortForms.of(vectors, proceed)
        lists = InvertedLists.trained_on(vectors, short.codes.shape[1], proceed)
        return cls(vectors, short, lists.filled(vectors, proceed))

    @classmethod
    def merged(cls, parts: Sequence[Kept], proceed: Callable[[], None]) -> "FaissIvfIndex":
        """Merge the kept rows of several indexes; see `IndexBuilder.merged`.

        They go into lists as the largest index has them: new ones are trained only when there are
        `_OUTGROWN` times as many rows as those were trained for.
        """
        vectors = kept_vectors(parts, proceed)
        old, _ = max(parts, key=lambda part: 0 if part[0].is_exact else len(part[0]))
        if not isinstance(old, cls) or len(vectors) > _OUTGROWN * old._lists.trained:
            return cls.of(vectors, proceed)
        short = ShortForms.of(vectors, proceed)
        return cls(vectors, short, old._lists.filled(vectors, proceed))

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "FaissIvfIndex":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        short, lists = ShortForms.restored(arrays), InvertedLists.restored(arrays)
        return cls(arrays["vectors"], short, lists)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The vectors, their short forms and lists; see `VectorIndex.arrays`."""
        return {**super().arrays(), **self._lists.arrays()}

    def scan(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None,
        least: float = -np.inf,
        made_of: NDArray[np.float16] | None = None,
    ) -> Nearest:
        """Compare the query with the best rows of some lists; see `VectorIndex.scan`."""
        if allowed is not None and len(allowed) <= self.exact_share * len(self):
            return self.gather(query, k, allowed.rows(), least)
        found = self._best_of_lists(query, k, allowed, least, made_of)
        return super().scan(query, k, allowed, least) if found is None else found

    def _best_of_lists(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None,
        least: float,
        made_of: NDArray[np.float16] | None,
    ) -> Nearest | None:
        """The k best rows of the lists that were read; None if their codes say too little."""
        compared = max(_LEAST, _EACH * k)
        rows, coded = self._lists.best(query, k, compared, allowed, least, made_of)
        if len(rows) < k and least == -np.inf:
            return None
        if not len(rows):
            return Nearest(rows, coded)
        best_first = np.argsort(-coded)
        rows, coded = rows[best_first], coded[best_first]
        first = len(rows) if least == -np.inf else _FIRST
        nearest, error = self._compared(query, rows[:first], coded[:first])
        if len(rows) > first and coded[first] + _DEVIATIONS * error >= least:
            nearest, error = self._compared(query, rows, coded)
        reached = max(least, float(nearest.scores[k - 1]) if len(nearest.rows) >= k else -np.inf)
        if len(rows) == compared and float(coded[-1]) + _DEVIATIONS * error > reached:
            return None
        return Nearest(nearest.rows[:k], nearest.scores[:k])

    def _compared(
        self, query: NDArray[np.float32], rows: NDArray[np.int64], coded: NDArray[np.float32]
    ) -> tuple[Nearest, float]:
        """Rows by their exact scores, and the deviation of the scores of their product codes."""
        order = np.argsort(rows)
        rows, coded = rows[order], coded[order]
        nearest = self.compare(query, len(rows), rows)
        errors = nearest.scores - coded[np.searchsorted(rows, nearest.rows)]
        return nearest, float(errors.std())
