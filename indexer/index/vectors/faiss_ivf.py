"""Inverted lists: the lists that may hold the best are read first, four bits a pair of numbers.

A search reads product codes (see `fast_scan`), a twenty-seventh of the vectors' memory,
and compares the float16 vectors of those rows that may be among the best: scores are as good as an
exact scan's. What may be missed is a row whose list was not read, or whose code errs by more than
`_DEVIATIONS` of its errors' standard deviation. Lists are read in growing rounds, those first that
reach furthest by the mean and the spread of their rows' scores, until those left reach no further
than the k-th best. A filter that leaves up to `_NAMED` of the rows is searched as in
`indexer.index.vectors.faiss_short`, which is exact.

``python -m benchmarks.search`` prints times and recall at a million marks, filtered and not.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors.faiss_cpu import read_only
from indexer.index.vectors.faiss_short import FaissShortIndex
from indexer.index.vectors.fast_scan import FastScan, ProductCodes, ProductErrors, ProductQuery
from indexer.index.vectors.index import COPIED, Kept, Nearest, rows_of
from indexer.index.vectors.lists import Lists, Shapes, find_lists, nearest_lists, sorted_lists
from indexer.index.vectors.scanning import Scan, Sieve, blocks, selector_of
from indexer.index.vectors.short import ShortErrors, ShortForms

_NAMED = 0.04  # share of allowed rows up to which comparing their short forms costs less
_DEVIATIONS = 4.0  # of shorter forms' errors, by which a row may lie below the k-th best
_REACH = 3.85  # standard deviations by which a list's best row is taken to beat its mean
_FIRST = 1 / 12  # share of the lists that the first round reads, where all rows are allowed
_STRICT = -0.3  # power of the share of allowed rows that it grows with: the best lie further apart
_GROWTH = 4  # lists read after a round, to those before it
_LEAST, _EACH = 512, 7  # rows kept of a round: at least, and for each that is wanted
_MORE = 8  # times as many where those do not do, before product codes are given up
_WHOLE = 2_048  # rows compared whole, for each that is wanted, at most
_OUTGROWN = 1.5  # rows, to those there were when the lists were sought, above which to seek anew


class FaissIvfIndex:
    """Float16 vectors in lists, with shorter forms; scores are exact, far lists may be left out."""

    is_exact = False

    def __init__(
        self,
        vectors: NDArray[np.float16],
        lists: Lists,
        shapes: Shapes,
        short: ShortForms,
        product: ProductCodes,
    ) -> None:
        """Keep vectors that are sorted into lists.

        Args:
            vectors: (n, d) float16, in the order of `lists`; they must not change any more.
            lists: which rows they are.
            shapes: where the short forms of each list lie.
            short: their short forms, in the same order.
            product: their product codes, in the same order.

        Raises:
            ValueError: something is not of so many vectors, or not of their dimension.
        """
        if vectors.shape != (len(lists.order), lists.centroids.shape[1]):
            raise ValueError(
                f"the lists are of {len(lists.order)} vectors of {lists.centroids.shape[1]} "
                f"numbers, the vectors have shape {vectors.shape}"
            )
        if shapes.centres.shape != (len(lists.centroids), short.codes.shape[1]):
            raise ValueError("the shapes are of other lists or short forms")
        if (len(product.codes), len(product.dealt)) != short.codes.shape:
            raise ValueError("the product codes are of other short forms")
        self.name = f"faiss IVF{len(lists.centroids)} fp16, cpu"
        self._listed = FaissShortIndex(vectors, short)
        self._lists = lists
        self._rows = lists.order.astype(np.int64)
        self._list_of = np.empty(len(vectors), np.int32)
        self._sizes = np.diff(lists.starts)
        numbers = np.arange(len(self._sizes), dtype=np.int32)
        self._list_of[lists.order] = np.repeat(numbers, self._sizes)
        self._place_of = np.empty(len(vectors), np.int64)
        self._place_of[lists.order] = np.arange(len(vectors))
        self._shapes = shapes
        self._short = short
        self._product = product
        self._short_errors = ShortErrors(short, vectors)
        self._errors = ProductErrors(product, short, shapes, lists.starts, vectors)
        self._fast = FastScan(product, lists, shapes, short.worth)

    @classmethod
    def of(
        cls, vectors: NDArray[np.float16], proceed: Callable[[], None] = lambda: None
    ) -> "FaissIvfIndex":
        """Sort (n, d) float16 vectors, a row each, into lists; see `find_lists`."""
        short = ShortForms.of(vectors, proceed)
        return cls._sorted(vectors, short, find_lists(short, proceed), proceed)

    @classmethod
    def merged(cls, parts: Sequence[Kept], proceed: Callable[[], None]) -> "FaissIvfIndex":
        """Merge the kept rows of several indexes; see `IndexBuilder.merged`.

        New rows go into the lists that there are: lists are sought anew only when there are
        `_OUTGROWN` times as many rows as when they were found.
        """
        vectors = rows_of(parts, proceed)
        old, _ = max(parts, key=lambda part: 0 if part[0].is_exact else len(part[0]))
        if not isinstance(old, cls) or len(vectors) > _OUTGROWN * old._lists.trained:
            return cls.of(vectors, proceed)
        short, centroids, first = ShortForms.of(vectors, proceed), old._lists.centroids, 0
        middles = short.points_at(centroids)
        list_of: list[NDArray[np.integer[Any]]] = []
        for index, rows in parts:
            if isinstance(index, cls) and index is old:
                list_of.append(index._list_of[rows])
            else:
                these = np.arange(first, first + len(rows))
                list_of.append(nearest_lists(short, these, middles, proceed))
            first += len(rows)
        lists = sorted_lists(np.concatenate(list_of), centroids, old._lists.trained)
        return cls._sorted(vectors, short, lists, proceed)

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "FaissIvfIndex":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        lists = Lists(
            arrays["list_order"],
            arrays["list_starts"],
            arrays["list_centroids"],
            int(arrays["list_trained"][0]),
        )
        shapes = Shapes(arrays["list_centres"], arrays["list_variances"])
        short, product = ShortForms.restored(arrays), ProductCodes.restored(arrays)
        return cls(arrays["listed_vectors"], lists, shapes, short, product)

    @classmethod
    def _sorted(
        cls,
        vectors: NDArray[np.float16],
        short: ShortForms,
        lists: Lists,
        proceed: Callable[[], None],
    ) -> "FaissIvfIndex":
        listed, codes = np.empty_like(vectors), np.empty_like(short.codes)
        for start in range(0, len(vectors), COPIED):
            some = slice(start, start + COPIED)
            listed[some], codes[some] = vectors[lists.order[some]], short.codes[lists.order[some]]
            proceed()
        short = replace(short, codes=codes)
        shapes = Shapes.of(codes, lists.starts, proceed)
        product = ProductCodes.of(short, shapes, lists.starts, proceed)
        return cls(listed, lists, shapes, short, product)

    @property
    def exact_share(self) -> float:
        """See `VectorIndex.exact_share`."""
        return _NAMED

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._rows)

    def scan(self, query: NDArray[np.float32], k: int, allowed: RowSet | None) -> Nearest:
        """Compare the query with the rows of some lists; see `VectorIndex.scan`."""
        if allowed is not None and len(allowed) <= self.exact_share * len(self):
            return self.gather(query, k, allowed.rows())
        rows = self._best_of_lists(query, k, allowed)
        if rows is None:
            rows = self._sifted(query, k, allowed)
        return self._named(self._listed.compare(query, k, self._places(rows)))

    def gather(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Nearest:
        """Compare the query with the named rows; see `VectorIndex.gather`."""
        return self._named(self._listed.gather(query, k, self._places(rows)))

    def _best_of_lists(
        self, query: NDArray[np.float32], k: int, allowed: RowSet | None
    ) -> NDArray[np.int64] | None:
        """Allowed rows that may be among the k best, as far as lists were read.

        Returns:
            At least k rows if so many are allowed; None where codes say too little of the query.
        """
        along = self._short.along(query)
        means, deviations = self._shapes.scores(along)
        reach = means + np.float32(_REACH) * deviations
        asked = self._fast.ask(along, means)
        errs = math.hypot(self._errors.deviation(query), asked.rounding)
        best = _Best(k, _DEVIATIONS * errs)
        unread = np.ones(len(reach), np.bool_)
        selector, most = None, max(1, int(_FIRST * len(reach)))
        if allowed is not None:
            selector = selector_of(allowed)
            most = int(most * (len(allowed) / len(self)) ** _STRICT)
        while len(lists := _furthest(reach, unread & (reach >= best.last), most)):
            better = self._read(asked, best, lists, selector)
            if better is None:
                return None
            best = better
            unread[lists] = False
            most = int((_GROWTH - 1) * np.count_nonzero(~unread))
        return best.rows

    def _read(
        self,
        asked: ProductQuery,
        best: "_Best",
        lists: NDArray[np.int64],
        selector: faiss.IDSelectorBitmap | None,
    ) -> "_Best | None":
        """The best after a round; None if more rows may be among them than it keeps."""
        least, most = max(_LEAST, _EACH * best.k), int(self._sizes[lists].sum())
        for kept in (least, _MORE * least):
            rows, scores = self._fast.nearest(asked, min(kept, most), lists, selector)
            better = best.after(rows, scores)
            if len(rows) < kept or scores.min() < better.least:
                return better
        return None

    def _sifted(
        self, query: NDArray[np.float32], k: int, allowed: RowSet | None
    ) -> NDArray[np.int64]:
        """Allowed rows that may be among the k best: the short forms of all rows are read.

        Product codes say too little of a query for which most rows hardly differ, such as one of
        colour alone.
        """
        asked = self._short.ask(query)
        margin = _DEVIATIONS * self._short_errors.deviation(asked) / asked.unit
        sieve = Sieve(k, allowed, margin, _WHOLE * k, self._rows)
        with Scan(self._listed.short_scanners, asked.numbers, 1) as scan:
            for start, stop in blocks(len(self), None):
                sieve.over(scan.scanner, self._short.codes[start:stop], start)
        return sieve.rows

    def vectors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """The stored vectors; see `VectorIndex.vectors`."""
        return read_only(
            self._listed.vectors(self._place_of if rows is None else self._place_of[rows])
        )

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Vectors in list order, and the lists; see `VectorIndex.arrays`."""
        return {
            "listed_vectors": self._listed.vectors(),
            "list_order": self._lists.order,
            "list_starts": self._lists.starts,
            "list_centroids": self._lists.centroids,
            "list_trained": np.array([self._lists.trained]),
            "list_centres": self._shapes.centres,
            "list_variances": self._shapes.variances,
            **self._short.arrays(),
            **self._product.arrays(),
        }

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.sort(self._place_of[rows])

    def _named(self, nearest: Nearest) -> Nearest:
        """Rows instead of places, equal scores by row."""
        rows = self._rows[nearest.rows]
        order = np.lexsort((rows, -nearest.scores))
        return Nearest(rows[order], nearest.scores[order])


@dataclass(frozen=True, eq=False)
class _Best:
    """Rows that may be among the k best of those that were seen, by scores that may err.

    Attributes:
        k: how many are wanted.
        margin: how much lower than the k-th best a row may score that may be among them.
        rows: (m,) int64.
        scores: (m,) float32.
        last: score of the k-th best.
    """

    k: int
    margin: float
    rows: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    last: float = -np.inf

    @property
    def least(self) -> float:
        """What a row must score to be kept."""
        return self.last - self.margin

    def after(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> "_Best":
        """The best when some more rows were seen."""
        rows, scores, last = np.append(self.rows, rows), np.append(self.scores, scores), self.last
        if len(scores) >= self.k:
            last = float(-np.partition(-scores, self.k - 1)[self.k - 1])
        kept = scores >= last - self.margin
        return _Best(self.k, self.margin, rows[kept], scores[kept], last)


def _furthest(
    reach: NDArray[np.float32], allowed: NDArray[np.bool_], most: int
) -> NDArray[np.int64]:
    """Those of the allowed lists that reach furthest, at most so many."""
    lists = np.flatnonzero(allowed)
    if len(lists) > most:
        lists = lists[np.argpartition(-reach[lists], most - 1)[:most]]
    return lists
