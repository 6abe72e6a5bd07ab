"""Rows that filters found of late, as bits: those that are asked for again stay."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

import numpy as np
from numpy.typing import NDArray


class RecentRows:
    """The answers to the questions asked last, an eighth of a byte a row; for any threads."""

    def __init__(self, most: int) -> None:
        """Remember at most so many answers."""
        self._most = most
        self._held: OrderedDict[Hashable, tuple[int, NDArray[np.uint8]]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """Count the answers."""
        return len(self._held)

    def get(self, asked: Hashable) -> NDArray[np.bool_] | None:
        """The rows that answer a question, an array of the caller's own; None if forgotten."""
        with self._lock:
            if asked not in self._held:
                return None
            self._held.move_to_end(asked)
            count, bits = self._held[asked]
        return np.unpackbits(bits, count=count).view(np.bool_)

    def put(self, asked: Hashable, rows: NDArray[np.bool_]) -> None:
        """Remember (n,) bool rows; what was asked for longest ago is forgotten for it."""
        bits = np.packbits(rows)
        with self._lock:
            self._held[asked] = len(rows), bits
            self._held.move_to_end(asked)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
