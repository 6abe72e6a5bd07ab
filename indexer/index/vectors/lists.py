"""Vectors sorted into lists of neighbours, by k-means that can be given up at any time."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.vectors.short import ShortForms, steps_of

_PER_ROOT = 4  # lists, for each unit of the number of vectors' square root
_POINTS = 32  # vectors that k-means looks at, for each list
_ITERATIONS = 8
_CHUNK = 1 << 11  # rows assigned to lists at once: a tenth of a second among a million's lists
_TOGETHER = 4  # directions, one after the other, of which a list's variances are averaged
_ASIDE = 1 / 1024  # by which the halves of a list are drawn apart at first


@dataclass(frozen=True, eq=False)
class Lists:
    """How n rows are sorted into lists of neighbours.

    Attributes:
        order: (n,) int32, the rows, list after list.
        starts: (lists + 1,) int64, where each list begins in `order`; the last is n.
        centroids: (lists, d) float32, about the mean of each list's vectors when they were sought.
        trained: how many rows there were then.

    Raises:
        ValueError: they do not fit together.
    """

    order: NDArray[np.int32]
    starts: NDArray[np.int64]
    centroids: NDArray[np.float32]
    trained: int

    def __post_init__(self) -> None:
        """Check that each row stands in one list: a wrong one would be read past the end."""
        sizes = np.diff(self.starts)
        fits = len(sizes) == len(self.centroids) and (sizes >= 0).all()
        if not fits or self.starts[0] != 0 or self.starts[-1] != len(self.order):
            raise ValueError("the lists' starts do not fit the rows and centroids")
        if (np.bincount(self.order, minlength=len(self.order)) != 1).any():
            raise ValueError("the lists do not hold each row once")


@dataclass(frozen=True, eq=False)
class Shapes:
    """Where the short forms of each list's rows lie; see `indexer.index.vectors.short`.

    Attributes:
        centres: (lists, m) float32, mean of the steps.
        variances: (lists, m / `_TOGETHER` rounded up) float32, of the steps along so many
            directions each, in the mean. Neighbours' variances are alike, and with each on its own
            a search of a million marks read as many lists and 1.5 MB more to know which.

    Raises:
        ValueError: they do not fit together.
    """

    centres: NDArray[np.float32]
    variances: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check the shapes."""
        lists, numbers = self.centres.shape
        if self.variances.shape != (lists, -(-numbers // _TOGETHER)):
            raise ValueError("the lists' centres and variances do not fit together")

    @classmethod
    def of(
        cls,
        codes: NDArray[np.uint8],
        starts: NDArray[np.int64],
        proceed: Callable[[], None] = lambda: None,
    ) -> "Shapes":
        """Measure the lists; an empty one has zeros.

        Args:
            codes: (n, m) uint8, list after list.
            starts: see `Lists`.
            proceed: called after each list; what it raises ends the work.
        """
        centres = np.zeros((len(starts) - 1, codes.shape[1]), np.float32)
        variances = np.zeros((len(centres), -(-codes.shape[1] // _TOGETHER)), np.float32)
        counts = _together(np.ones(codes.shape[1]))
        for at, (start, stop) in enumerate(pairwise(starts.tolist())):
            if start < stop:
                steps = steps_of(codes[start:stop])
                centres[at] = steps.mean(axis=0)
                variances[at] = _together(steps.var(axis=0)) / counts
            proceed()
        return cls(centres, variances)

    def scores(self, along: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and standard deviation of the scores of each list's rows: (lists,) both.

        Args:
            along: (m,) products of the query with the directions; see `ShortForms.along`.
        """
        numbers = along.astype(np.float32)
        means = np.asarray(self.centres @ numbers, np.float32)
        return means, np.sqrt(self.variances @ _together(numbers * numbers))


def _together(numbers: NDArray[Any]) -> NDArray[Any]:
    """Sums of (m,) numbers of directions, those together that share a variance."""
    sums: NDArray[Any] = np.add.reduceat(numbers, np.arange(0, len(numbers), _TOGETHER))
    return sums


def find_lists(short: ShortForms, proceed: Callable[[], None] = lambda: None) -> Lists:
    """Sort n > 0 rows into lists, each row into that of the nearest centroid.

    Blocks are unit-length, so what is nearest has the highest inner product, too. Short forms hold
    nearly all that tells vectors apart, and comparing them takes a third of the time.

    Args:
        short: of the rows.
        proceed: called after every `_CHUNK` rows, a fraction of a second; what it raises ends the
            work. FAISS' own k-means asks nobody for the ten seconds of a pass over a million.
    """
    count = len(short.codes)
    wanted = lists_for(count)
    sample = np.random.default_rng(1).permutation(count)[: wanted * _POINTS]
    middles = short.points(sample[:wanted])
    for _ in range(_ITERATIONS):
        middles = _means_of_nearest(short, sample, middles, proceed)
    list_of = nearest_lists(short, np.arange(count), middles, proceed)
    return sorted_lists(list_of, short.vectors_at(middles), count)


def _means_of_nearest(
    short: ShortForms,
    sample: NDArray[np.int64],
    middles: NDArray[np.float32],
    proceed: Callable[[], None],
) -> NDArray[np.float32]:
    """One pass of Lloyd's k-means over the sampled rows: (lists, m) better middles."""
    sums, counts = np.zeros(middles.shape), np.zeros(len(middles), np.int64)
    for chunk, nearest in _nearest(short, sample, middles):
        order = np.argsort(nearest, kind="stable")
        lists, firsts = np.unique(nearest[order], return_index=True)
        sums[lists] += np.add.reduceat(chunk[order], firsts, axis=0)
        counts += np.bincount(nearest, minlength=len(counts))
        proceed()
    means = (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)
    return _without_empty(means, counts)


def _without_empty(means: NDArray[np.float32], counts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Means in which each list without a row has taken half of the fullest one's, as FAISS does.

    Both then lie a little to either side of where the one was, and the next pass draws them apart.
    """
    aside = np.resize(np.array([1 + _ASIDE, 1 - _ASIDE], np.float32), means.shape[1])
    for empty in np.flatnonzero(counts == 0).tolist():
        fullest = int(np.argmax(counts))
        means[empty] = means[fullest] * aside
        means[fullest] *= 2 - aside
        counts[empty] = counts[fullest] // 2
        counts[fullest] -= counts[empty]
    return means


def nearest_lists(
    short: ShortForms,
    rows: NDArray[np.int64],
    middles: NDArray[np.float32],
    proceed: Callable[[], None],
) -> NDArray[np.int64]:
    """List of the nearest of (lists, m) middles for each of some rows: (r,)."""
    found = [np.zeros(0, np.int64)]
    for _, nearest in _nearest(short, rows, middles):
        found.append(nearest)
        proceed()
    return np.concatenate(found)


def _nearest(
    short: ShortForms, rows: NDArray[np.int64], middles: NDArray[np.float32]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Some rows' points, a few at a time, and the nearest middle of each."""
    faiss.omp_set_num_threads(1)  # this thread's: a search beside it needs the other core
    index = faiss.IndexFlatL2(middles.shape[1])
    index.add(middles)
    for start in range(0, len(rows), _CHUNK):
        chunk = short.points(rows[start : start + _CHUNK])
        yield chunk, index.search(chunk, 1)[1][:, 0]


def sorted_lists(list_of: NDArray[np.int64], centroids: NDArray[np.float32], trained: int) -> Lists:
    """Lists of rows, given the list of each: (n,)."""
    sizes = np.bincount(list_of, minlength=len(centroids))
    order = np.argsort(list_of, kind="stable").astype(np.int32)
    return Lists(order, np.concatenate([[0], np.cumsum(sizes)]), centroids, trained)


def lists_for(count: int) -> int:
    """How many lists: the power of two nearest to four times the square root of `count`."""
    return min(count, 1 << round(math.log2(_PER_ROOT * math.sqrt(count))))
