"""Bulk runs whose pictures are decoded and encoded by workers of a real Ray, on this machine."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from indexer.errors import WorkersLost
from indexer.ingest import IngestOptions, IngestReport, ingest, ray_workers
from indexer.ingest.opening import open_workers
from indexer.ingest.ray_worker import Worker
from indexer.ingest.ray_workers import Place, RayWorkers
from indexer.ingest.workers import LocalWorkers
from indexer.marks import Mark
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources import open_source
from models import errors
from models.encoder import Encoder
from models.errors import MarkLensError
from models.vienna import ViennaCode
from search_api.cli import app

pytestmark = pytest.mark.slow

MARKS = 40
POISON = b"poison"  # at the end of a picture's file
POISONED = (9, 12)  # pictures that are decoded beside others, and beside one another
_UP_S = 120


class PoisonedWorker(Worker):
    """A worker that some pictures end, as a fault in a library would."""

    def decode(self, asked: Sequence[tuple[bytes, str, bool]]) -> Any:
        if any(content.endswith(POISON) for content, _, _ in asked):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decode(asked)


@pytest.fixture(scope="module")
def workers(encoder: Encoder) -> Iterator[RayWorkers]:
    """Two workers, which a poisoned picture ends, by a Ray told of two GPUs that are not there."""
    folder = Path("/tmp") / f"ray-{os.getpid()}"  # noqa: S108 - sockets need a short path
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    alone = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", **token}
    with pytest.MonkeyPatch.context() as patch, ExitStack() as ending:
        for name, value in alone.items():
            patch.setenv(name, value)
        import ray  # it reads its settings when it is imported

        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        patch.setattr(ray_workers, "Worker", PoisonedWorker)
        yield _opened(folder, encoder, ending)


def _opened(folder: Path, encoder: Encoder, ending: ExitStack) -> RayWorkers:
    """Start Ray and connect; on a busy machine it gives itself up after half a minute."""
    for _ in range(4):
        port, gcs = _free_port(), _free_port()
        head = subprocess.Popen(  # noqa: S603
            [
                *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"),
                *(f"--port={gcs}", f"--ray-client-server-port={port}", f"--temp-dir={folder}"),
                *("--num-cpus=2", "--num-gpus=2", "--object-store-memory=200000000"),
                *("--min-worker-port=0", "--max-worker-port=0"),
                *("--include-dashboard=false", "--disable-usage-stats"),
            ],
            process_group=0,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ending.callback(_end, head, folder)
        deadline = time.monotonic() + _UP_S
        while head.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.2)
                continue
            with suppress(WorkersLost):
                opened = open_workers(f"ray://127.0.0.1:{port}", encoder, "cpu", "torch")
                return ending.enter_context(opened)  # type: ignore[return-value]
            break
        _end(head, folder)
    pytest.fail("Ray does not start")


def _end(head: "subprocess.Popen[bytes]", folder: Path) -> None:
    head.kill()
    for pid, line in _processes():
        if str(folder) in line:
            _kill(pid)
    head.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _processes() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        yield int(folder.name), line


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def source(office: Any) -> Path:
    """Marks with pictures of their own, and some of everything that goes another way."""
    office.marks(MARKS)
    (office.folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    shutil.copy(office.folder / "3.png", office.folder / "again.png")
    with Image.open(office.folder / "3.png") as image:
        image.save(office.folder / "same.bmp")
    table: Path = office.folder / "marks.csv"
    more = ["w1,,words alone,", "b1,broken.png,broken,03.01", "m3,4.png,twice,03.01"]
    more += ["d1,again.png,the same file,", "d2,same.bmp,the same pixels,"]
    table.write_text(table.read_text() + "\n".join(more) + "\n")
    return table


class Filled:
    """A register and its pictures, filled by some workers."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.folder = folder
        self.register = Register.open(f"sqlite:///{folder / 'register.db'}")
        self.register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
        self.images = ImageStore(folder / "images")

    def ingest(self, source: Path, workers: Any, **others: Any) -> IngestReport:
        rows = open_source(source, strict=True)
        progress = others.pop("on_progress", None)
        options = IngestOptions(batch=8, **others)
        return ingest(rows, self.register, self.images, workers, options, progress)

    def marks(self) -> list[Mark]:
        """Every mark, in the order in which they were written."""
        changes = self.register.changes(0, 10_000)
        marks = self.register.marks([change.id for change in changes])
        return [marks[change.id] for change in changes]

    def vectors(self) -> list[Any]:
        return [
            one.embedding for one in self.register.changes(0, 10_000) if one.embedding is not None
        ]


