"""Batches of the bulk loop: one thread encodes them, one commits them, in order.

Reading and decoding run ahead in other threads, so the network has its next batch at hand the
moment it is done with one, and never waits for a commit.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from indexer.ingest.encoding import Encoding, PreparedMark, run_network, with_encoding
from indexer.ingest.retry import Retry
from indexer.marks import EncodedMark, RunPosition
from indexer.register import Register
from models.encoder import Encoder
from models.errors import MarkLensError

_UNDER_WAY = 3  # batches: one is encoded, one committed, one waits for the network
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


class Pipeline:
    """Encodes and commits batches in the order they are handed over.

    Once a batch fails none after it is committed: a run's position must not step over a hole.

    Attributes:
        committed: the position of the last batch in the register; None before the first.
        encoded: pictures the network has seen.
        encoding_s: how long it computed, seconds.
    """

    def __init__(self, register: Register, encoder: Encoder, retry: Retry) -> None:
        self._register, self._encoder, self._retry = register, encoder, retry
        self._encode = ThreadPoolExecutor(1, "marklens-encode")
        self._write = ThreadPoolExecutor(1, "marklens-write")
        self._under_way: deque[tuple[set[str], Future[None]]] = deque()
        self._remembered: OrderedDict[str, Encoding] = OrderedDict()
        self._has_failed = self._is_abandoned = False
        self.committed: RunPosition | None = None
        self.encoded = 0
        self.encoding_s = 0.0

    def hand_over(self, batch: Batch) -> None:
        """Have a batch encoded and committed; waits while three are under way.

        Raises:
            DatabaseUnavailable: it, or a batch before it, could not be read or written.
        """
        while len(self._under_way) >= _UNDER_WAY:
            self._under_way.popleft()[1].result()
        digests = {one.mark.pixels_digest for one in batch.marks if one.mark.pixels_digest}
        known = (
            self._retry.until_done(lambda: self._register.encodings(sorted(digests)))
            if digests
            else {}
        )
        encoding = self._encode.submit(self._encoded, batch.marks, known)
        writing = self._write.submit(self._committed, batch, encoding)
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

    def _encoded(
        self, marks: Sequence[PreparedMark], known: Mapping[str, Encoding]
    ) -> list[EncodedMark] | None:
        """Encode a batch, in the encoding thread: the network runs once for each new picture.

        Returns:
            None if the batch is abandoned.
        """
        if self._is_abandoned:
            return None
        held = {**known, **self._recall(marks)}
        fresh = {
            one.mark.pixels_digest: one.picture
            for one in marks
            if one.picture is not None and one.mark.pixels_digest not in held
        }
        begun = time.monotonic()
        seen = run_network(self._encoder, fresh)
        self.encoding_s += time.monotonic() - begun
        self.encoded += len(fresh)
        self._remembered.update(seen)
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return [with_encoding(one, {**held, **seen}) for one in marks]

    def _recall(self, marks: Sequence[PreparedMark]) -> dict[str, Encoding]:
        """Encodings of recent batches that the register did not hold when it was asked."""
        digests = {one.mark.pixels_digest or "" for one in marks}
        return {one: self._remembered[one] for one in digests if one in self._remembered}

    def _committed(self, batch: Batch, encoding: "Future[list[EncodedMark] | None]") -> None:
        """Commit an encoded batch, in the writing thread."""
        if self._has_failed:
            return  # whoever waits for the batch that failed is told
        try:
            marks = encoding.result()
            if marks is None:
                return  # none after it is encoded either
            # Written twice, where only the answer was lost, a batch changes nothing but numbers.
            self._retry.until_done(
                lambda: self._register.add(marks, batch.position, batch.withdrawn)
            )
        except BaseException:
            self._has_failed = True
            raise
        self.committed = batch.position
