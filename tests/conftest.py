"""Fixtures every room's tests share: a tiny real network, pictures drawn on the spot, databases."""

import getpass
import io
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import psycopg
import pytest
import torch
import uvicorn
from PIL import Image, ImageDraw

from benchmarks.small_network import save_small_network
from indexer.register import Register
from models.encoder import Encoder
from models.network.checkpoint import Checkpoint, add_places, save_checkpoint
from models.network.marknet import MarkNet
from models.network.parts import Parts
from models.network.places import PlaceCoder
from models.network.preprocess import Preprocess
from search_api.app import create_app
from search_api.http.connections import server_config
from search_api.marklens import MarkLens
from search_api.settings import Settings


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of the real code and depth, one sixteenth as wide, random weights."""
    folder = tmp_path_factory.mktemp("tiny-network")
    save_small_network(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint_with_places(
    tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny network that also gives places."""
    folder = tmp_path_factory.mktemp("network") / "with-places"
    shutil.copytree(tiny_checkpoint, folder)
    pixels = np.random.default_rng(7).integers(0, 256, (40, 64, 64, 3), np.uint8)
    with torch.inference_mode():
        lower = Checkpoint.open(folder).load_network().forward_lower(torch.from_numpy(pixels))
    add_places(folder, PlaceCoder.fit(lower.maps.numpy(), pixels, numbers=16))
    return folder


