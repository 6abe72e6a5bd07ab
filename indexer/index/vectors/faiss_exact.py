"""Exact search with FAISS on the CPU: float16 storage, float32 arithmetic.

`FaissExactIndex` compares the query with every allowed row. `FaissShortIndex` first reads short
forms (see `short`), a seventh of the memory, and compares only the rows that they cannot rule out:
a scan is bound by memory. `ShortBounds.error` bounds how far the score of a short form may be from
that of its vector, so a row is left out only where it cannot be among the k best. Where rows must
reach a score, heads of short forms are read before, a quarter of those. The answer is
that of a scan of all vectors, to the bit, for all finite numbers that are not so small (1e-40)
that float32 keeps few of their digits. Where the bound is wide, since the query is unlike all
vectors or scores hardly differ, too many rows are left and all vectors are scanned: with all
weight on colour, most queries are.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.row_sets import RowSet
from indexer.index.vectors.index import Nearest
from indexer.index.vectors.scanning import (
    SIGNED_BYTE,
    Scan,
    Scanners,
    ThresholdScan,
    blocks,
    copy_rows,
)
from indexer.index.vectors.short import ShortBounds, ShortForms

_SKIPPED = 0.2  # share of allowed rows up to which skipping the others costs less than a whole scan
_GATHERED = 0.15  # share of allowed rows up to which copying their short forms out costs less
_READ_FIRST = 4_000  # rows from which comparing their short forms first costs less
_READ_AGAIN = 512  # the same of rows that their heads do not rule out
_COMPARED = 1 / 10  # share of the rows up to which comparing them costs less than a scan of all
_AT_ONCE = 1 << 13  # short forms copied out at once: a megabyte, which the processor keeps near
_FIRST_CHECK = 1 << 14  # rows after which some are compared, to see what short forms rule out
_GROWTH = 8  # rows at the next check, to those at the one before


class FaissExactIndex:
    """FAISS' scanner over float16, which embeddings are already: nothing is lost.

    Half the memory traffic of float32, and a scan is bound by memory.
    """

    name = "faiss IndexScalarQuantizer fp16, cpu"
    is_exact, exact_share = True, 1.0

    def __init__(self, vectors: NDArray[np.float16]) -> None:
        """Keep `vectors`, (n, d) float16; they must not change any more."""
        self._vectors = np.ascontiguousarray(vectors).view()
        self._vectors.flags.writeable = False
        self._rows = np.arange(len(vectors))
        self._scanners = Scanners(vectors.shape[1])
        self._threshold_scanners = Scanners(vectors.shape[1], by_position=True)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._vectors)

    def scan(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None,
        least: float = -np.inf,
        made_of: NDArray[np.float16] | None = None,
    ) -> Nearest:
        """Compare the query with every allowed row; see `VectorIndex.scan`."""
        if allowed is not None and len(allowed) > _SKIPPED * len(self):
            return self._scan_all(query, k, allowed)
        with Scan(self._scanners, query, k, allowed) as scan:
            scan.over(self._vectors, self._rows)
            return scan.nearest()

    def _scan_all(self, query: NDArray[np.float32], k: int, allowed: RowSet) -> Nearest:
        """Compare the query with allowed and forbidden rows: see `ThresholdScan`."""
        best = ThresholdScan(k, allowed)
        with Scan(self._threshold_scanners, query, k) as scan:
            for start, stop in blocks(len(self), allowed):
                best.over(scan.scanner, self._vectors[start:stop], start)
        return best.nearest()

    def gather(
        self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64], least: float = -np.inf
    ) -> Nearest:
        """Compare the query with the named rows; see `VectorIndex.gather`."""
        return self.compare(query, k, rows)

    def compare(self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64]) -> Nearest:
        """Compare the query with the whole vectors of the named rows; see `VectorIndex.gather`."""
        with Scan(self._scanners, query, k) as scan:
            scan.over_some(self._vectors, rows)
            return scan.nearest()

    def vectors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float16]:
        """The stored vectors; see `VectorIndex.vectors`."""
        return self._vectors if rows is None else self._vectors[rows]

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The vectors alone; see `VectorIndex.arrays`."""
        return {"vectors": self._vectors}


