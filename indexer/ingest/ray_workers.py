"""Workers on many machines: Ray actors that decode pictures and run the network there.

Ray starts processes and carries bytes. Order, batches, transactions and resuming stay where they
are, in `loop` and `pipeline`. A call whose worker dies is made again with another one, and another
worker is started in its place.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from indexer.errors import WorkersLost
from indexer.ingest.ray_worker import Started, Worker
from indexer.ingest.workers import DecodedPicture
from indexer.register.rows import Encoding
from models.encoder import Device, Encoder, RuntimeName
from models.errors import MarkLensError, UnreadableImage
from models.version import marklens_version

logger = logging.getLogger(__name__)

_TRIES = 3  # of a picture's decoding, each with another worker
# Of a batch's encoding: what ends workers is a picture that is decoded beside it.
_BATCH_TRIES = 10
_START_S = 180.0  # for a worker: it loads the network, and reads packages from a slow disk perhaps
_CALL_S = 300.0  # for an answer; a picture is given up by its decoder long before
_GROUP = 16  # pictures in a call, at most: each call costs the driver a millisecond or two
_CALLS = 2  # in each worker: one is decoded, and one is at hand
T = TypeVar("T")
_BATCHES = 2  # in each worker: one is encoded, and one is at hand for it


@dataclass(frozen=True)
class Place:
    """Where a worker runs: a node of the cluster, and what it takes there."""

    node: str
    processors: int
    gpus: int


@dataclass(eq=False)
class _Actor:
    """A worker as the driver knows it."""

    handle: Any
    place: Place
    is_dead: bool = False


@dataclass(frozen=True)
class _RemotePicture:
    """A decoded picture that stays in the cluster, and what it is made of again if it is lost."""

    call: Any  # Ray's reference to all that one call has decoded
    number: int
    content: bytes
    name: str


@dataclass(eq=False)
class _Waiting:
    """A picture to be decoded; `deaths` counts the workers that ended meanwhile."""

    content: bytes
    name: str
    read_words: bool
    answer: "Future[DecodedPicture]"
    deaths: int = 0


class _Died(Exception):
    """The worker that was asked has ended, or does not answer."""


class RayWorkers:
    """See `Workers`; use `open_workers`."""

    def __init__(
        self, ray: Any, encoder: Encoder, load: tuple[Device, RuntimeName], places: list[Place]
    ) -> None:
        """Start a worker in each place.

        Raises:
            WorkersLost: none starts, or one has another network or version than this process.
        """
        self._ray = ray
        self.fingerprint = encoder.fingerprint
        self._load = (encoder.checkpoint.folder, *load)
        self._gone = (
            ray.exceptions.RayActorError,
            ray.exceptions.GetTimeoutError,
            ray.exceptions.OutOfMemoryError,
        )
        self._to_decode: SimpleQueue[_Actor] = SimpleQueue()
        self._to_encode: SimpleQueue[_Actor] = SimpleQueue()
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock, self._alone = threading.Lock(), threading.Lock()
        self._apart: _Actor | None = None  # decodes one picture at a time
        self._is_closed = False
        self._threads = 0
        self._actors: list[_Actor] = []
        try:
            self._begin(places)
        except BaseException:
            self.close()
            raise
        self._threads = _CALLS * len(self._actors)
        self.decoding = _GROUP * self._threads
        self.encoding = _BATCHES * len(self._actors)
        for _ in range(self._threads):
            threading.Thread(target=self._decode_groups, daemon=True).start()

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            self._is_closed = True
            actors, self._actors = self._actors, []
        if self._apart is not None:
            actors.append(self._apart)
        for actor in actors:
            self._kill(actor)
        for _ in range(self._threads):
            self._waiting.put(None)

    def decode(self, content: bytes, name: str, *, read_words: bool) -> DecodedPicture:
        """See `Workers`; a picture that ends every worker that decodes it is unreadable.

        Raises:
            WorkersLost: no worker is left.
        """
        return self._ask(content, name, read_words=read_words).result()

    def encode(self, pictures: Sequence[_RemotePicture]) -> list[Encoding]:
        """See `Workers`.

        Raises:
            WorkersLost: no worker is left, or this batch has ended several.
        """
        if not pictures:
            return []
        for _ in range(_BATCH_TRIES):
            try:
                return self._asked(self._to_encode, partial(self._encoded, pictures))
            except _Died:
                continue
            except self._ray.exceptions.ObjectLostError:  # with the machine that decoded some
                again = [self._ask(one.content, one.name, read_words=False) for one in pictures]
                pictures = [one.result().picture for one in again]
        raise WorkersLost(
            f"{_BATCH_TRIES} workers ended while they encoded one batch; see Ray's logs there, and "
            "go on with --resume"
        )

    def _ask(self, content: bytes, name: str, *, read_words: bool) -> "Future[DecodedPicture]":
        asked = _Waiting(content, name, read_words, Future())
        self._waiting.put(asked)
        return asked.answer

    def _decode_groups(self) -> None:
        """Decode what waits, as many pictures in a call as wait at the moment: a thread's work."""
        while (first := self._waiting.get()) is not None:
            group = [first]
            with suppress(Empty):
                while len(group) < _GROUP:
                    if (one := self._waiting.get_nowait()) is None:
                        self._waiting.put(None)  # for this thread, once the group is done
                        break
                    group.append(one)
            try:
                self._decode_group(group)
            except Exception as error:  # noqa: BLE001 - whoever waits for the pictures is told
                for one in group:
                    if not one.answer.done():
                        one.answer.set_exception(error)

    def _decode_group(self, group: Sequence[_Waiting]) -> None:
        try:
            found = self._asked(self._to_decode, partial(self._decoded, group))
        except _Died:
            for one in group:
                one.deaths += 1
                if one.deaths < _TRIES - 1:
                    self._waiting.put(one)
                else:
                    self._decode_alone(one)
            return
        for one, decoded in zip(group, found, strict=True):
            if isinstance(decoded, MarkLensError):
                one.answer.set_exception(decoded)
            else:
                one.answer.set_result(decoded)

    def _decode_alone(self, one: _Waiting) -> None:
        """Find out whether it is this picture that ends workers, or another one beside it."""
        with self._alone:
            apart = self._living_apart()
            try:
                (decoded,) = self._decoded([one], apart)
            except self._gone:
                self._kill(apart)
                self._apart = None
                decoded = UnreadableImage(
                    f"{one.name}: ended each of {_TRIES} workers that decoded it, the last one "
                    "alone; open it in a picture editor and export it again"
                )
        if isinstance(decoded, MarkLensError):
            one.answer.set_exception(decoded)
        else:
            one.answer.set_result(decoded)

    def _decoded(
        self, group: Sequence[_Waiting], actor: _Actor
    ) -> list[DecodedPicture | MarkLensError]:
        call = actor.handle.decode.options(num_returns=2)
        said, pictures = call.remote([(one.content, one.name, one.read_words) for one in group])
        return [
            found
            if isinstance(found, MarkLensError)
            else replace(found, picture=_RemotePicture(pictures, number, one.content, one.name))
            for number, (one, found) in enumerate(
                zip(group, self._ray.get(said, timeout=_CALL_S), strict=True)
            )
        ]

    def _encoded(self, pictures: Sequence[_RemotePicture], actor: _Actor) -> list[Encoding]:
        calls = list(dict.fromkeys(one.call for one in pictures))
        batch = [(calls.index(one.call), one.number) for one in pictures]
        encodings: list[Encoding] = self._ray.get(
            actor.handle.encode.remote(batch, *calls), timeout=_CALL_S
        )
        return encodings

    def _asked(self, queue: "SimpleQueue[_Actor]", ask: Callable[[_Actor], T]) -> T:
        """Ask the next idle worker.

        Raises:
            _Died: it has ended; another one is started.
            WorkersLost: no worker becomes idle.
        """
        actor = self._idle(queue)
        try:
            answer = ask(actor)
        except self._gone as error:
            self._replace(actor, error)
            raise _Died from error
        except ConnectionError as error:
            queue.put(actor)  # so that whoever asks next is told at once
            raise WorkersLost(
                f"the connection to Ray is lost ({error}); go on with --resume"
            ) from error
        except BaseException:
            queue.put(actor)
            raise
        queue.put(actor)
        return answer

    def _idle(self, queue: "SimpleQueue[_Actor]") -> _Actor:
        deadline = time.monotonic() + _START_S + _CALL_S
        while self._actors and time.monotonic() < deadline:
            with suppress(Empty):
                actor = queue.get(timeout=1)
                if not actor.is_dead:
                    return actor
        raise WorkersLost("no worker is left; see Ray's logs, and go on with --resume")

    def _begin(self, places: list[Place]) -> None:
        starting = [(place, *self._start(place)) for place in places]
        deadline = time.monotonic() + _START_S
        reasons, ray_error = [], self._ray.exceptions.RayError
        for place, handle, started in starting:
            actor = _Actor(handle, place)
            self._actors.append(actor)
            try:
                self._check(started, deadline - time.monotonic())
            except ray_error as error:
                reasons.append(f"{error}")
                logger.warning("a worker does not start: %s", error)
                self._actors.remove(actor)
                self._kill(actor)
                continue
            self._offer(actor)
        if not self._actors:
            raise WorkersLost(f"no worker has started in {_START_S:.0f} s: {'; '.join(reasons)}")

    def _start(self, place: Place, *, apart: bool = False) -> tuple[Any, Any]:
        """Begin to start a worker: its handle, and what it will say of itself."""
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        remote = self._ray.remote(Worker).options(
            num_cpus=0 if apart else place.processors,
            num_gpus=0 if apart else place.gpus,
            max_concurrency=_CALLS + _BATCHES,
            scheduling_strategy=strategy(place.node, soft=apart),
        )
        handle = remote.remote()
        return handle, handle.start.remote(*self._load)

    def _check(self, started: Any, patience_s: float) -> None:
        """Refuse a worker that would give other embeddings than this process."""
        said: Started = self._ray.get(started, timeout=max(patience_s, 1))
        if said.fingerprint is None:
            raise WorkersLost(f"the worker on {said.host} has no network: {said.note}")
        version = marklens_version()
        if (said.fingerprint, said.version) != (self.fingerprint, version):
            raise WorkersLost(
                f"the worker on {said.host} has another network or version of MarkLens "
                f"({said.version}, {said.fingerprint[:12]}) than this machine ({version}, "
                f"{self.fingerprint[:12]}): install the same there, with the same weights at "
                f"{self._load[0]}"
            )
        logger.info("a worker on %s, %s", said.host, said.note)

    def _offer(self, actor: _Actor) -> None:
        for _ in range(_CALLS):
            self._to_decode.put(actor)
        for _ in range(_BATCHES):
            self._to_encode.put(actor)

    def _replace(self, actor: _Actor, error: Exception) -> None:
        """Start another worker in the place of one that has ended; the first who notices does."""
        with self._lock:
            if actor.is_dead or self._is_closed:
                return
            actor.is_dead = True
        logger.warning("a worker has ended, another is started: %s", str(error).splitlines()[0])
        threading.Thread(target=self._start_again, args=(actor,), daemon=True).start()

    def _start_again(self, dead: _Actor) -> None:
        self._kill(dead)
        try:
            handle, started = self._start(dead.place)
            actor = _Actor(handle, dead.place)
            self._check(started, _START_S)
        except (self._ray.exceptions.RayError, MarkLensError, ConnectionError) as error:
            logger.warning("no worker in its place: %s", error)
            with self._lock, suppress(ValueError):
                self._actors.remove(dead)
            return
        with self._lock:
            is_late = self._is_closed
            if not is_late:
                self._actors[self._actors.index(dead)] = actor
        if is_late:
            self._kill(actor)
        else:
            self._offer(actor)

    def _living_apart(self) -> _Actor:
        """The worker for pictures that are decoded one at a time; a new one if it has ended."""
        if self._apart is not None:
            try:
                self._decoded([], self._apart)
            except self._gone:
                self._kill(self._apart)
            else:
                return self._apart
        self._apart = self._start_apart()
        return self._apart

    def _start_apart(self) -> _Actor:
        """A worker for pictures that are decoded one at a time."""
        for actor in list(self._actors):
            handle, started = self._start(actor.place, apart=True)
            try:
                self._check(started, _START_S)
            except self._ray.exceptions.RayError as error:
                logger.warning("no worker for single pictures: %s", error)
                continue
            return _Actor(handle, actor.place)
        raise WorkersLost("no worker is left; see Ray's logs, and go on with --resume")

    def _kill(self, actor: _Actor) -> None:
        with suppress(*self._gone, ConnectionError, ValueError):
            self._ray.kill(actor.handle)
