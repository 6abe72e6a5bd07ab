"""What runs on a worker's machine: the same as in one process, behind Ray's calls."""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from indexer.ingest.workers import DecodedPicture, LocalWorkers
from indexer.register.rows import Encoding
from models.encoder import Device, Encoder, Prepared, RuntimeName
from models.errors import MarkLensError
from models.version import marklens_version


@dataclass(frozen=True)
class Started:
    """What a worker says of itself: its machine, and its network or why there is none."""

    host: str
    version: str
    fingerprint: str | None
    note: str


class Worker:
    """An actor of Ray; `RayWorkers` calls it."""

    def start(self, checkpoint: Path, device: Device, runtime: RuntimeName) -> Started:
        """Load the network; returns what the driver compares with its own."""
        try:
            encoder = Encoder.load(checkpoint, device, runtime)
        except MarkLensError as error:
            return Started(socket.gethostname(), marklens_version(), None, str(error))
        self._here = LocalWorkers(encoder)
        self._threads = ThreadPoolExecutor(self._here.decoding, "marklens-decode")
        self._network = threading.Lock()
        return Started(
            socket.gethostname(), marklens_version(), encoder.fingerprint, encoder.device
        )

    def decode(
        self, asked: Sequence[tuple[bytes, str, bool]]
    ) -> tuple[list[DecodedPicture | MarkLensError], list[Prepared | None]]:
        """Decode some pictures; what is for the network comes apart: it stays in the cluster."""
        found = list(self._threads.map(self._decoded, asked))
        said = [
            one if isinstance(one, MarkLensError) else replace(one, picture=None) for one in found
        ]
        return said, [None if isinstance(one, MarkLensError) else one.picture for one in found]

    def _decoded(self, asked: tuple[bytes, str, bool]) -> DecodedPicture | MarkLensError:
        content, name, read_words = asked
        try:
            return self._here.decode(content, name, read_words=read_words)
        except MarkLensError as error:
            return error

    def encode(
        self, batch: Sequence[tuple[int, int]], *decoded: Sequence[Prepared]
    ) -> list[Encoding]:
        """Run the network on a batch; the next one is fetched meanwhile.

        Args:
            batch: of each picture, which of the calls decoded it, and its number there.
            decoded: by those calls.
        """
        pictures = [decoded[call][number] for call, number in batch]
        with self._network:
            return self._here.encode(pictures)
