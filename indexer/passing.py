"""Some of n rows: by name where they are few, else as a mask; pure.

To make a mask, to count it and to find its rows again takes 50 µs for 200,000 rows however few
pass, which is longer than comparing twenty vectors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMED = 1 / 64  # share of the rows up to which naming them costs less than a mask


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """Rows by name.

    Attributes:
        rows: (m,) int64, ascending, each once.
    """

    rows: NDArray[np.int64]


Passing = NDArray[np.bool_] | Named  # a mask is (n,)


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
    return passing.rows if isinstance(passing, Named) else np.flatnonzero(passing)


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


def both(one: Passing, other: Passing) -> Passing:
    """Rows that pass in both; the first, the caller's own, may be written over."""
    if isinstance(one, Named):
        if isinstance(other, Named):
            return Named(np.intersect1d(one.rows, other.rows, assume_unique=True))
        return Named(one.rows[other[one.rows]])
    if isinstance(other, Named):
        return both(other, one)
    one &= other
    return one


def any_of(parts: Sequence[Passing]) -> Passing:
    """Rows that pass in one of the parts, of which there is at least one."""
    if len(parts) == 1:
        return parts[0]
    few = [part.rows for part in parts if isinstance(part, Named)]
    masks = [part for part in parts if not isinstance(part, Named)]
    if not masks:
        return _named(np.concatenate(few))
    mask: NDArray[np.bool_] = np.logical_or.reduce(masks)
    for rows in few:
        mask[rows] = True
    return mask


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
