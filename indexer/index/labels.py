"""One optional word a row, such as a mark's status or office, as a column of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NO_LABEL = -1
_COMPARED = 8  # words up to which comparing with each is quicker than a table


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
    def merged(cls, labels: Sequence["Labels"], places: Sequence[NDArray[np.int64]]) -> "Labels":
        """Labels of the kept rows of several, one after the other.

        Args:
            labels: of each.
            places: which of its rows to keep, ascending.
        """
        names = sorted({name for one in labels for name in one.names})
        number = {name: at for at, name in enumerate(names)}
        columns = []
        for one, kept in zip(labels, places, strict=True):
            # As in `among`: the index -1 of "none" lands on the last place and stays -1.
            renumber = np.array([number[name] for name in one.names] + [_NO_LABEL], np.int32)
            columns.append(renumber[one.column[kept]])
        return cls(tuple(names), np.concatenate(columns))

    def counted(self, alive: NDArray[np.bool_] | None) -> dict[str, int]:
        """How many of some rows bear each word; words that none bears are left out."""
        column = self.column if alive is None else self.column[alive]
        counts = np.bincount(column + 1, minlength=len(self.names) + 1)[1:]
        return {name: int(n) for name, n in zip(self.names, counts, strict=True) if n}

    def among(self, wanted: frozenset[str]) -> NDArray[np.bool_]:
        """Rows that bear one of the words: (n,) bool."""
        numbers = [at for at, name in enumerate(self.names) if name in wanted]
        passing = np.zeros(len(self.column), np.bool_)
        if len(numbers) <= _COMPARED:
            for number in numbers:  # a comparison costs a tenth of a look-up in a table
                passing |= self.column == number
            return passing
        # One place more than there are names: the index -1 of "none" lands there.
        chosen = np.zeros(len(self.names) + 1, np.bool_)
        chosen[numbers] = True
        return chosen[self.column]
