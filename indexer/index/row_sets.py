"""Sets of the rows of a segment: row numbers where few pass, one bit a row otherwise.

NumPy was measured against pyroaring at a million rows (docs/decisions): making a set of the rows
that have a category takes 0.9 ms against 4, the rows filed between two days 0.2 against 15, and
FAISS reads the bits as they are, where a roaring bitmap takes 0.3 ms to be turned into them.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SPARSE = 1 / 100  # share of the rows up to which numbers cost less than bits
_MISPREDICTED = (0.04, 0.1)  # shares at which NumPy finds rows with a branch that is often wrong


class RowSet:
    """Some of the rows 0 to `size` - 1; immutable.

    A sparse set holds row numbers, a dense one a bit for each row, eight a byte, the first row in
    the least bit. To combine the bits of a million rows takes 3 µs and to count them 12, but to
    find their numbers again 100 µs however few there are: longer than comparing twenty vectors.

    Attributes:
        size: how many rows there are, in the set or not.
    """

    __slots__ = ("_bits", "_rows", "size")

    def __init__(
        self, size: int, rows: NDArray[np.int64] | None, bits: NDArray[np.uint8] | None
    ) -> None:
        """Hold either rows, ascending and each once, or bits, those beyond `size` 0."""
        self.size = size
        self._rows = rows
        self._bits = bits

    @classmethod
    def all(cls, size: int) -> "RowSet":
        """Every row."""
        return cls.of_mask(np.ones(size, np.bool_))

    @classmethod
    def of_mask(cls, mask: NDArray[np.bool_]) -> "RowSet":
        """The rows at which a mask (size,) is true."""
        return cls(len(mask), None, np.packbits(mask, bitorder="little"))

    @classmethod
    def of_rows(cls, size: int, *lists: NDArray[Any]) -> "RowSet":
        """The rows of some lists of row numbers (m,), in any order and repeated or not."""
        if sum(map(len, lists)) > _SPARSE * size:
            mask = np.zeros(size, np.bool_)
            for rows in lists:
                mask[rows] = True
            return cls.of_mask(mask)
        rows = np.concatenate(lists).astype(np.int64)
        if not (rows[1:] > rows[:-1]).all():  # as those of one code are
            rows = np.unique(rows)
        return cls(size, rows, None)

    @classmethod
    def union(cls, sets: Sequence["RowSet"]) -> "RowSet":
        """The rows of any of the sets, of which there is at least one."""
        if len(sets) == 1:
            return sets[0]
        size = sets[0].size
        dense = [one._bits for one in sets if one._bits is not None]
        sparse = [one._rows for one in sets if one._rows is not None]
        if not dense:
            return cls.of_rows(size, *sparse)
        together = cls(size, None, np.bitwise_or.reduce(dense))
        if not sparse:
            return together
        mask = together.mask()
        mask[np.concatenate(sparse)] = True
        return cls.of_mask(mask)

    @property
    def is_sparse(self) -> bool:
        """Whether row numbers are held, not bits."""
        return self._bits is None

    @property
    def bits(self) -> NDArray[np.uint8]:
        """One bit for each row, as FAISS' IDSelectorBitmap reads them: (ceil(size / 8),)."""
        return np.packbits(self.mask(), bitorder="little") if self._bits is None else self._bits

    def mask(self) -> NDArray[np.bool_]:
        """Whether each row is in the set: (size,), the caller's own."""
        if self._bits is None:
            mask = np.zeros(self.size, np.bool_)
            mask[self._rows] = True
            return mask
        return np.unpackbits(self._bits, count=self.size, bitorder="little").view(np.bool_)

    def rows(self) -> NDArray[np.int64]:
        """The row numbers, ascending: (m,)."""
        if self._rows is not None:
            return self._rows
        count, (least, most) = len(self), _MISPREDICTED
        if not least * self.size < count <= most * self.size:
            return np.flatnonzero(self.mask())
        # Of these shares NumPy steps from one row to the next, and the processor guesses wrong
        # where: 2.9 ms for 100,000 of a million, when 150,000 take 1.0.
        denser = np.ones(self.size + self.size // 8, np.bool_)
        denser[: self.size] = self.mask()
        return np.flatnonzero(denser)[:count]

    def __len__(self) -> int:
        """Count the rows in the set."""
        if self._rows is not None:
            return len(self._rows)
        bits = self.bits
        whole = len(bits) // 8 * 8  # eight bytes at once take an eighth of the time
        words, rest = bits[:whole].view(np.uint64), bits[whole:]
        return int(np.bitwise_count(words).sum()) + int(np.bitwise_count(rest).sum())

    def contains(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of some rows (m,) are in the set: (m,)."""
        if self._rows is not None:
            return np.isin(rows, self._rows)
        shifted = self.bits[rows >> 3] >> (rows & 7).astype(np.uint8)
        return np.asarray(shifted & 1, np.uint8).view(np.bool_)

    def may_meet(self, start: int, stop: int) -> bool:
        """Whether the set has a row of a span, or one that shares a byte with it."""
        return bool(self.bits[start >> 3 : (stop + 7) >> 3].any())

    def dense(self) -> "RowSet":
        """The same set as bits."""
        return RowSet(self.size, None, self.bits) if self._bits is None else self

    def __and__(self, other: "RowSet") -> "RowSet":
        """The rows of both sets."""
        if self._rows is not None:
            return RowSet(self.size, self._rows[other.contains(self._rows)], None)
        if other._rows is not None:
            return other & self
        return RowSet(self.size, None, self.bits & other.bits)

    def __invert__(self) -> "RowSet":
        """The rows that are not in the set."""
        others = ~self.bits
        if self.size % 8:
            others[-1] &= (1 << self.size % 8) - 1
        return RowSet(self.size, None, others)

    def without(self, rows: NDArray[np.int64]) -> "RowSet":
        """The set less some rows (m,)."""
        if not len(rows):
            return self
        if self._rows is not None:
            return RowSet(self.size, self._rows[~np.isin(self._rows, rows)], None)
        mask = self.mask()
        mask[rows] = False
        return RowSet.of_mask(mask)


class RowSetCache:
    """A least-recently-used cache of row sets, by question; safe to share by threads.

    Dense sets of large segments only: a sparse one, or one of few rows, is found again at once.
    """

    def __init__(self, most: int, least_rows: int) -> None:
        """Keep at most so many sets, of segments with more than so many rows."""
        self._most = most
        self._least_rows = least_rows
        self._held: OrderedDict[Hashable, RowSet] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """Count the sets."""
        return len(self._held)

    def get(self, question: Hashable) -> RowSet | None:
        """The answer to a question; None if it is not kept."""
        with self._lock:
            if question not in self._held:
                return None
            self._held.move_to_end(question)
            return self._held[question]

    def put(self, question: Hashable, rows: RowSet) -> None:
        """Keep an answer in place of the one used longest ago, unless it is quickly found again."""
        if rows.is_sparse or rows.size <= self._least_rows:
            return
        with self._lock:
            self._held[question] = rows
            self._held.move_to_end(question)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
