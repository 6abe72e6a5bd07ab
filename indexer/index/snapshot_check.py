"""Compares a snapshot on disk with the register, some hundreds of marks at a time.

Only sequences, owners of parts and the bits of live rows are held in memory, 17 bytes a mark;
vectors are read as they are compared. Columns of filters are not compared, only their checksum.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from indexer.damage import Fault
from indexer.errors import SnapshotDamaged
from indexer.index.vectors.snapshot import SnapshotFacts, SnapshotStore

_KIND = "snapshot-differs"


class HeldMark(NamedTuple):
    """A mark as the register has it.

    Attributes:
        id: of the mark.
        number: that it keeps.
        sequence: of its last change.
        vectors: (v, d) float16; None without embedding.
    """

    id: str
    number: int
    sequence: int
    vectors: NDArray[np.float16] | None


class SnapshotCheck:
    """A snapshot that is compared with the register."""

    def __init__(self, facts: SnapshotFacts, segments: Sequence["_Segment"]) -> None:
        self.facts = facts
        self._segments = segments

    @property
    def live(self) -> int:
        """How many marks the snapshot holds."""
        return sum(segment.live for segment in self._segments)

    @classmethod
    def open(cls, folder: Path) -> "SnapshotCheck | None":
        """Check every byte of the snapshot in a folder; None if there is none.

        A server may save another meanwhile: then that is taken. This one's files stay open.

        Raises:
            SnapshotDamaged: it cannot be believed.
        """
        found = SnapshotStore(folder).checked(_open_segment)
        return None if found is None else cls(*found)

    def faults_of(
        self,
        span: tuple[int, int],
        marks: Sequence[HeldMark],
        sequences_now: Callable[[Sequence[int]], Mapping[int, int]],
    ) -> Iterator[Fault]:
        """Where the snapshot holds others than the live marks whose sequences are in a span.

        Args:
            span: sequences above the first and up to the second.
            marks: of the register, all of them.
            sequences_now: of marks by their numbers, withdrawn ones too.
        """
        after, upto = span[0], min(span[1], self.facts.sequence)
        saved: dict[int, tuple[int, NDArray[np.float16] | None]] = {}
        for segment in self._segments:
            saved |= segment.between(after, upto)
        for mark in marks:
            if mark.sequence > self.facts.sequence:
                continue
            found = saved.pop(mark.number, None)
            if found is None:
                yield Fault(_KIND, mark.id, "the snapshot lacks it")
            elif found[0] != mark.sequence or not _same(found[1], mark.vectors):
                yield Fault(_KIND, mark.id, "the snapshot has another embedding")
        now = sequences_now(list(saved)) if saved else {}
        for number in saved:
            if now.get(number, 0) <= self.facts.sequence:
                yield Fault(_KIND, f"number {number}", "the snapshot has a mark that is gone")


class _Segment:
    """One segment of a snapshot, its vectors still on the disk."""

    def __init__(self, fixed: Path, changing: Path) -> None:
        self._file = cast(Any, safe_open(fixed, framework="np"))
        names = set(self._file.keys())
        self._numbers: NDArray[np.int64] = self._file.get_tensor("numbers")
        self._sequences: NDArray[np.int64] = self._file.get_tensor("sequences")
        self._owners: NDArray[np.int64] = self._file.get_tensor("parts_owners")
        self._has_vectors = "no_vectors" not in names
        self._has_parts = "parts_vectors" in names
        with safe_open(changing, framework="np") as file:
            self._alive: NDArray[np.bool_] = file.get_tensor("alive").astype(bool)
        if not len(self._numbers) == len(self._sequences) == len(self._alive):
            raise ValueError("columns of a segment differ in length")

    @property
    def live(self) -> int:
        """How many of its rows are live."""
        return int(self._alive.sum())

    def between(self, after: int, upto: int) -> dict[int, tuple[int, NDArray[np.float16] | None]]:
        """Sequence and vectors of the live rows of a span of sequences, by the mark's number."""
        first, end = np.searchsorted(self._sequences, [after, upto], "right").tolist()
        if first >= end:
            return {}
        wholes = self._vectors("vectors", first, end) if self._has_vectors else None
        start, stop = np.searchsorted(self._owners, [first, end]).tolist()
        parts = self._vectors("parts_vectors", start, stop) if self._has_parts else None
        owners = self._owners[start:stop]
        found = {}
        for row in (first + np.flatnonzero(self._alive[first:end])).tolist():
            vectors = None if wholes is None else wholes[row - first : row - first + 1]
            if vectors is not None and parts is not None:
                vectors = np.concatenate([vectors, parts[owners == row]])
            found[int(self._numbers[row])] = (int(self._sequences[row]), vectors)
        return found

    def _vectors(self, name: str, first: int, end: int) -> NDArray[np.float16]:
        vectors: NDArray[np.float16] = self._file.get_slice(name)[first:end]
        return vectors


def _open_segment(fixed: Path, changing: Path) -> _Segment:
    try:
        return _Segment(fixed, changing)
    except (OSError, SafetensorError, ValueError) as error:
        raise SnapshotDamaged(f"{fixed} does not fit together: {error}") from error


def _same(one: NDArray[np.float16] | None, other: NDArray[np.float16] | None) -> bool:
    """Whether two embeddings are the same, bit by bit."""
    if one is None or other is None:
        return one is other
    return one.shape == other.shape and one.tobytes() == other.tobytes()
