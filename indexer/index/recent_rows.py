"""Rows that filters found of late, as bits: those that are asked for again stay."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock

from indexer.index.passing import Bits


class RecentRows:
    """The answers to the questions asked last, an eighth of a byte a row; for any threads."""

    def __init__(self, most: int) -> None:
        """Remember at most so many answers."""
        self._most = most
        self._held: OrderedDict[Hashable, Bits] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """Count the answers."""
        return len(self._held)

    def get(self, asked: Hashable) -> Bits | None:
        """The rows that answer a question; None if forgotten."""
        with self._lock:
            if asked not in self._held:
                return None
            self._held.move_to_end(asked)
            return self._held[asked]

    def put(self, asked: Hashable, rows: Bits) -> None:
        """Remember rows; what was asked for longest ago is forgotten for it."""
        with self._lock:
            self._held[asked] = rows
            self._held.move_to_end(asked)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
