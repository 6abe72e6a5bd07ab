"""Some of n rows: by name where they are few, else as a mask, or as bits to keep; pure.

To make a mask, to count it and to find its rows again takes 50 µs for 200,000 rows however few
pass, which is longer than comparing twenty vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMED = 1 / 64  # share of the rows up to which naming them costs less than a mask
_GUESSED = (0.04, 0.1)  # shares at which NumPy finds rows with a branch that is often wrong


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Rows by name.

    Attributes:
        rows: (m,) int64, ascending, each once.
    """

    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Bits:
    """A mask with eight rows a byte: to combine two costs 5 µs for a million rows, not 50.

    Attributes:
        packed: uint8, as `np.packbits` packs; never written to.
        count: of rows.
    """

    packed: NDArray[np.uint8]
    count: int


Passing = NDArray[np.bool_] | Named  # a mask is (n,)
Kept = Passing | Bits


def places_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rows of a mask that pass, ascending.

    Up to a tenth, NumPy steps from one that passes to the next, and the processor guesses wrong
    where: 2.9 ms for 100,000 of a million, when 150,000 take 1.0.
    """
    count, (least, most) = int(np.count_nonzero(mask)), _GUESSED
    if not least * len(mask) < count <= most * len(mask):
        return np.flatnonzero(mask)
    denser = np.ones(len(mask) + len(mask) // 8, np.bool_)
    denser[: len(mask)] = mask
    return np.flatnonzero(denser)[:count]


def passing_of(parts: Sequence[NDArray[np.int32]], count: int) -> Passing:
    """Rows that stand in any of the parts, in any order and more than once, of `count` rows."""
    if sum(map(len, parts)) <= _NAMED * count:
        return _named(parts[0] if len(parts) == 1 else np.concatenate(parts))
    mask = np.zeros(count, np.bool_)
    for rows in parts:
        mask[rows] = True
    return mask


def rows_in(passing: Passing) -> NDArray[np.int64]:
    """The rows that pass, ascending."""
    return passing.rows if isinstance(passing, Named) else places_of(passing)


def mask_of(passing: Passing, count: int) -> NDArray[np.bool_]:
    """A mask of `count` rows."""
    if not isinstance(passing, Named):
        return passing
    mask = np.zeros(count, np.bool_)
    mask[passing.rows] = True
    return mask


def counted(passing: Passing) -> int:
    """How many pass."""
    return len(passing.rows) if isinstance(passing, Named) else int(np.count_nonzero(passing))


def packed(passing: Passing, count: int) -> Bits:
    """The same as bits, of `count` rows."""
    return Bits(np.packbits(mask_of(passing, count)), count)


def opened(kept: Kept) -> Passing:
    """The same, by name or as a mask; of bits, an array of the caller's own."""
    if isinstance(kept, Bits):
        return np.unpackbits(kept.packed, count=kept.count).view(np.bool_)
    return kept


def both(one: Kept, other: Kept) -> Kept:
    """Rows that pass in both; a first mask, the caller's own, may be written over."""
    if isinstance(one, Bits) and isinstance(other, Bits):
        return Bits(one.packed & other.packed, one.count)
    return _both(opened(one), opened(other))


def _both(one: Passing, other: Passing) -> Passing:
    if isinstance(one, Named):
        if isinstance(other, Named):
            return Named(np.intersect1d(one.rows, other.rows, assume_unique=True))
        return Named(one.rows[other[one.rows]])
    if isinstance(other, Named):
        return _both(other, one)
    one &= other
    return one


def any_of(parts: Sequence[Kept]) -> Kept:
    """Rows that pass in one of the parts, of which there is at least one."""
    if len(parts) == 1:
        return parts[0]
    bits = [part for part in parts if isinstance(part, Bits)]
    if len(bits) == len(parts):
        return Bits(np.bitwise_or.reduce([part.packed for part in bits]), bits[0].count)
    few, masks = [], []
    for part in map(opened, parts):
        if isinstance(part, Named):
            few.append(part.rows)
        else:
            masks.append(part)
    if not masks:
        return _named(np.concatenate(few))
    mask = masks[0].copy()
    for other in masks[1:]:  # one by one: `logical_or.reduce` copies all of them first
        mask |= other
    for rows in few:
        mask[rows] = True
    return mask


def none_of(kept: Kept, count: int) -> Kept:
    """Those of `count` rows that do not pass."""
    if isinstance(kept, Bits):
        return Bits(~kept.packed, count)
    return ~mask_of(kept, count)


def without(passing: Passing | None, rows: Sequence[int], count: int) -> Passing:
    """Rows that pass, None for all of `count`, but for some."""
    if isinstance(passing, Named):
        return Named(passing.rows[~np.isin(passing.rows, rows)])
    mask = np.ones(count, np.bool_) if passing is None else passing.copy()
    mask[list(rows)] = False
    return mask


def _named(rows: NDArray[Any]) -> Named:
    rows = rows.astype(np.int64)
    if (rows[1:] > rows[:-1]).all():  # as those of one code are
        return Named(rows)
    return Named(np.unique(rows))
