"""A pool of processes decodes every picture, so that no picture can hang, exhaust or crash us.

Decoders are C code that reads what strangers send. Each `decoder_worker` decodes one picture after
the other, held to a memory and a time limit. A picture that ends its worker is refused, and the
next one gets a new worker. Pixels come back over a socket: half a millisecond for one of 600 x 600.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import Any, NamedTuple

from PIL import Image

from models.errors import MissingPackage, UnreadableImage

DRAWING_S = 8  # of a processor, for a drawing or a page of a PDF

_WORKER = Path(__file__).with_name("decoder_worker.py")
_MOST_WORKERS = 8
_START_S = 60.0  # on a machine that is very busy
_DECODE_S = 60.0  # wall clock; what ends a picture earlier is the worker's limit of processor time
_REQUEST = struct.Struct("!II")  # lengths of the JSON and of the picture's file
_ANSWER = struct.Struct("!II")  # lengths of the JSON and of the pixels
_MOST_JSON = 2**16
_MOST_PIXELS = 2048 * 2048 * 3  # bytes
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}  # small in memory


class _Dead(Exception):
    """The worker has ended."""


class Request(NamedTuple):
    """What a worker is asked; see `decode_image`."""

    name: str
    page: int
    drawing_s: int


class _Worker:
    """One process, and a socket to it; used by one thread at a time."""

    def __init__(self) -> None:
        """Start it, and do not wait until it is ready.

        Raises:
            MissingPackage: this system has no such processes.
        """
        if sys.platform == "win32":
            raise MissingPackage("pictures are decoded on Linux and macOS only: use WSL")
        # A bare file, without site and environment: nothing that the server has is loaded.
        folders = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
        self._socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [sys.executable, "-I", "-S", str(_WORKER), *folders],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                start_new_session=True,  # Ctrl-C is for the parent, whose end ends the workers
            )
        self._is_ready = False

    def decode(self, content: bytes, request: Request) -> Image.Image:
        """Have a picture decoded.

        Raises:
            UnreadableImage: the worker refuses it.
            MissingPackage: the worker does not start, or lacks a package.
            TimeoutError: it does not answer.
            _Dead: the picture has ended it.
        """
        self._wait_until_ready()
        deadline = monotonic() + _DECODE_S
        asked = json.dumps(request._asdict()).encode()
        try:
            self._socket.settimeout(_DECODE_S)
            self._socket.sendall(_REQUEST.pack(len(asked), len(content)) + asked)
            self._socket.sendall(content)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _Dead from error
        said, pixels = self._read_answer(deadline)
        if "unreadable" in said:
            raise UnreadableImage(said["unreadable"])
        if "missing" in said:
            raise MissingPackage(said["missing"])
        image = Image.frombytes("RGB", tuple(said["size"]), pixels)
        image.info = {key: _plain(value) for key, value in said["info"].items()}
        return image

    def end(self) -> None:
        """Kill it and what it is drawing."""
        self.hang_up()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a zombie's group
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def hang_up(self) -> None:
        """Close this process's side of the socket; nobody's being open ends the worker."""
        self._socket.close()

    def _wait_until_ready(self) -> None:
        """Wait for the first answer of a worker, which it gives unasked.

        Raises:
            MissingPackage: none comes.
        """
        if self._is_ready:
            return
        try:
            self._read_answer(monotonic() + _START_S)
        except (_Dead, TimeoutError) as error:
            raise MissingPackage(
                "Pictures cannot be decoded: the process for it does not start; install MarkLens "
                "and its packages again"
            ) from error
        self._is_ready = True

    def _read_answer(self, deadline: float) -> tuple[dict[str, Any], bytearray]:
        said, pixels = _ANSWER.unpack(self._read(_ANSWER.size, deadline))
        if said > _MOST_JSON or pixels > _MOST_PIXELS:
            raise _Dead  # taken over by what it has decoded: no worker answers so
        return json.loads(self._read(said, deadline)), self._read(pixels, deadline)

    def _read(self, number: int, deadline: float) -> bytearray:
        """Read so many bytes; raises _Dead at the end of the stream, TimeoutError past the time."""
        found = bytearray(number)
        rest = memoryview(found)
        while rest:
            self._socket.settimeout(max(deadline - monotonic(), 0.001))
            try:
                some = self._socket.recv_into(rest)
            except ConnectionResetError as error:
                raise _Dead from error
            if not some:
                raise _Dead
            rest = rest[some:]
        return found


class DecoderPool:
    """Workers that are started when needed and then kept, as many as there are processors."""

    def __init__(self) -> None:
        self.size = min(os.cpu_count() or 1, _MOST_WORKERS)
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_in_fork)

    @property
    def count(self) -> int:
        """How many workers there are now."""
        return len(self._workers)

    def decode(self, content: bytes, request: Request) -> Image.Image:
        """Decode a picture; see `decode_image`."""
        try:
            with self._worker() as worker:
                return worker.decode(content, request)
        except (_Dead, TimeoutError) as error:
            raise UnreadableImage(
                f"{request.name}: cannot be decoded, it takes too much time or memory or makes the "
                "decoder fail; open it in a picture editor and export it again"
            ) from error

    def start(self) -> None:
        """Start a worker, so that the first picture does not wait for it."""
        with self._lock:
            if not self._workers:
                worker = _Worker()
                self._workers.add(worker)
                self._idle.append(worker)

    def close(self) -> None:
        """End all workers; the next picture starts others."""
        with self._lock:
            workers = list(self._workers)
            self._workers.clear()
            self._idle.clear()
        for worker in workers:
            worker.end()

    @contextlib.contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """A worker for one picture; unless the picture is merely refused, it is not used again."""
        with self._slots:
            worker = self._next()
            try:
                yield worker
            except UnreadableImage:
                self._put_back(worker)
                raise
            except BaseException:
                with self._lock:
                    self._workers.discard(worker)
                worker.end()
                raise
            self._put_back(worker)

    def _put_back(self, worker: _Worker) -> None:
        with self._lock:
            if worker in self._workers:  # else the pool was closed meanwhile
                self._idle.append(worker)

    def _next(self) -> _Worker:
        """An idle worker that lives, or a new one."""
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.process.poll() is None:
                    return worker
                self._workers.discard(worker)  # killed from outside while it waited
                worker.hang_up()
            worker = _Worker()
            self._workers.add(worker)
            return worker

    def _begin(self) -> None:
        self._slots = BoundedSemaphore(self.size)
        self._lock = Lock()
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []

    def _begin_in_fork(self) -> None:
        """Leave the workers to the process that has forked, and start afresh."""
        for worker in self._workers:
            worker.hang_up()
            worker.process.returncode = 0  # no child of this process
        self._begin()


decoders = DecoderPool()


def decode_image(
    content: bytes, name: str = "image", page: int = 1, drawing_s: int = DRAWING_S
) -> Image.Image:
    """Decode a picture somebody sent, in a process of its own; safe to call from several threads.

    As many are decoded at once as there are processors, 8 at most; further ones wait.

    Args:
        content: the file's bytes; the first frame of an animated one counts.
        name: what to call the picture in errors.
        page: of a TIFF or PDF, counted from 1; `page_count` tells how many there are.
        drawing_s: seconds of a processor that drawing an SVG or PDF may take.

    Returns:
        Mode RGB (sRGB), upright, transparency laid on white (on black for a sign made for a dark
        ground), at most 2048 pixels a side (1024 for an SVG). `full_size` tells what it was.

    Raises:
        UnreadableImage: not a picture, damaged, too small to compare or too large to open, or
            without such a page; the text says which and what to do.
        MissingPackage: this installation cannot decode pictures.
    """
    return decoders.decode(content, Request(name, page, drawing_s))


def _plain(value: Any) -> Any:
    """A value of `Image.info` that JSON has made a list of."""
    return tuple(value) if isinstance(value, list) else value
