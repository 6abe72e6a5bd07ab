"""What the faults are tried on: two sources, indexers in processes, and what a clean run gives."""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer.register import Register
from indexer.register.image_store import ImageStore

ROOT = Path(__file__).parents[2]
Draw = Callable[..., Image.Image]


@dataclass(frozen=True)
class Place:
    """Where a run writes."""

    folder: Path
    url: str

    def job(self, source: Path, **faults: Any) -> dict[str, Any]:
        return {
            "source": str(source),
            "pictures": str(source.parent),
            "url": self.url,
            "images": str(self.folder / "images"),
            "rejects": str(self.folder / "rejects"),
            **faults,
        }


Index = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def index(tiny_checkpoint: Path) -> Iterator[Index]:
    """A function (job, …) → what each run answered; all at the same time, one process each."""
    script = Path(__file__).with_name("indexer_processes.py")
    with subprocess.Popen(  # noqa: S603
        [sys.executable, str(script), str(tiny_checkpoint)],
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        asking, answering = server.stdin, server.stdout

        def run(*jobs: dict[str, Any]) -> list[dict[str, Any]]:
            asking.write(json.dumps(jobs) + "\n")
            asking.flush()
            answers: list[dict[str, Any]] = json.loads(answering.readline())
            return answers

        yield run
        asking.close()


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory, draw_mark: Draw) -> Path:
    """A table: good rows, pictures that are none, marks without picture, one id twice."""
    folder = tmp_path_factory.mktemp("table")
    lines = ["id,image,text,nice,vienna"]
    for n in range(30):
        if n % 10 == 7:
            (folder / f"{n}.png").write_text("no picture")
        else:
            draw_mark(n % 25, 48).save(folder / f"{n}.png")
        image = "" if n % 6 == 5 else f"{n}.png"
        lines.append(f"m{n},{image},word {n},{1 + n},26.0{1 + n % 4}")
    lines.append("m3,3.png,a second time,,")
    (folder / "marks.csv").write_text("\n".join(lines) + "\n")
    return folder / "marks.csv"


@pytest.fixture(scope="session")
def office_file(tmp_path_factory: pytest.TempPathFactory, draw_mark: Draw, st66: Any) -> Path:
    """An office's file that amends and withdraws what it brought itself; one record is bad."""
    folder = tmp_path_factory.mktemp("office")
    records = []
    for n in range(24):
        draw_mark(n, 48).save(folder / f"{n}.png")
        records.append(st66.mark(n, f"word {n}", f"{n}.png" if n % 5 else ""))
    records.insert(9, st66.mark("", "no number"))
    records += [st66.mark(n, f"amended {n}", f"{n}.png", "Update") for n in (0, 1, 22)]
    records += [st66.mark(n, operation="Delete") for n in (2, 23)]
    records += [st66.mark(2, "back again", "2.png"), st66.mark(1, operation="Delete")]
    path: Path = st66.write(folder / "marks.xml", records)
    return path


@pytest.fixture
def source(request: pytest.FixtureRequest) -> Path:
    """The source that a test is parametrised with: `table` or `office_file`."""
    path: Path = request.getfixturevalue(request.param)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A data folder with a SQLite register that is not there yet."""
    return Place(tmp_path / "data", f"sqlite:///{tmp_path / 'data' / 'register.db'}")


Same = Callable[[Place, Path], None]


@pytest.fixture(scope="session")
def is_as_after_a_clean_run(
    index: Index, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Place, Path], None]:
    """A function that compares all a register holds with what a run without faults gives."""
    clean: dict[Path, dict[str, Any]] = {}

    def compare(place: Place, source: Path) -> None:
        if source not in clean:
            folder = tmp_path_factory.mktemp("clean")
            untouched = Place(folder, f"sqlite:///{folder / 'register.db'}")
            (answer,) = index(untouched.job(source))
            assert answer["status"] == 0
            assert "error" not in answer
            clean[source] = contents(untouched)
        held, expected = contents(place), clean[source]
        assert held.keys() == expected.keys()
        for mark_id, (told, embedding) in held.items():
            assert told == expected[mark_id][0]
            # Batches are cut elsewhere after a fault, which moves the network's last digits.
            np.testing.assert_allclose(embedding, expected[mark_id][1], atol=2e-3)

    return compare


def contents(place: Place) -> dict[str, Any]:
    """Id → all that is held of a live mark, and its embedding; the pictures are all there."""
    register, images = Register.open(place.url, create=False), ImageStore(place.folder / "images")
    changes = [change for change in register.changes(0, 10_000) if not change.deleted]
    marks = register.marks([change.id for change in changes])
    digests = register.digests(list(marks))
    held: dict[str, Any] = {}
    for change in changes:
        mark = marks[change.id]
        assert mark.image_digest is None or images.get(mark.image_digest)
        assert (change.embedding is None) == (mark.image_digest is None)
        codes = tuple(seen.code for seen in mark.predicted)
        told = (digests[change.id], mark.record, mark.image_digest, mark.width, codes)
        held[change.id] = (told, np.zeros(0) if change.embedding is None else change.embedding)
    assert len(held) == register.count()
    register.close()
    return held


@pytest.fixture(scope="session")
def rejected_ids() -> Callable[[dict[str, Any]], list[str]]:
    """A function: a run's answer → what its rejects file names."""

    def read(answer: dict[str, Any]) -> list[str]:
        with Path(answer["rejects_file"]).open(encoding="utf-8-sig", newline="") as file:
            return [row["id"] for row in csv.DictReader(file)]

    return read


@pytest.fixture
def small_disk() -> Iterator[Callable[[str], Path]]:
    """A function that mounts, or makes larger, a file system of so many bytes; for root only."""
    # Not below pytest's own folder, which it could not clean away if this outlived the test.
    folder = Path(tempfile.mkdtemp(prefix="marklens-disk-"))

    def mount(size: str) -> Path:
        remount = ",remount" if os.path.ismount(folder) else ""
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}{remount}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            pytest.skip(f"only root may mount a small disk: {done.stderr.strip()}")
        return folder

    yield mount
    lazily = ["umount", "--lazy", str(folder)]  # also while a test that failed holds files open
    subprocess.run(lazily, capture_output=True, check=False)  # noqa: S603
    folder.rmdir()
