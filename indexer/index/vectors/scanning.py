"""The only place that calls FAISS below its Python interface: scans of rows in arrays of our own.

FAISS keeps its indexes' numbers in memory of its own. Its scanner of inverted lists reads them
wherever they lie, also in the array that came out of a snapshot: no copy, nothing rounded. And
`search_lists` reads the inverted lists that the caller chose, which FAISS' Python interface does
not offer together with a selector.
"""

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors.index import Nearest

_FIRST, _MOST = 1 << 11, 1 << 18  # rows of the first block, which has no score to beat, and at most
_GROWTH = 8  # rows of a block, to those of the one before
_COPIED = 1 << 9  # rows copied at once

FLOAT16 = faiss.ScalarQuantizer.QT_fp16
SIGNED_BYTE = faiss.ScalarQuantizer.QT_8bit_direct_signed  # a byte of 128 stands for 0


class Scanners:
    """Scanners for vectors of d numbers of one kind, as many as searches run side by side.

    They are kept and lent, since a scanner that FAISS makes for Python is never freed.
    """

    def __init__(self, dimension: int, kind: int = FLOAT16, by_position: bool = False) -> None:
        """Prepare.

        Args:
            dimension: numbers of a vector.
            kind: of number.
            by_position: for a `ThresholdScan`: rows are reported by position, not by number.
        """
        self._by_position = by_position
        self._index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dimension),
            dimension,
            1,
            kind,
            faiss.METRIC_INNER_PRODUCT,
            False,  # numbers as they are, not residuals
        )
        # A scanner is made with a selector or without, and stays so; lists, since popping and
        # appending are safe between threads.
        self._idle: tuple[list[Any], list[Any]] = ([], [])

    def lend(self, selector: faiss.IDSelectorBitmap | None) -> Any:
        """Give out an InvertedListScanner; the selector must live until it is back."""
        try:
            scanner = self._idle[selector is not None].pop()
        except IndexError:
            return self._index.get_InvertedListScanner(self._by_position, selector, None)
        if selector is not None:
            scanner.sel = selector
        return scanner

    def take_back(self, scanner: Any, is_selecting: bool) -> None:
        """Keep a scanner for the next search."""
        self._idle[is_selecting].append(scanner)