def probabilities(mark: Mark) -> dict[ViennaCode, float]:
    return {seen.code: seen.probability for seen in mark.predicted}


def assert_same(one: Filled, other: Filled) -> None:
    """The same marks, codes, pictures and vectors in the same order.

    Ray gives torch other threads, which moves the network's last digits.
    """
    for mark, twin in zip(one.marks(), other.marks(), strict=True):
        blank = {"predicted": (), "updated": None}
        assert replace(mark, **blank) == replace(twin, **blank)
        assert probabilities(mark) == pytest.approx(probabilities(twin), abs=2e-3)
        digest = mark.image_digest
        assert digest is None or one.images.get(digest) == other.images.get(digest)
    for vectors, same in zip(one.vectors(), other.vectors(), strict=True):
        np.testing.assert_allclose(vectors, same, atol=2e-3)


def settings(data: Path, checkpoint: Path) -> dict[str, str]:
    return {
        "MARKLENS_DATA_DIR": str(data),
        "MARKLENS_CHECKPOINT": str(checkpoint),
        "MARKLENS_RUNTIME": "torch",
        "MARKLENS_DEVICE": "cpu",
        "PATH": os.defpath,
        "HOME": str(data.parent),
    }


def rejected(report: IngestReport) -> str:
    assert report.rejects_file is not None
    return report.rejects_file.read_text("utf-8-sig")


Fill = Callable[..., tuple[Filled, IngestReport]]


@pytest.fixture
def fill(tmp_path: Path, encoder: Encoder) -> Iterator[Fill]:
    """A function (name, source, workers, …) → a register of that name, filled, and the report."""
    opened = []

    def filled(name: str, source: Path, workers: Any, **others: Any) -> Any:
        (tmp_path / name).mkdir(exist_ok=True)
        opened.append(Filled(tmp_path / name, encoder))
        return opened[-1], opened[-1].ingest(source, workers, **others)

    yield filled
    for one in opened:
        one.register.close()


def test_workers_on_ray_fill_the_same_register(
    source: Path, encoder: Encoder, workers: RayWorkers, fill: Fill
) -> None:
    here, report = fill("here", source, LocalWorkers(encoder))
    there, same = fill("there", source, workers)
    assert_same(there, here)
    assert rejected(same) == rejected(report)
    assert (same.read, same.indexed, same.rejected) == (MARKS + 5, MARKS + 3, 2)
    assert same.encoded == report.encoded == MARKS  # each picture once
    # And again: nothing is new.
    assert there.ingest(source, workers).unchanged == MARKS + 3


def test_a_worker_killed_in_the_middle_loses_nothing(
    source: Path, encoder: Encoder, workers: RayWorkers, fill: Fill
) -> None:
    killed: list[int] = []

    def kill_one(_: object) -> None:
        if not killed:
            # Those of an earlier test may still be ending: the newest two are of this run.
            pids = sorted(pid for pid, line in _processes() if "ray::PoisonedWorker" in line)[-2:]
            assert len(pids) == 2
            killed.append(pids[0])
            os.kill(pids[0], signal.SIGKILL)

    here, _ = fill("here", source, LocalWorkers(encoder))
    there, report = fill("there", source, workers, on_progress=kill_one)
    assert killed
    assert (report.indexed, report.rejected) == (MARKS + 3, 2)
    assert_same(there, here)


def test_a_picture_that_ends_every_worker_is_rejected_and_no_other(
    source: Path, encoder: Encoder, workers: RayWorkers, fill: Fill
) -> None:
    here, _ = fill("here", source, LocalWorkers(encoder))
    for number in POISONED:
        with (source.parent / f"{number}.png").open("ab") as file:
            file.write(POISON)
    there, report = fill("there", source, workers)
    for number in POISONED:
        said = f'm{number},{number}.png,"{number}.png: ended each of 3 workers that decoded it'
        assert said in rejected(report)
    assert (report.indexed, report.rejected) == (MARKS + 3 - len(POISONED), 2 + len(POISONED))
    lost = {f"m{number}" for number in POISONED}
    left = [mark.record.id for mark in here.marks() if mark.record.id not in lost]
    assert [mark.record.id for mark in there.marks()] == left


