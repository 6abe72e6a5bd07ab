"""Batches of the bulk loop: workers encode them, one thread commits them, in order.

Reading and decoding run ahead in other threads, so each network has its next batch at hand the
moment it is done with one, and never waits for a commit.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from indexer.errors import ChangedMeanwhile
from indexer.ingest.encoding import PreparedMark, pictures_of, run_network, with_encoding
from indexer.ingest.retry import Retry
from indexer.ingest.workers import Workers
from indexer.register import Register
from indexer.register.rows import Encoding
from indexer.runs import RunPosition
from models.errors import MarkLensError

_MORE_UNDER_WAY = 2  # batches than are encoded: one is committed, one waits for the network
_REMEMBERED = 4096  # pictures whose encoding is kept at hand: some 2 KB each


@dataclass(frozen=True)
class Batch:
    """What one transaction writes.

    Attributes:
        marks: to write.
        withdrawn: ids of marks to delete.
        position: what the run has reached with them.
    """

    marks: Sequence[PreparedMark]
    withdrawn: Sequence[str]
    position: RunPosition

    @property
    def ids(self) -> set[str]:
        """The marks it writes or deletes."""
        return {one.mark.record.id for one in self.marks} | set(self.withdrawn)


@dataclass(frozen=True)
class _Seen:
    """What the network said of the new pictures of a batch, by digest, and how long it took."""

    encodings: Mapping[str, Encoding]
    seconds: float


class Pipeline:
    """Encodes batches and commits them in the order they are handed over.

    Once a batch fails or is abandoned none after it is committed: a run's position must not step
    over a hole.

    Attributes:
        committed: the position of the last batch in the register; None before the first.
        encoded: pictures the network has seen.
        encoding_s: how long it computed, seconds; of several workers the mean.
    """

    def __init__(self, register: Register, workers: Workers, retry: Retry) -> None:
        self._register, self._workers, self._retry = register, workers, retry
        self._encode = ThreadPoolExecutor(workers.encoding, "marklens-encode")
        self._write = ThreadPoolExecutor(1, "marklens-write")
        self._under_way: deque[tuple[set[str], Future[None]]] = deque()
        # Pictures of recent batches, which the register may not hold yet: digest to what encodes.
        self._recent: OrderedDict[str, Future[_Seen | None]] = OrderedDict()
        self._has_ended = self._is_abandoned = False
        self.committed: RunPosition | None = None
        self.encoded = 0
        self.encoding_s = 0.0

    def hand_over(self, batch: Batch) -> None:
        """Have a batch encoded and committed; waits while as many as may be are under way.

        Raises:
            DatabaseUnavailable: it, or a batch before it, could not be read or written.
        """
        while len(self._under_way) >= self._workers.encoding + _MORE_UNDER_WAY:
            self._under_way.popleft()[1].result()
        pictures = pictures_of(batch.marks)
        known = self._known(pictures)
        recent = {one: self._recent[one] for one in pictures if one in self._recent}
        fresh = {
            digest: picture
            for digest, picture in pictures.items()
            if digest not in known and digest not in recent
        }
        encoding = self._encode.submit(self._seen, fresh)
        self._recent.update(dict.fromkeys(fresh, encoding))
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        writing = self._write.submit(self._committed, batch, known, encoding, recent)
        self._under_way.append((batch.ids, writing))

    @property
    def ids_under_way(self) -> set[str]:
        """Marks of batches that are handed over and perhaps not committed yet."""
        return set[str]().union(*(ids for ids, _ in self._under_way))

    def abandon(self) -> None:
        """Leave batches whose encoding has not begun, and those after them, to another run."""
        self._is_abandoned = True

    def drain(self) -> None:
        """Wait until all that was handed over is committed, or abandoned.

        Raises:
            DatabaseUnavailable: something could not be written.
        """
        while self._under_way:
            self._under_way.popleft()[1].result()

    def close(self) -> None:
        """Finish what is under way, as far as it can be, and end the threads."""
        with suppress(MarkLensError):  # whoever closes after a failure has been told of it
            self.drain()
        self._encode.shutdown()
        self._write.shutdown()

    def _seen(self, pictures: Mapping[str, Any]) -> _Seen | None:
        """Encode the new pictures of a batch; None if it is abandoned."""
        if self._is_abandoned:
            return None
        begun = time.monotonic()
        encodings = run_network(self._workers, pictures)
        return _Seen(encodings, time.monotonic() - begun)

    def _committed(
        self,
        batch: Batch,
        known: Mapping[str, Encoding],
        encoding: "Future[_Seen | None]",
        recent: "Mapping[str, Future[_Seen | None]]",
    ) -> None:
        """Commit a batch once it is encoded, in the writing thread.

        Args:
            batch: to commit.
            known: encodings that the register holds.
            encoding: of its new pictures.
            recent: those of pictures that batches before it brought, which are encoded by now.
        """
        if self._has_ended:
            return  # whoever waits for a batch that failed is told
        try:
            seen = encoding.result()
            if seen is None:
                self._has_ended = True  # one after it may have been encoded beside it
                return
            self.encoded += len(seen.encodings)
            self.encoding_s += seen.seconds / self._workers.encoding
            held = {**known, **seen.encodings}
            for digest, before in recent.items():
                if (found := before.result()) is not None:
                    held[digest] = found.encodings[digest]
            self._write_batch(batch, held)
        except BaseException:
            self._has_ended = True
            raise
        self.committed = batch.position

    def _write_batch(self, batch: Batch, encodings: Mapping[str, Encoding]) -> None:
        """Write a batch; marks that somebody else has written since are filled from that first."""
        prepared = {one.mark.record.id: one for one in batch.marks}
        while True:
            marks = [with_encoding(one, encodings) for one in prepared.values()]
            fillings = {key: one.filling for key, one in prepared.items() if one.filling}
            seen = {mark_id: filling.sequence for mark_id, filling in fillings.items()}
            add = partial(self._register.add, marks, batch.position, batch.withdrawn, seen=seen)
            try:
                # Written twice, where only the answer was lost, a batch changes but numbers.
                self._retry.until_done(add)
            except ChangedMeanwhile as error:
                again = {mark_id: fillings[mark_id].again() for mark_id in error.ids}
            else:
                return
            filled = {key: one for key, one in again.items() if one is not None}
            prepared = {key: one for key, one in prepared.items() if key not in again} | filled
            encodings = {**encodings, **self._encodings(pictures_of(list(filled.values())))}

    def _encodings(self, pictures: Mapping[str, Any]) -> dict[str, Encoding]:
        """What the network says of pictures that marks have got meanwhile."""
        known = self._known(pictures)
        fresh = {digest: one for digest, one in pictures.items() if digest not in known}
        self.encoded += len(fresh)
        return known | run_network(self._workers, fresh)

    def _known(self, pictures: Mapping[str, Any]) -> dict[str, Encoding]:
        """What the register holds of some pictures."""
        if not pictures:
            return {}
        return self._retry.until_done(lambda: self._register.encodings(sorted(pictures)))
