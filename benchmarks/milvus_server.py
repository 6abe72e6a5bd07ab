"""A Milvus server for tests and benchmarks: the standalone server that PyPI's `milvus` carries.

Its package needs old versions of others, so it lives in an environment of its own, made once in a
cache folder. The server's process is started here, not by the package, so that it can be killed as
a crash would. Only one runs on a machine at a time: it holds a file of a fixed name.
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

from filelock import FileLock

_PACKAGES = ("milvus==2.3.5", "marshmallow<4", "setuptools<70")
_CACHE = Path.home() / ".cache" / "marklens-tests" / "milvus-2.3.5"
_UP_S = 180.0  # 20 s on a quiet machine
# Chooses free ports, writes the configuration and unpacks the server; prints what starts it.
_PREPARE = """
import sys
from milvus import MilvusServerConfig, _initialize_data_files
folder, cache = sys.argv[1:]
config = MilvusServerConfig(data_dir=folder)
config.set("log.level", "warn")
config.set("dataCoord.segment.minSegmentNumRowsToEnableIndex", "1024")
# A server with one node may look at itself more often: loading a collection takes a third.
config.set("queryCoord.checkInterval", "100")
config.set("queryCoord.distPullInterval", "50")
config.set("proxy.timeTickInterval", "50")
config.resolve()
_initialize_data_files(cache)
print(config.get("proxy_port"))
"""
# The server listens on every address and asks for no password: it gets a network of its own. What
# comes to sockets of 127.0.0.1 outside (numbers of their files, and ports) this hands on to it.
_HAND_ON = """
import asyncio, fcntl, socket, struct, sys

with socket.socket() as one:  # brings up the loopback device
    fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", b"lo", 1))

async def copy(reader, writer):
    try:
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
    finally:  # also where a client was killed
        writer.close()

def taking(port):
    async def take(reader, writer):
        inside, into = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, into), copy(inside, writer), return_exceptions=True)
    return take

async def main():
    for file, port in zip(*2 * [map(int, sys.argv[1:])]):
        await asyncio.start_server(taking(port), sock=socket.socket(fileno=file))
    await asyncio.Event().wait()

asyncio.run(main())
"""
_INSIDE = 'setpriv --pdeathsig KILL "$0" -c "$1" $2 & exec "$3" run standalone'


class NoServer(Exception):
    """The server's package cannot be had."""


class MilvusServer:
    """A server with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Prepare it.

        Raises:
            NoServer: its package cannot be had.
        """
        python = _environment()
        self._folder = folder
        prepared = subprocess.run(  # noqa: S603
            [python, "-c", _PREPARE, folder, _CACHE],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
        )
        self.port = int(prepared.stdout)
        self._health_port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._alone = FileLock(_CACHE / "running")

    @property
    def url(self) -> str:
        """As MARKLENS_INDEX takes it."""
        return f"milvus://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers; other test processes' come first."""
        self._alone.acquire()
        self._health_port = _free_port()
        binaries = _CACHE / "bin"
        environment = {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._health_port),
            "LD_LIBRARY_PATH": str(binaries),
        }
        # No server outlives tests that are killed.
        alone = ("setpriv", "--pdeathsig", "KILL", "unshare", "--map-root-user", "--net")
        with ExitStack() as opened:
            log = opened.enter_context((self._folder / "log").open("ab"))
            outside = {
                opened.enter_context(socket.create_server(("127.0.0.1", port))).fileno(): port
                for port in (self.port, self._health_port)
            }
            handed_on = " ".join(f"{file} {port}" for file, port in outside.items())
            inside = ("sh", "-c", _INSIDE, sys.executable, _HAND_ON, handed_on)
            self._process = subprocess.Popen(  # noqa: S603
                [*alone, *inside, binaries / "milvus"],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment,
                pass_fds=tuple(outside),
            )
        deadline = time.monotonic() + _UP_S
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (self._folder / "log").read_bytes()[-2000:].decode(errors="replace")
                raise RuntimeError(f"the server does not answer: {tail}")
            time.sleep(0.2)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            with suppress(ConnectionRefusedError):  # what hands on to it ends a moment later
                while True:
                    socket.create_connection(("127.0.0.1", self.port)).close()
                    time.sleep(0.05)
        self._alone.release()

    def _is_healthy(self) -> bool:
        address = f"http://127.0.0.1:{self._health_port}/healthz"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return b"OK" in answer.read()
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _environment() -> Path:
    """The Python that has the server's package."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    python = _CACHE / "venv" / "bin" / "python"
    with FileLock(_CACHE / "lock"):
        if (_CACHE / "complete").exists():
            return python
        shutil.rmtree(_CACHE / "venv", ignore_errors=True)
        made = [
            [sys.executable, "-m", "venv", str(_CACHE / "venv")],
            [str(python), "-m", "pip", "install", "-q", "--retries", "1", *_PACKAGES],
        ]
        for command in made:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise NoServer(f"PyPI does not give the Milvus server: {why}")
        (_CACHE / "complete").touch()
    return python
