"""Columns of a segment: posting lists for codes and classes, labels for status and office.

Everything is an array, immutable, merged at the memory's speed and saved as it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_NO_LABEL = -1
_COMPARED = 8  # labels up to which comparing with each is quicker than a table


@dataclass(frozen=True, eq=False)
class PostingLists:
    """Pairs (key, row), sorted by key: the rows of each key, or of a span of keys, side by side.

    Attributes:
        keys: (m,) int32, ascending.
        rows: (m,) int32, ascending within a key.
    """

    keys: NDArray[np.int32]
    rows: NDArray[np.int32]

    @classmethod
    def of(cls, keys: Sequence[Sequence[int]]) -> tuple["PostingLists", NDArray[np.int64]]:
        """Sort what keys each row has.

        Returns:
            The lists, and for each pair its place among the keys of all rows, one after the other.
        """
        rows = np.repeat(np.arange(len(keys), dtype=np.int32), list(map(len, keys)))
        unsorted = np.array([*chain.from_iterable(keys)], np.int32)
        order = np.argsort(unsorted, kind="stable")
        return cls(unsorted[order], rows[order]), order

    def span(self, first: int, stop: int) -> slice:
        """Where the pairs with first <= key < stop stand."""
        # Of the keys' own type: searchsorted would else widen a copy of all of them.
        start, end = np.searchsorted(self.keys, np.array((first, stop), self.keys.dtype))
        return slice(int(start), int(end))

    @classmethod
    def merged(
        cls, lists: Sequence["PostingLists"], moves: Sequence[NDArray[np.int32]]
    ) -> tuple["PostingLists", NDArray[np.int64]]:
        """One out of several, whose rows move; see `row_moves`.

        Returns:
            The lists, and for each pair its place in the concatenation of all pairs.
        """
        keys = np.concatenate([one.keys for one in lists])
        rows = np.concatenate([to[one.rows] for one, to in zip(lists, moves, strict=True)])
        order = np.argsort(keys, kind="stable")
        order = order[rows[order] >= 0]
        return cls(keys[order], rows[order]), order


@dataclass(frozen=True, eq=False)
class Labels:
    """One optional word a row, such as its status.

    Attributes:
        names: each word once.
        column: (n,) int32 index into `names`, -1 for none.
    """

    names: tuple[str, ...]
    column: NDArray[np.int32]

    @classmethod
    def of(cls, words: Sequence[str | None]) -> "Labels":
        """Number the words."""
        names = sorted({word for word in words if word is not None})
        number = {name: at for at, name in enumerate(names)}
        column = [_NO_LABEL if word is None else number[word] for word in words]
        return cls(tuple(names), np.array(column, np.int32))

    @classmethod
    def merged(cls, labels: Sequence["Labels"], kept: Sequence[NDArray[np.int64]]) -> "Labels":
        """Labels of the kept rows of several, one after the other.

        Args:
            labels: of each.
            kept: which of its rows to keep, ascending.
        """
        names = sorted({name for one in labels for name in one.names})
        number = {name: at for at, name in enumerate(names)}
        columns = []
        for one, rows in zip(labels, kept, strict=True):
            # As in `any_of`: the index -1 of "none" lands on the last place and stays -1.
            renumber = np.array([number[name] for name in one.names] + [_NO_LABEL], np.int32)
            columns.append(renumber[one.column[rows]])
        return cls(tuple(names), np.concatenate(columns))

    def counts(self, rows: NDArray[np.bool_]) -> dict[str, int]:
        """Count the rows of a mask (n,) that have each word; words that none has are left out."""
        counts = np.bincount(self.column[rows] + 1, minlength=len(self.names) + 1)[1:]
        return {name: int(n) for name, n in zip(self.names, counts, strict=True) if n}

    def any_of(self, wanted: frozenset[str]) -> NDArray[np.bool_]:
        """Which rows have one of the words: (n,)."""
        numbers = [at for at, name in enumerate(self.names) if name in wanted]
        found = np.zeros(len(self.column), np.bool_)
        if len(numbers) <= _COMPARED:
            for number in numbers:  # a comparison costs a tenth of a look-up in a table
                found |= self.column == number
            return found
        # One place more than there are names: the index -1 of "none" lands there.
        chosen = np.zeros(len(self.names) + 1, np.bool_)
        chosen[numbers] = True
        return chosen[self.column]


@dataclass(frozen=True, eq=False)
class KeyRows:
    """The rows that have each key, each row once, however often it has the key.

    Attributes:
        keys: (c,) int64, ascending, each once.
        starts: (c,) int64, where the rows of each key begin.
        rows: (m,) int32.
    """

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int32]

    @classmethod
    def of(cls, keys: NDArray[np.int64], rows: NDArray[np.int32]) -> "KeyRows":
        """Sort (key, row) pairs and leave out those that come again."""
        pairs = np.sort(keys << 32 | rows)  # np.unique, which hashes first, takes ten times as long
        pairs = pairs[_is_new(pairs)]
        keys = pairs >> 32
        starts = np.flatnonzero(_is_new(keys))
        return cls(keys[starts], starts, (pairs & 0xFFFFFFFF).astype(np.int32))

    def counts(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many rows of a mask (n,) have each key: (c,)."""
        if not len(self.keys):
            return np.zeros(0, np.int64)
        return np.add.reduceat(mask[self.rows], self.starts, dtype=np.int64)


def _is_new(ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of some numbers (m,) differ from the one before: (m,)."""
    new = np.ones(len(ascending), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new


def row_moves(sizes: Sequence[int], kept: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int32]]:
    """Where the kept rows of several segments stand in one that holds them one after the other.

    Args:
        sizes: rows of each segment.
        kept: which of them to keep, ascending.

    Returns:
        For each segment the new row of each of its rows, -1 for those that are left behind.
    """
    moves, offset = [], 0
    for size, rows in zip(sizes, kept, strict=True):
        target = np.full(size, -1, np.int32)
        target[rows] = np.arange(offset, offset + len(rows), dtype=np.int32)
        moves.append(target)
        offset += len(rows)
    return moves


def words_to_bytes(words: Iterable[str]) -> NDArray[np.uint8]:
    """Words as UTF-8, each ended by NUL, which no word of a mark may hold."""
    return np.frombuffer("".join(f"{word}\0" for word in words).encode(), np.uint8)


def words_from_bytes(lines: NDArray[np.uint8]) -> tuple[str, ...]:
    """Read what `words_to_bytes` wrote."""
    return tuple(lines.tobytes().decode().split("\0")[:-1])
