"""A pool keeps a few `svg_worker` processes, so that a drawing does not wait for one to start.

Pages of PDFs are drawn by them, too.

A worker forks a child for each drawing: limits are a child's own, and nothing of a drawing is left
for the next one. A worker that dies or does not answer is replaced.
"""

import atexit
import contextlib
import importlib.util
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import BoundedSemaphore, Lock
from time import monotonic

from models.errors import MissingPackage

# What a worker answers, beside a PNG, a reason, or nothing; the same numbers stand in svg_worker.
DRAWN, REFUSED, FAILED, READY = range(4)

_PACKAGES = (
    "resvg_py",
    "tinycss2",
    "webencodings",
    "coloraide",
    "pypdfium2",
    "PIL",
)  # that a worker imports
_WORKER = Path(__file__).with_name("svg_worker.py")
_MOST_WORKERS = 8
_START_S = 30.0  # on a machine that is very busy
_GRACE_S = 5.0  # beyond a drawing's time, within which the worker itself ends it and says so
_HEADER = struct.Struct("!BI")  # status, bytes that follow
_REQUEST = struct.Struct("!dII")  # seconds, page (0 of an SVG), bytes that follow


class _Dead(Exception):
    """The worker has ended: killed from outside, since no drawing reaches it."""


class _Worker:
    """One process, and a socket to it; used by one thread at a time."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            MissingPackage: it does not start.
        """
        command = _command()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env={},
                start_new_session=True,  # Ctrl-C is for the parent, whose end ends the workers
            )
        try:
            self._read_answer(monotonic() + _START_S)
        except (_Dead, TimeoutError) as error:
            self.end()
            raise MissingPackage(
                "SVGs and PDFs cannot be drawn: the process for them does not start; install "
                "MarkLens and its packages again, or export the drawing as PNG"
            ) from error

    def draw(self, document: bytes, timeout_s: float, page: int) -> tuple[int, bytes]:
        """Have a document drawn; see :meth:`SvgPool.draw`.

        Raises:
            TimeoutError: it does not answer.
        """
        deadline = monotonic() + timeout_s + _GRACE_S
        try:
            self._socket.settimeout(timeout_s + _GRACE_S)
            self._socket.sendall(_REQUEST.pack(timeout_s, page, len(document)) + document)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _Dead from error
        return self._read_answer(deadline)

    def end(self) -> None:
        """Kill it and what it is drawing."""
        self.hang_up()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a zombie's group
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def hang_up(self) -> None:
        """Close this process's side of the socket; nobody's being open ends the worker."""
        self._socket.close()

    def _read_answer(self, deadline: float) -> tuple[int, bytes]:
        status, length = _HEADER.unpack(self._read(_HEADER.size, deadline))
        return status, self._read(length, deadline)

    def _read(self, number: int, deadline: float) -> bytes:
        """Read so many bytes; raises _Dead at the end of the stream, TimeoutError past the time."""
        found = bytearray()
        while len(found) < number:
            self._socket.settimeout(max(deadline - monotonic(), 0.001))
            try:
                some = self._socket.recv(number - len(found))
            except ConnectionResetError as error:
                raise _Dead from error
            if not some:
                raise _Dead
            found += some
        return bytes(found)


class SvgPool:
    """Workers that are started when needed and then kept, as many as there are processors."""

    def __init__(self) -> None:
        self._begin()
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_in_fork)

    def draw(self, document: bytes, timeout_s: float, page: int = 0) -> tuple[int, bytes]:
        """Draw a document.

        Args:
            document: an SVG in any encoding that XML allows, or a PDF.
            timeout_s: wall-clock seconds after which it is given up.
            page: of a PDF, counted from 1; 0 of an SVG.

        Returns:
            DRAWN and a PNG (of a PDF as `pdf_page` gives it), REFUSED and one sentence, or FAILED
            and nothing: it reached a limit, or the renderer crashed.

        Raises:
            MissingPackage: no worker can be started here.
        """
        for _ in range(2):
            try:
                with self._worker() as worker:
                    return worker.draw(document, timeout_s, page)
            except _Dead:
                continue  # killed while it waited for work, say
            except TimeoutError:
                break
        return FAILED, b""

    def close(self) -> None:
        """End all workers; the next drawing starts others."""
        with self._lock:
            workers = list(self._workers)
            self._workers.clear()
            self._idle.clear()
        for worker in workers:
            worker.end()

    @contextlib.contextmanager
    def _worker(self) -> Iterator[_Worker]:
        """A worker for one drawing; after any failure it is not used again."""
        with self._slots:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                worker = _Worker()
                with self._lock:
                    self._workers.add(worker)
            try:
                yield worker
            except BaseException:
                with self._lock:
                    self._workers.discard(worker)
                worker.end()
                raise
            with self._lock:
                if worker in self._workers:  # else the pool was closed meanwhile
                    self._idle.append(worker)

    def _begin(self) -> None:
        self._slots = BoundedSemaphore(min(os.cpu_count() or 1, _MOST_WORKERS))
        self._lock = Lock()
        self._workers: set[_Worker] = set()
        self._idle: list[_Worker] = []

    def _begin_in_fork(self) -> None:
        """Leave the workers to the process that has forked, and start afresh."""
        for worker in self._workers:
            worker.hang_up()
            worker.process.returncode = 0  # no child of this process
        self._begin()


@cache
def drawing_pool() -> SvgPool:
    """The pool of this process."""
    return SvgPool()


def _command() -> list[str]:
    """Run the worker as a bare file: no package import, no site, no environment, a fast start.

    Raises:
        MissingPackage: the system has no `fork` and no resource limits.
    """
    if sys.platform == "win32":
        raise MissingPackage(
            "SVGs and PDFs are drawn on Linux and macOS only: export the drawing as PNG"
        )
    specs = [importlib.util.find_spec(package) for package in _PACKAGES]
    folders = {str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin}
    return [sys.executable, "-I", "-S", str(_WORKER), *sorted(folders)]
