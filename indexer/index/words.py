"""Words of rows in one array of bytes: marks' ids, and the rows that they are found at.

A million strings, a tuple of them and a dictionary of their rows would take half a second to make,
while no other thread runs, 200 MB, and the time of every full garbage collection. Arrays are made
and merged at the memory's speed, saved as they are, and no collection looks at them.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.index.columns import words_from_bytes, words_to_bytes
from indexer.marks import is_storable

_AT_ONCE = 1 << 13  # words whose bytes are looked at at once: NumPy may keep Python's lock
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying modulo 2^64 loses nothing


class Ids:
    """Ids of n rows, each once; immutable."""

    def __init__(self, lines: NDArray[np.uint8]) -> None:
        """Take up what `words_to_bytes` wrote; the array must not change any more."""
        self.lines = lines
        self._ends = np.flatnonzero(lines == 0) + 1
        hashes = _hashes(lines, self._ends)
        self._order = np.argsort(hashes).astype(np.int32)
        self._hashes = hashes[self._order]

    @classmethod
    def of(cls, words: Iterable[str]) -> "Ids":
        """The ids of rows in their order."""
        return cls(words_to_bytes(words))

    @classmethod
    def merged(cls, parts: Sequence[tuple["Ids", NDArray[np.int64]]]) -> "Ids":
        """The ids of the kept rows of several, one after the other.

        Args:
            parts: ids, and which of their rows to keep, ascending.
        """
        kept = [
            ids._lines_of(rows[at : at + _AT_ONCE])
            for ids, rows in parts
            for at in range(0, len(rows), _AT_ONCE)
        ]
        return cls(np.concatenate([np.zeros(0, np.uint8), *kept]))

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._ends)

    def __getitem__(self, row: int) -> str:
        """Id of a row.

        Raises:
            IndexError: there is no such row.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"there is no row {row} among {len(self)}")
        stop = self._ends[row]
        start = self._ends[row - 1] if row > 0 else 0
        return self.lines[start : stop - 1].tobytes().decode()

    def named(self, rows: NDArray[np.int64]) -> list[str]:
        """Ids of some rows, all of 0 to n - 1; a third of the time of one after the other."""
        stops = self._ends[rows]
        starts = np.where(rows > 0, self._ends[rows - 1], 0)
        lines = self.lines.data
        return [
            str(lines[start : stop - 1], "utf-8")
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
        ]

    def __iter__(self) -> Iterator[str]:
        """Go through the ids."""
        return iter(words_from_bytes(self.lines))

    def rows_of(self, wanted: Iterable[str]) -> list[int]:
        """Rows of those of some ids, each given once, that are here."""
        words = [word for word in wanted if is_storable(word)]  # no mark has another
        lines = words_to_bytes(words)
        hashes = _hashes(lines, np.flatnonzero(lines == 0) + 1)
        first = np.searchsorted(self._hashes, hashes, side="left")
        last = np.searchsorted(self._hashes, hashes, side="right")
        rows = []
        for at in np.flatnonzero(first < last).tolist():
            # Ids of one hash stand side by side; the id itself decides.
            same = self._order[first[at] : last[at]].tolist()
            rows += [row for row in same if self[row] == words[at]]
        return rows

    def _lines_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The bytes of some rows, one after the other."""
        stops = self._ends[rows]
        lengths = stops - np.where(rows > 0, self._ends[rows - 1], 0)
        ahead = np.repeat(stops - np.cumsum(lengths), lengths)  # from there to here
        lines: NDArray[np.uint8] = self.lines[np.arange(len(ahead)) + ahead]
        return lines


def _hashes(lines: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A number for each word, that few words share: its bytes are the digits of a polynomial."""
    hashes = np.empty(len(ends), np.uint64)
    start = 0
    for at in range(0, len(ends), _AT_ONCE):
        stops = ends[at : at + _AT_ONCE]
        starts = np.concatenate([[start], stops[:-1]])
        places = np.arange(start, stops[-1]) - np.repeat(starts, stops - starts)
        powers = np.multiply.accumulate(np.full(places.max() + 1, _BASE))
        digits = lines[start : stops[-1]] * powers[places]
        hashes[at : at + _AT_ONCE] = np.add.reduceat(digits, starts - start)
        start = int(stops[-1])
    return hashes