class ThresholdScan:
    """Scans all rows and keeps the allowed ones that score above a rising threshold.

    A scanner that skips every other row waits for memory that it could not foresee, so that half
    of the rows took twice as long as all of them. This one skips none: of each block it takes the
    rows that score above the threshold, and only then asks which are allowed.
    """

    def __init__(
        self, k: int, allowed: RowSet | None, margin: float = 0.0, most: int | None = None
    ) -> None:
        """Begin.

        Args:
            k: how many rows are wanted, at most the number of allowed ones.
            allowed: by row; None allows all.
            margin: rows that score so much below the k-th best are kept, too.
            most: how many rows to keep, the best; None for k.
        """
        self._k = k
        self._most = k if most is None else most
        self._allowed = allowed
        self._margin = margin
        self._threshold = self._floor = -np.inf
        self.rows = np.zeros(0, np.int64)
        self.scores = np.zeros(0, np.float32)

    def over(
        self, scanner: Any, vectors: NDArray[np.float16] | NDArray[np.uint8], first: int
    ) -> None:
        """Compare with some rows.

        Args:
            scanner: with its query and no selector, by position.
            vectors: (m, d), contiguous, as the scanner reads them.
            first: row of the first of them.
        """
        codes = faiss.cast_integer_to_uint8_ptr(vectors.ctypes.data)  # type: ignore[attr-defined]
        found = faiss.RangeSearchResult(1)
        part = faiss.RangeSearchPartialResult(found)  # type: ignore[attr-defined]
        above = part.new_result(0)
        scanner.scan_codes_range(len(vectors), codes, None, float(self._threshold), above)
        part.finalize()
        if above.nres:
            rows = first + faiss.rev_swig_ptr(found.labels, above.nres)
            self._take(rows, faiss.rev_swig_ptr(found.distances, above.nres))

    def raise_to(self, least: float) -> None:
        """Keep from now on only rows that score at least so much, whatever the k-th best does."""
        self._floor = max(self._floor, least)
        self._threshold = max(self._threshold, self._floor)
        self._keep(np.flatnonzero(self.scores >= self._threshold))

    def _take(self, rows: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        if self._allowed is not None:
            chosen = self._allowed.contains(rows)
            rows, scores = rows[chosen], scores[chosen]
        self.rows = np.concatenate([self.rows, rows])
        self.scores = np.concatenate([self.scores, scores])
        if len(self.rows) >= self._k:
            last = float(-np.partition(-self.scores, self._k - 1)[self._k - 1])
            self._threshold = max(last - self._margin, self._floor)
            self._keep(np.flatnonzero(self.scores >= self._threshold))

    def _keep(self, kept: NDArray[np.int64]) -> None:
        if len(kept) > self._most:
            best = np.argpartition(-self.scores[kept], self._most - 1)[: self._most]
            kept = kept[best]
            self._threshold = float(self.scores[kept].min())
        self.rows, self.scores = self.rows[kept], self.scores[kept]

    def nearest(self) -> Nearest:
        """The k best of what was found, the best first, equal scores by row."""
        order = np.lexsort((self.rows, -self.scores))[: self._k]
        return Nearest(self.rows[order], self.scores[order])


def selector_of(allowed: RowSet) -> faiss.IDSelectorBitmap:
    """A FAISS selector of the allowed rows; it keeps their bits alive."""
    return faiss.IDSelectorBitmap(allowed.bits)  # type: ignore[call-arg, arg-type]


def search_lists(
    index: "faiss.IndexIVFPQFastScan",
    query: NDArray[np.float32],
    k: int,
    lists: tuple[NDArray[np.int64], NDArray[np.float32]],
    selector: "faiss.IDSelectorBitmap | None",
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best rows of some inverted lists, by the scores of their product codes.

    Args:
        index: of m numbers a row.
        query: (m,) float32.
        k: how many rows at most, at least 2: for one, FAISS leaves the centroids' scores out.
        lists: (l,) int64, which lists to read, and (l,) float32, the scores of their centroids.
        selector: which rows are allowed; None allows all.

    Returns:
        rows (m,) and scores (m,), in no order.
    """
    scores, rows = np.empty(k, np.float32), np.empty(k, np.int64)
    numbers, (chosen, centroid_scores) = np.ascontiguousarray(query), lists
    parameters = faiss.SearchParametersIVF(nprobe=len(chosen), sel=selector)  # type: ignore[call-arg]
    index.search_preassigned_c(  # type: ignore[attr-defined]
        1,
        faiss.swig_ptr(numbers),
        k,
        faiss.swig_ptr(chosen),
        faiss.swig_ptr(centroid_scores),
        faiss.swig_ptr(scores),
        faiss.swig_ptr(rows),
        False,  # row numbers, not positions in lists
        parameters,
    )
    found = rows >= 0
    return rows[found], scores[found]


def copy_rows(numbers: NDArray[Any], rows: NDArray[np.int64], buffer: NDArray[Any]) -> NDArray[Any]:
    """Copy some rows into a buffer, contiguous.

    Args:
        numbers: (n, d).
        rows: (m,) int64, which of them, all of 0 to n - 1.
        buffer: at least (m, d), written over.
    """
    # "clip" writes where it is told; to find wrong rows NumPy would write elsewhere and copy.
    return np.take(numbers, rows, axis=0, out=buffer[: len(rows)], mode="clip")


def blocks(count: int, allowed: RowSet | None, most: int = _MOST) -> Iterator[tuple[int, int]]:
    """Blocks of rows to scan, growing as the threshold rises; not those without an allowed row.

    Args:
        count: rows in all.
        allowed: of as many rows; None allows all.
        most: rows of a block.
    """
    start, size = 0, min(_FIRST, most)
    while start < count:
        stop = min(start + size, count)
        if allowed is None or allowed.may_meet(start, stop):
            yield start, stop
        start, size = stop, min(_GROWTH * size, most)


class Scan:
    """One query, and the k best of the rows it was compared with so far; a context manager."""

    def __init__(
        self,
        scanners: Scanners,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None = None,
    ) -> None:
        """Begin.

        Args:
            scanners: where to borrow one.
            query: (d,) float32.
            k: how many rows to keep.
            allowed: by row; None allows all.
        """
        self._scanners = scanners
        self._query = np.ascontiguousarray(query, np.float32)
        self._selector = None if allowed is None else selector_of(allowed)
        # FAISS' heap: the worst that is kept stands first.
        self._scores = np.full(k, -np.inf, np.float32)
        self._rows = np.full(k, -1, np.int64)
        self._heap = (faiss.swig_ptr(self._scores), faiss.swig_ptr(self._rows))

    def __enter__(self) -> "Scan":
        """Borrow a scanner."""
        self.scanner = self._scanners.lend(self._selector)
        self.scanner.set_query(faiss.swig_ptr(self._query))
        self.scanner.set_list(0, 0.0)
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._scanners.take_back(self.scanner, self._selector is not None)

    def over(self, vectors: NDArray[np.float16], rows: NDArray[np.int64]) -> None:
        """Compare with some rows.

        Args:
            vectors: (m, d) float16, contiguous.
            rows: (m,) int64, contiguous, their numbers.
        """
        self.scanner.scan_codes(
            len(rows),
            faiss.swig_ptr(vectors.view(np.uint8)),
            faiss.swig_ptr(rows),
            *self._heap,
            len(self._rows),
        )

    def over_some(self, vectors: NDArray[np.float16], rows: NDArray[np.int64]) -> None:
        """Compare with rows here and there.

        Args:
            vectors: (n, d) float16.
            rows: (m,) int64, which of them; ascending ones cost less.
        """
        # Copied a few at a time, into the processor's cache, they took a third of the time of
        # a copy of all.
        buffer = np.empty((min(len(rows), _COPIED), vectors.shape[1]), vectors.dtype)
        for start in range(0, len(rows), _COPIED):
            some = np.ascontiguousarray(rows[start : start + _COPIED])
            self.over(copy_rows(vectors, some, buffer), some)

    def nearest(self) -> Nearest:
        """What was found, the best first, equal scores by row."""
        order = np.lexsort((self._rows, -self._scores))
        order = order[self._rows[order] >= 0]
        return Nearest(self._rows[order], self._scores[order])