def test_a_worker_with_another_network_is_refused(workers: RayWorkers, encoder: Encoder) -> None:
    import ray

    other = object.__new__(Encoder)
    other.__dict__.update(encoder.__dict__)
    other.fingerprint = "0" * 64
    (node,) = ray.nodes()
    place = [Place(node["NodeID"], 0, 0)]
    with pytest.raises(WorkersLost, match="has another network or version of MarkLens"):
        RayWorkers(ray, other, ("cpu", "torch"), place)


def test_a_killed_run_on_this_machine_leaves_no_process_and_is_resumed(
    source: Path, tiny_checkpoint: Path, encoder: Encoder, tmp_path: Path, fill: Fill
) -> None:
    rows = [f"n{n},{n % MARKS}.png,more {n},03.01" for n in range(300)]
    source.write_text(source.read_text() + "\n".join(rows) + "\n")
    data = tmp_path / "there"
    command = [sys.executable, "-m", "search_api", "index", source, "--strict", "--workers=1"]
    run = subprocess.Popen(  # noqa: S603
        [str(word) for word in command], env=settings(data, tiny_checkpoint), process_group=0
    )
    started: set[int] = set()
    addresses: set[str] = set()
    deadline = time.monotonic() + 2 * _UP_S  # Ray may have to be started twice
    try:
        while not (has_begun := _has_begun(data)) and time.monotonic() < deadline:
            assert run.poll() is None, "it ended before it could be killed"
            started |= _descendants(run.pid)
            addresses |= _listening({run.pid, *started})
            time.sleep(0.5)  # looking takes time of a core, too
        assert has_begun
        assert addresses == {"127.0.0.1"}
    finally:
        _kill(run.pid)
        run.wait()
    deadline = time.monotonic() + _UP_S
    # Two agents try for a minute to tell Ray that it has ended, before they end, too.
    while left := {line for pid, line in _processes() if pid in started and "Agent" not in line}:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    for pid in started & {pid for pid, _ in _processes()}:
        _kill(pid)
    there, report = fill("there", source, LocalWorkers(encoder), resume=True)
    assert report.resumed_after > 0
    assert (report.indexed, report.rejected) == (MARKS + 3 + len(rows), 2)
    assert there.register.sequence() == report.indexed  # each was written once
    ids = [f"m{n}" for n in range(MARKS)] + ["w1", "d1", "d2"] + [row.split(",")[0] for row in rows]
    assert [mark.record.id for mark in there.marks()] == ids


def _has_begun(data: Path) -> bool:
    if (data / "register.db").exists():
        with suppress(MarkLensError):  # its tables are being made
            opened = Register.open(f"sqlite:///{data / 'register.db'}", create=False)
            with closing(opened) as register:
                return register.count() > 0
    return False


def _descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for one, _ in _processes():
        try:
            parents[one] = int(Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found: set[int] = set()
    while more := {one for one, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def _listening(pids: set[int]) -> set[str]:
    """The addresses at which some processes listen."""
    sockets = set()
    for pid in pids:
        for one in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(str(one.readlink()))
            except OSError:
                continue
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                words = bytes.fromhex(local.partition(":")[0])[-4:]
                found.add(socket.inet_ntoa(words[::-1]))
    return found


def test_workers_that_are_not_there_are_one_plain_sentence(
    source: Path, tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(workers: str) -> tuple[int, str]:
        words = ["index", str(source), "--workers", workers]
        environment = settings(tmp_path / "data", tiny_checkpoint)
        done = CliRunner().invoke(app, words, env=environment, prog_name="marklens")
        return done.exit_code, done.stderr

    code, sentence = said(f"ray://127.0.0.1:{_free_port()}")
    assert (code, len(sentence.splitlines())) == (1, 1)
    assert "no Ray cluster answers there" in sentence
    for wrong in ("0", "127.0.0.1:6379", "many"):
        assert said(wrong)[0] == 2
    monkeypatch.setattr(errors, "find_spec", lambda name: name != "ray" or None)
    code, sentence = said("2")
    assert code == 1
    assert "extra 'ray'" in sentence


def test_a_ray_that_is_too_slow_to_start_is_one_plain_sentence(
    workers: RayWorkers, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    slow = Exception("The current node timed out during startup.\nThis could happen because")
    monkeypatch.setattr(ray, "init", Mock(side_effect=slow))
    with pytest.raises(WorkersLost, match=r"not start or answer: The current .* startup\.$"):
        open_workers(1, encoder, "cpu", "torch").__enter__()
