"""Inverted lists of short forms: the lists nearest to the query are read first, and few rows whole.

A search reads short forms (`indexer.vectors.short`), a seventh of the vectors' memory, and compares
the float16 vectors of those rows that may be among the best: scores are as good as an exact scan's.
What may be missed is a row whose list was not read, or whose short form errs by more than
`_DEVIATIONS` of its errors' standard deviation. Lists are read in growing rounds until one changes
nothing and the lists left reach, by mean and spread, no further than the k-th best. A filter that
leaves up to `_SIFTED_ALL` of the rows has the short forms of all lists read; of one that leaves up
to `GATHERED`, those that pass are copied out, list after list; and one that leaves fewer than
`_FEWEST_VISITED` is searched as in `indexer.vectors.faiss_short`, which is exact.

``python -m benchmarks.search`` prints times and recall at a million marks, filtered and not.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.passing import places_of
from indexer.vectors.faiss_cpu import read_only
from indexer.vectors.faiss_short import AT_ONCE, GATHERED, FaissShortIndex
from indexer.vectors.index import COPIED, Kept, Nearest, rows_of
from indexer.vectors.lists import Lists, Shapes, find_lists, nearest_lists, sorted_lists
from indexer.vectors.scanning import SIGNED_BYTE, Scan, Scanners, Sieve, blocks, copied
from indexer.vectors.short import ShortErrors, ShortForms, ShortQuery

_SIFTED_ALL = 0.25  # share of allowed rows up to which rounds would come to all lists
_COUNTED = 0.5  # share of allowed rows above which hardly a list is without any
_DEVIATIONS = 4.0  # of short forms' errors, by which a row may lie below the k-th best
_MOST = 2048  # rows kept for comparing, for each that is wanted
_FIRST = 32  # lists of the first round
_GROWTH = 1.75  # lists visited after a round, to those before it
_OUTGROWN = 1.5  # rows, to those there were when the lists were sought, above which to seek anew
_FEWEST_VISITED = 1 << 14  # named rows from which to choose among lists costs less than all
_REACH = 2.25  # standard deviations by which a list's best row is taken to beat its mean


class FaissIvfIndex:
    """Float16 vectors in lists, with short forms; scores are exact, far lists may be left out."""

    is_exact = False

    def __init__(
        self, vectors: NDArray[np.float16], lists: Lists, shapes: Shapes, short: ShortForms
    ) -> None:
        """Keep vectors that are sorted into lists.

        Args:
            vectors: (n, d) float16, in the order of `lists`; they must not change any more.
            lists: which rows they are.
            shapes: where the short forms of each list lie.
            short: their short forms, in the same order.

        Raises:
            ValueError: lists or short forms are not of so many vectors, or not of their dimension.
        """
        if vectors.shape != (len(lists.order), lists.centroids.shape[1]):
            raise ValueError(
                f"the lists are of {len(lists.order)} vectors of {lists.centroids.shape[1]} "
                f"numbers, the vectors have shape {vectors.shape}"
            )
        if shapes.centres.shape != (len(lists.centroids), short.codes.shape[1]):
            raise ValueError("the shapes are of other lists or short forms")
        self.name = f"faiss IVF{len(lists.centroids)} fp16, cpu"
        self._listed = FaissShortIndex(vectors, short)
        self._lists = lists
        self._rows = lists.order.astype(np.int64)
        sizes = np.diff(lists.starts)
        self._sizes = sizes
        self._list_of = np.empty(len(vectors), np.int32)
        self._list_of[lists.order] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        self._place_of = np.empty(len(vectors), np.int64)
        self._place_of[lists.order] = np.arange(len(vectors))
        self._shapes = shapes
        self._short = short
        self._errors = ShortErrors(short, vectors)
        self._sifters = Scanners(short.codes.shape[1], SIGNED_BYTE, by_place=True)

    @classmethod
    def of(
        cls, vectors: NDArray[np.float16], proceed: Callable[[], None] = lambda: None
    ) -> "FaissIvfIndex":
        """Sort (n, d) float16 vectors, a row each, into lists; see `find_lists`."""
        return cls._sorted(vectors, find_lists(vectors, proceed), proceed)

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
        list_of = [
            index._list_of[rows]
            if isinstance(index, cls) and index is old
            else nearest_lists(index.vectors(rows), old._lists.centroids, proceed)
            for index, rows in parts
        ]
        lists = sorted_lists(np.concatenate(list_of), old._lists.centroids, old._lists.trained)
        return cls._sorted(vectors, lists, proceed)

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
        return cls(arrays["listed_vectors"], lists, shapes, ShortForms.restored(arrays))

    @classmethod
    def _sorted(
        cls, vectors: NDArray[np.float16], lists: Lists, proceed: Callable[[], None]
    ) -> "FaissIvfIndex":
        listed = np.empty_like(vectors)
        for start in range(0, len(vectors), COPIED):
            listed[start : start + COPIED] = vectors[lists.order[start : start + COPIED]]
            proceed()
        short = ShortForms.of(listed, proceed)
        shapes = Shapes.of(short.codes, lists.starts, proceed)
        return cls(listed, lists, shapes, short)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._rows)

    def scan(
        self, query: NDArray[np.float32], k: int, allowed: NDArray[np.bool_] | None
    ) -> Nearest:
        """Compare the query with the best of the nearest lists; see `VectorIndex.scan`."""
        count = len(self) if allowed is None else int(np.count_nonzero(allowed))
        if allowed is not None and count <= GATHERED * len(self):
            return self._scan_few(query, k, places_of(allowed))
        asked = self._short.ask(query)
        sieve = Sieve(k, allowed, self._margin(asked), _MOST * k, self._rows)
        with Scan(self._sifters, asked.numbers, 1) as scan:
            if count <= _SIFTED_ALL * len(self):
                for block in blocks(len(self), None):
                    sieve.over(scan.scanner, self._short.codes, [block])
            else:
                reach = self._shapes.reach(asked.numbers, _REACH)
                self._visit(scan.scanner, sieve, reach, self._held(count, allowed))
        return self._named(self._listed.compare(query, k, self._places(sieve.rows)))

    def gather(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Nearest:
        """Compare the query with the named rows; see `VectorIndex.gather`."""
        return self._named(self._listed.gather(query, k, self._places(rows)))

    def _scan_few(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Nearest:
        """Compare the query with the named rows of the nearest lists: their short forms, copied."""
        if len(rows) < _FEWEST_VISITED:
            return self.gather(query, k, rows)
        asked = self._short.ask(query)
        reach = self._shapes.reach(asked.numbers, _REACH)
        places, held, starts = self._by_reach(rows, reach)
        sieve = Sieve(k, None, self._margin(asked), _MOST * k, places)
        codes = self._short.codes
        room = np.empty((AT_ONCE, codes.shape[1]), codes.dtype)
        with Scan(self._sifters, asked.numbers, 1) as scan:
            for first, last in _rounds(len(held)):
                changed, stop = 0, int(starts[last])
                for begin in range(int(starts[first]), stop, AT_ONCE):
                    end = min(begin + AT_ONCE, stop)
                    some = copied(codes, places[begin:end], room)
                    changed += sieve.over(scan.scanner, some, [(begin, end)], begin)
                if not changed and (reach[held[last:]] < sieve.last).all():
                    break
        return self._named(self._listed.compare(query, k, np.sort(sieve.rows)))

    def _margin(self, asked: ShortQuery) -> float:
        """How much lower than the k-th best a short form may score whose vector is among them."""
        return _DEVIATIONS * self._errors.deviation(asked) / asked.unit

    def _by_reach(
        self, rows: NDArray[np.int64], reach: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Places of some rows, those of the list that reaches furthest first.

        Returns:
            (m,) places; the lists that have any; where each one's places begin, and the end.
        """
        places = self._places(rows)
        bounds = np.searchsorted(places, self._lists.starts)
        counts = np.diff(bounds)
        lists = np.argsort(-reach)
        lists = lists[counts[lists] > 0]
        counts = counts[lists]
        starts = np.append(0, np.cumsum(counts))
        order = np.repeat(bounds[lists] - starts[:-1], counts) + np.arange(len(places))
        return places[order], lists, starts

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
        }

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.sort(self._place_of[rows])

    def _named(self, nearest: Nearest) -> Nearest:
        """Rows instead of places, equal scores by row."""
        rows = self._rows[nearest.rows]
        order = np.lexsort((rows, -nearest.scores))
        return Nearest(rows[order], nearest.scores[order])

    def _held(self, count: int, allowed: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Which lists have allowed rows, as far as that is worth finding out."""
        if allowed is None or count > _COUNTED * len(self):
            return self._sizes > 0
        held = np.zeros(len(self._sizes), np.bool_)
        held[self._list_of[places_of(allowed)]] = True
        return held

    def _visit(
        self,
        scanner: Any,
        sieve: Sieve,
        reach: NDArray[np.float32],
        held: NDArray[np.bool_],
    ) -> None:
        """Read lists until a round changes nothing and those left do not reach the k-th best."""
        lists = np.argsort(-reach)
        lists = lists[held[lists]]
        unread = np.ones(len(held), np.bool_)
        for start, stop in _rounds(len(lists)):
            few = lists[start:stop]
            chosen = np.zeros_like(unread)
            chosen[few] = unread[few]
            # To read a list that lies between two costs less than to start anew after it.
            chosen[1:-1] |= chosen[:-2] & chosen[2:] & unread[1:-1]
            unread &= ~chosen
            if not chosen.any():
                continue
            changed = self._read(scanner, sieve, np.flatnonzero(chosen))
            if not changed and (reach[lists[stop:]] < sieve.last).all():
                return

    def _read(self, scanner: Any, sieve: Sieve, lists: NDArray[np.int64]) -> int:
        """Sift the short forms of lists, ascending; how many came among the best."""
        starts = self._lists.starts
        gaps = np.flatnonzero(np.diff(lists) > 1)
        firsts, lasts = np.append(0, gaps + 1), np.append(gaps, len(lists) - 1)
        begin, end = starts[lists[firsts]], starts[lists[lasts] + 1]
        runs = zip(begin.tolist(), end.tolist(), strict=True)
        return sieve.over(scanner, self._short.codes, runs)


def _rounds(count: int) -> Iterator[tuple[int, int]]:
    """So many lists in rounds, each as large as takes what was visited to `_GROWTH` times as many.

    Yields:
        Where a round begins and stops.
    """
    start, stop = 0, _FIRST
    while start < count:
        yield start, min(stop, count)
        start, stop = stop, int(np.ceil(stop * _GROWTH))
