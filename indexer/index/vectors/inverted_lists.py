"""FAISS' inverted lists of product codes, and the choice of the lists that a query reads.

Product codes: Jégou, Douze and Schmid, "Product quantization for nearest neighbor search", TPAMI
2011; read by lookups in registers: André, Kermarrec and Le Scouarnec, "Cache locality is not
enough", VLDB 2015. `faiss.PCAMatrix` deals the components to subspaces so that all hold about as
much variance (Ge, He, Ke and Sun, "Optimized product quantization", 2013): without that, recall
of the same search was 0.98 instead of 0.995.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors.scanning import search_lists, selector_of

_PER_ROOT = 4  # lists, for each unit of the number of vectors' square root
_POINTS = 32  # vectors that training looks at, for each list
_SAMPLE = 1 << 14  # vectors that components and code words are sought in
_ITERATIONS = 8
_CODE_WORDS = 16  # of a subspace: four bits
_CHUNK = 1 << 11  # rows sorted into lists at once: a tenth of a second among a million's lists
_REACH = 3.6  # standard deviations by which a list's best row is taken to beat its centroid
_FIRST = 1 / 10  # share of the lists that the first round reads
_GROWTH = 4  # lists read after a round, to those before it
_ONE_QUERY = 11  # FAISS' number for its loop over one query's lists, in the calling thread


@dataclass(frozen=True, eq=False)
class InvertedLists:
    """Rows of d numbers in inverted lists, by m principal components.

    Attributes:
        mean: (d,) float32, of the vectors.
        components: (m, d) float32, orthonormal.
        centroids: (lists, m) float32.
        covariance: (m, m) float32, of residuals: what rows have beside their list's centroid.
        spread: (lists,) float32, how long a list's residuals are, to those of all lists.
        trained: how many rows there were when all that was found.
        index: the rows' product codes; beside the lists it has an empty one.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    centroids: NDArray[np.float32]
    covariance: NDArray[np.float32]
    spread: NDArray[np.float32]
    trained: int
    index: faiss.IndexIVFPQFastScan

    def __post_init__(self) -> None:
        """Search in the calling thread: FAISS keeps this setting in no file and no copy."""
        self.index.implem = _ONE_QUERY

    @classmethod
    def trained_on(
        cls,
        vectors: NDArray[np.float16],
        components: int,
        proceed: Callable[[], None] = lambda: None,
    ) -> "InvertedLists":
        """Find components, centroids and code words; no row is in the lists yet.

        Args:
            vectors: (n, d) float16, n > 0.
            components: m.
            proceed: called every fraction of a second; what it raises ends the work. FAISS' own
                k-means asks nobody for the ten seconds of a pass over a million rows' sample.
        """
        faiss.omp_set_num_threads(1)  # this thread's: a search beside it needs the other core
        count = lists_for(len(vectors))
        some = np.random.default_rng(1).permutation(len(vectors))[: count * _POINTS]
        sample = vectors[some[:_SAMPLE]].astype(np.float32)
        mean, matrix = sample.mean(axis=0), _components(sample, components)
        proceed()
        points = np.empty((len(some), components), np.float32)
        for start in range(0, len(some), _CHUNK):
            rows = some[start : start + _CHUNK]
            points[start : start + _CHUNK] = (vectors[rows].astype(np.float32) - mean) @ matrix.T
            proceed()
        centroids = k_means(points, count, proceed)
        covariance, spread = _residuals(points, centroids, proceed)
        index = _empty_index(centroids, points)
        return cls(mean, matrix, centroids, covariance, spread, len(vectors), index)

    def filled(
        self, vectors: NDArray[np.float16], proceed: Callable[[], None] = lambda: None
    ) -> "InvertedLists":
        """The same lists with the rows of (n, d) float16 vectors, and no others, in them."""
        faiss.omp_set_num_threads(1)
        index = cast(faiss.IndexIVFPQFastScan, faiss.clone_index(self.index))
        index.reset()
        for start in range(0, len(vectors), _CHUNK):
            rows = vectors[start : start + _CHUNK].astype(np.float32)
            index.add(((rows - self.mean) @ self.components.T).astype(np.float32, copy=False))
            proceed()
        return replace(self, index=index)

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "InvertedLists":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        try:
            index = faiss.deserialize_index(arrays["lists_index"])
        except RuntimeError as error:
            raise ValueError("FAISS cannot read the inverted lists") from error
        mean, matrix = arrays["lists_mean"], arrays["lists_components"]
        covariance, spread = arrays["lists_covariance"], arrays["lists_spread"]
        count, components = len(spread), len(matrix)
        fits = matrix.shape[1:] == mean.shape and covariance.shape == (components,) * 2
        if not isinstance(index, faiss.IndexIVFPQFastScan) or not fits:
            raise ValueError("the inverted lists do not fit their components")
        if (index.d, index.nlist, index.quantizer.ntotal) != (components, count + 1, count + 1):
            raise ValueError("the inverted lists do not fit their components")
        centroids = index.quantizer.reconstruct_n(0, count)
        trained = int(arrays["lists_trained"][0])
        return cls(mean, matrix, centroids, covariance, spread, trained, index)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, for a snapshot."""
        return {
            "lists_index": faiss.serialize_index(self.index),
            "lists_mean": self.mean,
            "lists_components": self.components,
            "lists_covariance": self.covariance,
            "lists_spread": self.spread,
            "lists_trained": np.array([self.trained]),
        }

    def best(
        self,
        query: NDArray[np.float32],
        k: int,
        most: int,
        allowed: RowSet | None,
        least: float = -np.inf,
        made_of: NDArray[np.float16] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The best rows by their product codes, as far as lists were read.

        Args:
            query: (d,) float32.
            k: as many are wanted: a list that does not reach the k-th best is not read.
            most: how many rows to return, at least `k` and 2.
            allowed: by row; None allows all.
            least: a list that does not reach this score is not read.
            made_of: (d,) float16, whose own list is read first, however little it seems to reach.

        Returns:
            rows (r,) and their scores (r,) float32, in no order.
        """
        numbers = self.components @ query
        scores = self.centroids @ numbers
        deviation = math.sqrt(max(float(numbers @ self.covariance @ numbers), 0.0))
        reach = scores + np.float32(_REACH * deviation) * self.spread
        selector = None if allowed is None else selector_of(allowed)
        rows, coded = np.zeros(0, np.int64), np.zeros(0, np.float32)
        offset = float(query @ self.mean)
        unread, last = np.ones(len(reach), np.bool_), least - offset
        count = max(1, int(_FIRST * len(reach)))
        if made_of is not None:
            reach[self._list_of(made_of)] = np.inf
        while len(lists := _furthest(reach, unread & (reach >= last), count)):
            chosen = self._with_empty_list(lists, scores, numbers)
            found = search_lists(self.index, numbers, most, chosen, selector)
            rows, coded = np.append(rows, found[0]), np.append(coded, found[1])
            if len(rows) > most:
                kept = np.argpartition(-coded, most - 1)[:most]
                rows, coded = rows[kept], coded[kept]
            if len(rows) >= k:
                last = max(last, -np.partition(-coded, k - 1)[k - 1])
            unread[lists] = False
            count = (_GROWTH - 1) * int(np.count_nonzero(~unread))
        return rows, coded + np.float32(offset)

    def _list_of(self, vector: NDArray[np.float16]) -> int:
        """The list that a vector (d,) is in, or would be."""
        numbers = (vector.astype(np.float32) - self.mean) @ self.components.T
        return int(
            self.index.quantizer.assign(numbers[None].astype(np.float32, copy=False), 1)[0, 0]
        )

    def _with_empty_list(
        self, lists: NDArray[np.int64], scores: NDArray[np.float32], numbers: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Lists and their centroids' scores, and the empty list with a score below all of them.

        FAISS rounds scores to whole numbers above the least that there may be and leaves out rows
        that come out as 0. With the empty list, no row of the others does.
        """
        of_lists = scores[lists]
        # Twice a step of rounding, which is a 255th of what a subspace's products may differ by.
        below = 0.02 * self._longest_code_word * float(np.linalg.norm(numbers))
        below += 1e-4 * float(np.abs(of_lists).max()) + 1e-6  # and float32's own rounding
        least = np.float32(of_lists.min() - below)
        return np.append(lists, len(scores)), np.append(of_lists, least)

    @cached_property
    def _longest_code_word(self) -> float:
        words = faiss.vector_to_array(self.index.pq.centroids).reshape(-1, self.index.pq.dsub)
        return float(np.linalg.norm(words, axis=1).max())


def lists_for(count: int) -> int:
    """How many lists: the power of two nearest to four times the square root of `count`."""
    return min(count, 1 << round(math.log2(_PER_ROOT * math.sqrt(count))))


def k_means(
    points: NDArray[np.float32], count: int, proceed: Callable[[], None] = lambda: None
) -> NDArray[np.float32]:
    """Lloyd's k-means over (p, m) points in random order: (count, m) centroids, count <= p.

    A centroid that no point is nearest to stays where it is.

    Args:
        points: what to cluster.
        count: how many centroids.
        proceed: called after every `_CHUNK` points; what it raises ends the work.
    """
    centroids = points[:count].copy()
    for _ in range(_ITERATIONS):
        sums, sizes = np.zeros(centroids.shape), np.zeros(count, np.int64)
        for chunk, nearest in _assigned(points, centroids, proceed):
            order = np.argsort(nearest, kind="stable")
            lists, firsts = np.unique(nearest[order], return_index=True)
            sums[lists] += np.add.reduceat(chunk[order], firsts, axis=0)
            sizes += np.bincount(nearest, minlength=count)
        filled = sizes > 0
        centroids[filled] = sums[filled] / sizes[filled, None]
    return centroids


def _assigned(
    points: NDArray[np.float32], centroids: NDArray[np.float32], proceed: Callable[[], None]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Points, a few at a time, and the nearest centroid of each."""
    index = faiss.IndexFlatL2(centroids.shape[1])
    index.add(centroids)
    for start in range(0, len(points), _CHUNK):
        chunk = points[start : start + _CHUNK]
        yield chunk, index.assign(chunk, 1)[:, 0]
        proceed()


def _components(sample: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Principal components of (s, d) vectors, divided among subspaces: (count, d) orthonormal."""
    transform = faiss.PCAMatrix(sample.shape[1], count)
    transform.balanced_bins = _subspaces(count)
    transform.train(_repeated(sample, sample.shape[1]))
    return faiss.vector_to_array(transform.A).reshape(count, -1)


def _residuals(
    points: NDArray[np.float32], centroids: NDArray[np.float32], proceed: Callable[[], None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Covariance of residuals and their spread by list; see `InvertedLists`."""
    products = np.zeros((points.shape[1],) * 2)
    squares, sizes = np.zeros(len(centroids)), np.zeros(len(centroids))
    for chunk, nearest in _assigned(points, centroids, proceed):
        residuals = chunk - centroids[nearest]
        products += residuals.T @ residuals
        lengths = np.einsum("ij,ij->i", residuals, residuals)
        squares += np.bincount(nearest, lengths, minlength=len(centroids))
        sizes += np.bincount(nearest, minlength=len(centroids))
    mean = squares.sum() / len(points)
    relative = np.where(sizes > 0, squares / np.maximum(sizes, 1), mean) / max(mean, 1e-30)
    covariance = (products / len(points)).astype(np.float32)
    return covariance, np.sqrt(relative).astype(np.float32)


def _empty_index(
    centroids: NDArray[np.float32], points: NDArray[np.float32]
) -> faiss.IndexIVFPQFastScan:
    """An index with these lists and one more, far from everything, that stays empty."""
    count, components = centroids.shape
    quantizer = faiss.IndexFlatL2(components)
    quantizer.add(centroids)
    quantizer.add(np.full((1, components), 1e3 * (1 + np.abs(points).max()), np.float32))
    index = faiss.IndexIVFPQFastScan(
        quantizer, components, count + 1, _subspaces(components), 4, faiss.METRIC_INNER_PRODUCT
    )
    index.by_residual = True
    index.cp.min_points_per_centroid = 1
    index.pq.cp.min_points_per_centroid = 1  # else FAISS prints that there are few
    index.train(_repeated(points[:_SAMPLE], _CODE_WORDS))
    return index


def _repeated(points: NDArray[np.float32], least: int) -> NDArray[np.float32]:
    """Points (p, m), again and again if there are too few of them for FAISS to train on."""
    return points if len(points) >= least else np.resize(points, (least, points.shape[1]))


def _subspaces(components: int) -> int:
    """Subspaces of two components, or of one if their number is odd."""
    return components if components % 2 else components // 2


def _furthest(
    reach: NDArray[np.float32], allowed: NDArray[np.bool_], most: int
) -> NDArray[np.int64]:
    """Those of the allowed lists that reach furthest, at most so many."""
    lists = np.flatnonzero(allowed)
    if len(lists) > most:
        lists = lists[np.argpartition(-reach[lists], most - 1)[:most]]
    return lists