class FaissShortIndex(FaissExactIndex):
    """Float16 vectors with short forms, whose scans and scores are those of `FaissExactIndex`."""

    name = "faiss IndexScalarQuantizer fp16 with short forms, cpu"

    def __init__(self, vectors: NDArray[np.float16], short: ShortForms) -> None:
        """Keep vectors and their short forms.

        Args:
            vectors: (n, d) float16; they must not change any more.
            short: their short forms, in the same order.

        Raises:
            ValueError: the short forms are of other vectors.
        """
        if vectors.shape != (len(short.codes), len(short.mean)):
            raise ValueError("the short forms are of other vectors")
        super().__init__(vectors)
        self._short = short
        self._short_scanners = Scanners(short.codes.shape[1], SIGNED_BYTE, by_position=True)
        self._head_scanners = Scanners(short.heads.shape[1], SIGNED_BYTE, by_position=True)

    @classmethod
    def of(
        cls, vectors: NDArray[np.float16], proceed: Callable[[], None] = lambda: None
    ) -> "FaissShortIndex":
        """Make an index of (n, d) float16 vectors, n > 0; see `ShortForms.of`."""
        return cls(vectors, ShortForms.of(vectors, proceed))

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "FaissShortIndex":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        return cls(arrays["vectors"], ShortForms.restored(arrays))

    def scan(
        self,
        query: NDArray[np.float32],
        k: int,
        allowed: RowSet | None,
        least: float = -np.inf,
        made_of: NDArray[np.float16] | None = None,
    ) -> Nearest:
        """Compare the query with every allowed row that may be near; see `VectorIndex.scan`."""
        if allowed is not None and len(allowed) <= _GATHERED * len(self):
            return self.gather(query, k, allowed.rows(), least)
        near = self._reaching(query, None, allowed, least)
        if near is not None:
            return self._read(query, k, near, least)
        few = self._candidates(query, k, None, allowed, least)
        return super().scan(query, k, allowed) if few is None else self.compare(query, k, few)

    def gather(
        self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64], least: float = -np.inf
    ) -> Nearest:
        """Compare the query with the named rows that may be near; see `VectorIndex.gather`."""
        near = self._reaching(query, rows, None, least) if len(rows) >= _READ_FIRST else None
        return self._read(query, k, rows if near is None else near, least)

    def _read(
        self, query: NDArray[np.float32], k: int, rows: NDArray[np.int64], least: float
    ) -> Nearest:
        """Compare the query with the named rows, if they are many by their short forms first."""
        few = None
        if len(rows) >= (_READ_FIRST if least == -np.inf else _READ_AGAIN):
            few = self._candidates(query, k, rows, None, least)
        return self.compare(query, k, rows if few is None else few)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The vectors and their short forms; see `VectorIndex.arrays`."""
        return {**super().arrays(), **self._short.arrays()}

    def _reaching(
        self,
        query: NDArray[np.float32],
        rows: NDArray[np.int64] | None,
        allowed: RowSet | None,
        least: float,
    ) -> NDArray[np.int64] | None:
        """The rows whose heads do not rule out that they score so much; None if too many."""
        heads = self._short.heads
        if least == -np.inf or heads.shape[1] >= self._short.codes.shape[1]:
            return None
        numbers, bounds = self._short.encode_head(query)
        count = len(self) if rows is None else len(rows)
        found = ThresholdScan(count + 1, allowed)  # keeps all that reach the score
        found.raise_to(bounds.least(least))
        with Scan(self._head_scanners, numbers, 1) as scan:
            for stop in self._over(scan.scanner, heads, found, rows, allowed):
                if stop >= _FIRST_CHECK and len(found.rows) > _COMPARED * stop:
                    return None
        return found.rows if rows is None else rows[found.rows]

    def _candidates(
        self,
        query: NDArray[np.float32],
        k: int,
        rows: NDArray[np.int64] | None,
        allowed: RowSet | None,
        least: float,
    ) -> NDArray[np.int64] | None:
        """The rows whose short forms do not rule them out, in order; None if they are too many.

        Args:
            query: see `scan`.
            k: see `scan`.
            rows: (m,) int64, which to look at; None for all.
            allowed: with all rows; None allows all.
            least: rows that score less than this are ruled out, too.
        """
        short_query = self._short.encode_query(query)
        bounds = self._short.bounds(short_query)
        count = len(self) if rows is None else len(rows)
        found = ThresholdScan(k, allowed, bounds.margin, count)
        found.raise_to(bounds.least(least))
        names = self._rows if rows is None else rows
        check = _FIRST_CHECK
        with Scan(self._short_scanners, short_query.numbers, 1) as scan:
            for stop in self._over(scan.scanner, self._short.codes, found, rows, allowed):
                if stop >= check:
                    self._narrow(query, k, bounds, found, names)
                    check = stop * _GROWTH
                    if len(found.rows) > k + _COMPARED * stop:
                        return None
        self._narrow(query, k, bounds, found, names)
        if len(found.rows) > k + _COMPARED * count:
            return None
        return names[np.sort(found.rows)]

    def _over(
        self,
        scanner: Any,
        codes: NDArray[np.uint8],
        found: ThresholdScan,
        rows: NDArray[np.int64] | None,
        allowed: RowSet | None,
    ) -> Iterator[int]:
        """Scan the short forms or heads of all or some rows in blocks; yields how many so far."""
        if rows is None:
            for start, stop in blocks(len(codes), allowed):
                found.over(scanner, codes[start:stop], start)
                yield stop
            return
        buffer = np.empty((min(len(rows), _AT_ONCE), codes.shape[1]), codes.dtype)
        for start, stop in blocks(len(rows), None, _AT_ONCE):
            found.over(scanner, copy_rows(codes, rows[start:stop], buffer), start)
            yield stop

    def _narrow(
        self,
        query: NDArray[np.float32],
        k: int,
        bounds: ShortBounds,
        found: ThresholdScan,
        rows: NDArray[np.int64],
    ) -> None:
        """Drop rows that cannot score as high as the worst of the k that seem best now."""
        if len(found.rows) > k:
            best = np.argpartition(-found.scores, k - 1)[:k]
            last = self.compare(query, k, rows[found.rows[best]]).scores[-1]
            found.raise_to(bounds.least(float(last)))
