"""Rows that bear what many rows bear, as bits that a snapshot keeps.

To mark the half million rows of a category takes 5 ms for each million pairs of code and row, in
which a search is done. A few dozen codes and classes are borne by so many; a megabyte for every
eight of them, at a million rows, spares the first search that asks for one what later ones are
spared by `indexer.index.recent_rows`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from indexer.index.passing import Bits

Kind = Literal["assigned", "predicted", "nice"]
_KINDS: tuple[Kind, ...] = ("assigned", "predicted", "nice")
_MANY = 1 / 20  # pairs, to the rows there are, from which a span's rows are made ready
_LEAST = 10_000  # rows up to which marking some costs next to nothing


class ReadyRows:
    """Bits of spans of keys; filled once, then read by any threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._bits: dict[tuple[str, int, int], Bits] = {}

    def __len__(self) -> int:
        """Count the spans."""
        return len(self._bits)

    def get(self, kind: Kind, first: int, stop: int) -> Bits | None:
        """Rows of the pairs with first <= key < stop; None if they are not ready."""
        return self._bits.get((kind, first, stop))

    def make(
        self,
        kind: Kind,
        keys: NDArray[np.int32],
        rows: NDArray[np.int32],
        count: int,
        sizes: Sequence[int],
    ) -> None:
        """Make the rows of all spans ready that hold many pairs.

        Args:
            kind: what the keys are.
            keys: (m,) ascending.
            rows: (m,), one for each key.
            count: how many rows there are.
            sizes: a span holds the keys from one multiple of a size to the next.
        """
        if count < _LEAST:
            return
        distinct = np.unique(keys)  # some hundred, of millions of pairs
        for size in sizes:
            begins = np.unique(distinct // size * size)
            starts, ends = np.searchsorted(keys, np.stack([begins, begins + size]))
            many = ends - starts >= _MANY * count
            spans = zip(begins[many].tolist(), starts[many], ends[many], strict=True)
            for first, start, end in spans:
                mask = np.zeros(count, np.bool_)
                mask[rows[start:end]] = True
                self._bits[kind, first, first + size] = Bits.of(mask)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, for a snapshot."""
        spans = [(_KINDS.index(kind), first, stop) for kind, first, stop in self._bits]
        packed = [bits.packed for bits in self._bits.values()]
        return {
            "ready_spans": np.array(spans, np.int32).reshape(-1, 3),
            "ready_bits": np.stack(packed) if packed else np.zeros((0, 0), np.uint8),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], count: int) -> "ReadyRows":
        """Take up what `arrays` gave, for so many rows; none from a snapshot of an earlier build.

        Raises:
            KeyError: an array is missing.
            ValueError: they do not fit the rows.
        """
        if "ready_spans" not in arrays:
            return cls()
        spans, packed = arrays["ready_spans"], arrays["ready_bits"]
        if len(spans) != len(packed) or (len(packed) and packed.shape[1] != -(-count // 8)):
            raise ValueError("the rows that were made ready do not fit the others")
        ready = cls()
        for (kind, first, stop), bits in zip(spans.tolist(), packed, strict=True):
            ready._bits[_KINDS[kind], first, stop] = Bits(bits, count)
        return ready
