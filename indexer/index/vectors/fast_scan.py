"""Rows of four bits a pair of numbers: what tells in which of a million marks to look closer.

What the short form (see `short`) of a row differs from the mean of its list is kept as
the nearest of 16 points in each of many small subspaces (product quantisation: Jégou, Douze and
Schmid, TPAMI 2011). A query's products with 16 points fit a register of the processor, which looks
up many rows at once (André, Kermarrec and Le Scouarnec, "Cache locality is not enough", VLDB 2015);
so FAISS' fast scan reads a quarter of a short form's memory in a fifth of the time.

Directions are dealt to subspaces so that their variances' products are alike (Ge, He, Ke and Sun,
"Optimized product quantization", 2013, eigenvalue allocation): on synthetic marks 2.0 % of the
variance is lost, and 5.1 % after a random rotation.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.vectors.index import COPIED
from indexer.index.vectors.lists import Lists, Shapes
from indexer.index.vectors.short import ShortForms, steps_of
from indexer.index.vectors.stored import Stored

_POINTS = 16  # in a subspace: four bits
_SAMPLE = 1 << 14  # rows that points are sought among
_COMPARED = 1 << 12  # rows whose errors are measured
_ONE_QUERY = 11  # FAISS' number for its loop over one query's lists: 0.8 of its own choice's time
_APART = 1e-5  # of a score, by which two differ in float32, too
_NOTHING = 1e-9  # of the greatest variance, below which one says nothing


@dataclass(frozen=True, eq=False)
class ProductCodes(Stored):
    """Product codes of n rows of m numbers, in `s` subspaces.

    Attributes:
        dealt: (m,) int32, the directions of the short forms, subspace after subspace.
        points: (s, 16, m / s) float32.
        codes: (n, (s + 1) / 2) uint8, the nearest point in each subspace, two a byte.

    Raises:
        ValueError: they do not fit together.
    """

    prefix = "product_"

    dealt: NDArray[np.int32]
    points: NDArray[np.float32]
    codes: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Check the shapes: FAISS reads codes without looking."""
        subspaces, count, numbers = self.points.shape
        fits = count == _POINTS and self.points.dtype == np.float32
        fits &= self.codes.shape[1:] == ((subspaces + 1) // 2,)
        fits &= sorted(self.dealt.tolist()) == list(range(subspaces * numbers))
        if not fits or self.codes.dtype != np.uint8 or not self.codes.flags.c_contiguous:
            raise ValueError("the product codes do not fit their points")

    @classmethod
    def of(
        cls,
        short: ShortForms,
        shapes: Shapes,
        starts: NDArray[np.int64],
        proceed: Callable[[], None] = lambda: None,
    ) -> "ProductCodes":
        """Find points and encode n > 0 rows.

        Args:
            short: of the rows, list after list.
            shapes: of the lists.
            starts: where each list begins, see `Lists`.
            proceed: called after some rows each; what it raises ends the work.
        """
        faiss.omp_set_num_threads(1)  # this thread's: a search beside it needs the other core
        lists = np.repeat(np.arange(len(starts) - 1), np.diff(starts))

        def differences(rows: slice) -> NDArray[np.float32]:
            steps = steps_of(short.codes[rows]) - shapes.centres[lists[rows]]
            return np.asarray(steps * short.worth, np.float32)

        sample = differences(slice(None, None, max(1, len(lists) // _SAMPLE)))
        quantizer = _quantizer(sample.shape[1])
        dealt = _dealt(sample.var(axis=0), quantizer.M)
        quantizer.train(np.resize(sample[:, dealt], (max(len(sample), _POINTS), len(dealt))))
        proceed()
        codes = np.empty((len(lists), quantizer.code_size), np.uint8)
        for start in range(0, len(lists), COPIED):
            rows = slice(start, start + COPIED)
            codes[rows] = quantizer.compute_codes(np.take(differences(rows), dealt, axis=1))
            proceed()
        points = faiss.vector_to_array(quantizer.centroids).reshape(quantizer.M, _POINTS, -1)
        return cls(dealt, points, codes)

    def decoded(self, rows: slice) -> NDArray[np.float32]:
        """What codes stand for, as float32 (rows, m) in the order of the short forms."""
        packed = self.codes[rows]
        each = np.stack([packed & 15, packed >> 4], axis=2).reshape(len(packed), -1)
        each = each[:, : len(self.points)].astype(np.int64)
        found = self.points[np.arange(len(self.points)), each].reshape(len(packed), -1)
        numbers: NDArray[np.float32] = np.empty_like(found)
        numbers[:, self.dealt] = found
        return numbers


class FastScan:
    """FAISS' fast scan over product codes in lists; safe for concurrent searches."""

    def __init__(
        self, product: ProductCodes, lists: Lists, shapes: Shapes, worth: NDArray[np.float32]
    ) -> None:
        """Copy the codes as FAISS wants them: a tenth of a second for a million.

        Args:
            product: of the rows, list after list.
            lists: which rows they are.
            shapes: of the lists.
            worth: see `ShortForms.worth`.
        """
        self._points, self._dealt, self._worth = product.points, product.dealt, worth
        subspaces, numbers = len(product.points), len(product.dealt)
        self._centres = faiss.IndexFlatIP(numbers)  # FAISS asks for it; it must live on
        self._centres.add((shapes.centres * worth)[:, product.dealt])
        self._empty, metric = len(shapes.centres), faiss.METRIC_INNER_PRODUCT
        plain = faiss.IndexIVFPQ(self._centres, numbers, self._empty + 1, subspaces, 4, metric)
        faiss.copy_array_to_vector(product.points.ravel(), plain.pq.centroids)
        plain.is_trained = plain.by_residual = True
        rows, filled = lists.order.astype(np.int64), cast(faiss.InvertedLists, plain.invlists)
        for at, (start, stop) in enumerate(pairwise(lists.starts.tolist())):
            if start < stop:
                ids, codes = faiss.swig_ptr(rows[start:stop]), product.codes[start:stop]
                filled.add_entries(at, stop - start, ids, faiss.swig_ptr(codes))
        plain.ntotal = len(rows)
        self._index = faiss.IndexIVFPQFastScan(plain)
        self._index.implem = _ONE_QUERY
        plain.reset()  # FAISS' Python keeps it as long as the other

    def ask(self, along: NDArray[np.float64], means: NDArray[np.float32]) -> "ProductQuery":
        """A query as it is compared.

        Args:
            along: (m,) its products with the directions.
            means: (lists,) float32, the score of each list's centre.
        """
        numbers = np.ascontiguousarray((along / self._worth)[self._dealt], np.float32)
        products = (self._points @ numbers.reshape(len(self._points), -1, 1))[:, :, 0]
        spans = products.max(axis=1) - products.min(axis=1)
        span, worst, best = float(spans.sum()), float(means.min()), float(means.max())
        # FAISS counts each product up to 255, and a score, which begins at its list's, to 65,535.
        step = max(float(spans.max()) / 255, (span + best - worst) / 65_535)
        # FAISS leaves out rows that score 0, the least of those it compares: none may. So each
        # search is told of an empty list that is a little worse than all others.
        least = worst - 2 * step - _APART * (max(-worst, best) + span + _APART)
        rounding = step * math.sqrt((len(spans) + 1) / 12)
        return ProductQuery(numbers, np.append(means, np.float32(least)), rounding)

    def nearest(
        self,
        asked: "ProductQuery",
        k: int,
        lists: NDArray[np.int64],
        selector: "faiss.IDSelectorBitmap | None",
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best rows of some lists.

        Args:
            asked: see `ask`.
            k: how many rows at most, or two.
            lists: (l,) int64, which lists to read.
            selector: which rows are allowed; None allows all.

        Returns:
            rows (m,) and scores (m,), in no order.
        """
        k = max(k, 2)  # for a single row, FAISS leaves the lists' own scores out
        scores, rows = np.empty(k, np.float32), np.empty(k, np.int64)
        lists = np.append(lists, self._empty)
        means = asked.means[lists]  # named: what only FAISS points to would be freed
        parameters = faiss.SearchParametersIVF(nprobe=len(lists), sel=selector)  # type: ignore[call-arg]
        self._index.search_preassigned_c(  # type: ignore[attr-defined]
            1,
            faiss.swig_ptr(asked.numbers),
            k,
            faiss.swig_ptr(lists),
            faiss.swig_ptr(means),
            faiss.swig_ptr(scores),
            faiss.swig_ptr(rows),
            False,  # rows by their names, not places
            parameters,
        )
        found = rows >= 0
        return rows[found], scores[found]


@dataclass(frozen=True, eq=False)
class ProductQuery:
    """A query beside product codes.

    Attributes:
        numbers: (m,) float32, in the order of the subspaces.
        means: (lists + 1,) float32, the score of each list's centre and of the empty list.
        rounding: standard deviation of what a score loses since FAISS counts in whole numbers, as
            if products were rounded to either side in equal measure.
    """

    numbers: NDArray[np.float32]
    means: NDArray[np.float32]
    rounding: float


class ProductErrors:
    """How far scores of product codes usually are from those of their vectors, for any query."""

    def __init__(
        self,
        product: ProductCodes,
        short: ShortForms,
        shapes: Shapes,
        starts: NDArray[np.int64],
        vectors: NDArray[np.float16],
    ) -> None:
        """Measure on a sample of the (n, d) vectors that were encoded, list after list."""
        some = slice(None, None, max(1, len(vectors) // _COMPARED))
        lists = np.searchsorted(starts, np.arange(len(vectors))[some], side="right") - 1
        steps = shapes.centres[lists] + product.decoded(some) / short.worth
        lacking = vectors[some].astype(np.float32) - short.mean - steps @ short.directions.T
        self._products = np.asarray(lacking.T @ lacking / len(lacking), np.float32)

    def deviation(self, query: NDArray[np.float32]) -> float:
        """Standard deviation of the errors for a (d,) query."""
        return math.sqrt(max(float(query @ self._products @ query), 0.0))


def _quantizer(numbers: int) -> faiss.ProductQuantizer:
    """Subspaces of two numbers, or of one if their number is odd."""
    quantizer = faiss.ProductQuantizer(numbers, numbers if numbers % 2 else numbers // 2, 4)
    quantizer.cp.min_points_per_centroid = 1  # else FAISS prints that there are few
    quantizer.cp.max_points_per_centroid = _SAMPLE // _POINTS
    return quantizer


def _dealt(variances: NDArray[np.float32], subspaces: int) -> NDArray[np.int32]:
    """Directions, subspace after subspace, the products of whose variances are about alike."""
    informed = np.log(np.maximum(variances, max(_NOTHING * float(variances.max()), 1e-30)))
    informed -= informed.min()
    held: list[list[int]] = [[] for _ in range(subspaces)]
    full, sums = len(variances) // subspaces, np.zeros(subspaces)
    for direction in np.argsort(-informed, kind="stable").tolist():
        open_ones = [at for at in range(subspaces) if len(held[at]) < full]
        least = min(open_ones, key=sums.__getitem__)
        held[least].append(direction)
        sums[least] += informed[direction]
    return np.array(held, np.int32).ravel()