@pytest.fixture(scope="session")
def checkpoint_with_parts(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny network, which sees pictures large enough to find parts, and compares those."""
    folder = tmp_path_factory.mktemp("tiny-network-with-parts")
    tiny = Checkpoint.open(tiny_checkpoint)
    save_checkpoint(
        folder,
        tiny.load_network(),
        preprocess=Preprocess(size=192),
        labels=tiny.labels,
        weights={block.name: block.weight for block in tiny.blocks},
        calibration=tiny.calibration,
        metrics={},
        parts=Parts(size=64),
    )
    return folder


@pytest.fixture(scope="session")
def encoder(tiny_checkpoint: Path) -> Encoder:
    """The tiny network on torch: milliseconds a picture."""
    return Encoder.load(tiny_checkpoint, device="cpu", runtime="torch")


@pytest.fixture(scope="session")
def tiny_settings(tiny_checkpoint: Path) -> Callable[..., Settings]:
    """A function (data_dir, **settings) → settings with the tiny network on torch by default.

    A busy machine may take longer for an answer than people would wait.
    """

    def with_defaults(data_dir: Path, **others: Any) -> Settings:
        network = {"checkpoint": tiny_checkpoint, "device": "cpu", "runtime": "torch"}
        return Settings(data_dir=data_dir, **{**network, "queue_s": 30, **others})

    return with_defaults


@pytest.fixture(scope="session")
def save_changed() -> Callable[[Path, MarkNet, Checkpoint], None]:
    """A function (folder, network, start) that saves a network with all else as in `start`."""

    def save(folder: Path, network: MarkNet, start: Checkpoint) -> None:
        save_checkpoint(
            folder,
            network,
            preprocess=start.preprocess,
            labels=start.labels,
            weights={block.name: block.weight for block in start.blocks},
            calibration=start.calibration,
            metrics={},
            parts=start.parts,
        )

    return save


@pytest.fixture(scope="session")
def draw_mark() -> Callable[..., Image.Image]:
    """A function (seed, size=96) → a picture of a few random shapes, the same for the same seed."""

    def draw(seed: int, size: int = 96) -> Image.Image:
        rng = np.random.default_rng(seed)
        image = Image.new("RGB", (size, size), "white")
        pen = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(2, 6))):
            x, y = (int(value) for value in rng.integers(2, size - 20, 2))
            w, h = (int(value) for value in rng.integers(8, size // 2, 2))
            colour = tuple(int(value) for value in rng.integers(0, 220, 3))
            shape = [pen.ellipse, pen.rectangle][int(rng.integers(2))]
            shape((x, y, min(x + w, size - 2), min(y + h, size - 2)), fill=colour)
        return image

    return draw


@pytest.fixture(scope="session")
def as_png() -> Callable[[Image.Image], bytes]:
    """A function that makes a picture the bytes of a PNG file."""

    def encoded(image: Image.Image) -> bytes:
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()

    return encoded


@dataclass(frozen=True)
class St66:
    """Writes WIPO ST.66 documents."""

    def mark(
        self,
        number: object,
        text: str = "",
        image: str = "",
        operation: str = "Insert",
        more: str = "",
    ) -> str:
        """A `TradeMark` element; `more` is XML that stands in it as given."""
        file = f"<MarkImage><MarkImageFilename>{image}</MarkImageFilename></MarkImage>"
        words = f"<MarkVerbalElementText>{escape(text)}</MarkVerbalElementText>"
        return (
            f'<TradeMark operationCode="{operation}">'
            "<RegistrationOfficeCode>XX</RegistrationOfficeCode>"
            f"<ApplicationNumber>{number}</ApplicationNumber>"
            f"<WordMarkSpecification>{words}</WordMarkSpecification>"
            + (f"<MarkImageDetails>{file}</MarkImageDetails>" if image else "")
            + f"{more}</TradeMark>\n"
        )

    def document(self, marks: Iterable[str]) -> str:
        """A whole document around some `TradeMark` elements."""
        return (
            '<Transaction xmlns="http://www.wipo.int/standards/XMLSchema/trademarks">'
            f"<TradeMarkDetails>{''.join(marks)}</TradeMarkDetails></Transaction>"
        )

    def write(self, path: Path, marks: Iterable[str]) -> Path:
        path.write_text(self.document(marks), "utf-8")
        return path


@pytest.fixture(scope="session")
def st66() -> St66:
    """Writes an office's files."""
    return St66()


@pytest.fixture(scope="session")
def serving() -> Callable[[MarkLens], AbstractContextManager[str]]:
    """A context manager: a real uvicorn server of an open register, giving its address."""

    @contextmanager
    def serve(marklens: MarkLens) -> Iterator[str]:
        app = create_app(marklens)
        config = server_config(app, marklens.settings, port=0, log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < deadline, "the server takes too long to start"
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(10)

    return serve


def _postgres_account() -> str:
    """The account PostgreSQL runs as: it refuses root."""
    if os.geteuid():
        return getpass.getuser()
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no account 'postgres'")


class PostgresServer:
    """A private PostgreSQL that no network reaches; its socket is in its folder.

    Attributes:
        folder: of its socket, its data and its log. data: of its data alone.
        binaries: folder of its programs.
        account: that it runs as. owner: the same for `subprocess`.
    """

    def __init__(self, binaries: Path, account: str, made: Path | None = None) -> None:
        """Make a folder of its own.

        Args:
            binaries: folder of its programs.
            account: that it runs as.
            made: data folder to copy; made anew without.
        """
        self.binaries = binaries
        # pytest's own folders are closed to other accounts, and a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="marklens-pg-"))
        shutil.chown(self.folder, account)
        self.data = self.folder / "data"
        self._made = made
        self.account = account
        self.owner = {"user": account} if os.geteuid() == 0 else {}
        self._server: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make its data folder, or copy it: that takes a tenth of the time."""
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        command = [self.binaries / "initdb", "-D", self.data, *options]
        if self._made:
            command = ["cp", "-a", self._made, self.data]
        subprocess.run(  # noqa: S603 - Debian's own binaries
            command, check=True, capture_output=True, cwd=self.folder, **self.owner
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "60",
        }
        options = [word for pair in settings.items() for word in ("-c", "=".join(pair))]
        leash = ("setpriv", "--pdeathsig", "QUIT")  # no server outlives tests that are killed
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603
                [*leash, self.binaries / "postgres", "-D", self.data, *options],
                stderr=log,
                cwd=self.folder,
                **self.owner,
            )
        self._await(self._server)

    def stop(self) -> None:
        """Stop it at once, as a crash would: nobody is asked to finish."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGQUIT)
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._server = None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes: SIGSTOP lets none go on until SIGCONT."""
        assert self._server is not None
        parent = self._server.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii")
        for process in (parent, *map(int, children.split())):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def remove(self) -> None:
        """Stop it and take its folder away."""
        self.stop()
        shutil.rmtree(self.folder)

    def run(self, statement: str) -> None:
        """Run one SQL statement in the database `postgres`."""
        where = {"host": str(self.folder), "user": "postgres", "dbname": "postgres"}
        with psycopg.connect(autocommit=True, **where) as connection:
            connection.execute(statement)

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def _await(self, server: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.run("SELECT 1")
            except psycopg.OperationalError:
                log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]
                assert server.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)
            else:
                return


@contextmanager
def _running_postgres(made: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(_postgres_binaries(), _postgres_account(), made)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.remove()


def _postgres_binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("no PostgreSQL under /usr/lib/postgresql: apt-get install postgresql")
    return found[-1].parent


@pytest.fixture(scope="session")
def postgres_data() -> Iterator[Path]:
    """The data folder of a PostgreSQL that was never started."""
    server = PostgresServer(_postgres_binaries(), _postgres_account())
    try:
        server.make()
        yield server.data
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres_server(postgres_data: Path) -> Iterator[PostgresServer]:
    """The PostgreSQL of all tests of this process."""
    with _running_postgres(postgres_data) as server:
        yield server


@pytest.fixture
def own_postgres(postgres_data: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, which it may stop and start."""
    with _running_postgres(postgres_data) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    name = f"marklens_{uuid.uuid4().hex[:12]}"
    postgres_server.run(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def register_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that no register was opened in yet, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'register.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def register(register_url: str) -> Iterator[Register]:
    """An empty register, in SQLite and in PostgreSQL."""
    opened = Register.open(register_url)
    yield opened
    opened.close()
