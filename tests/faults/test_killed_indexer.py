import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.ingest import ingest
from indexer.ingest.workers import LocalWorkers
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources import open_source
from models.encoder import Encoder

ROOT = Path(__file__).parents[2]
MARKS = 300
BAD = range(7, MARKS, 50)  # rows whose picture is none
KILLS = 4
SEED = 20261123


@pytest.fixture
def source(tmp_path: Path, draw_mark: Callable[..., Image.Image]) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    lines = ["id,image,text,vienna"]
    for n in range(MARKS):
        if n in BAD:
            (folder / f"{n}.png").write_text("no picture")
        else:
            draw_mark(n, 48).save(folder / f"{n}.png")
        lines.append(f"m{n},{n}.png,word {n},26.0{1 + n % 4}")
    (folder / "marks.csv").write_text("\n".join(lines) + "\n")
    return folder


def _contents(register: Register) -> dict[str, tuple[object, NDArray[np.float16]]]:
    changes = register.changes(0, 10_000)
    assert len({change.id for change in changes}) == len(changes)
    marks = register.marks([change.id for change in changes])
    digests = register.digests(list(marks))
    held: dict[str, tuple[object, NDArray[np.float16]]] = {}
    for change in changes:
        mark = marks[change.id]
        codes = [seen.code for seen in mark.predicted]
        assert change.embedding is not None
        held[change.id] = ((digests[change.id], mark.record, codes), change.embedding)
    return held


def _clean_run(source: Path, folder: Path, encoder: Encoder) -> dict[str, object]:
    register = Register.open(f"sqlite:///{folder / 'register.db'}")
    register.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    ingest(
        open_source(source, strict=True),
        register,
        ImageStore(folder / "images"),
        LocalWorkers(encoder),
    )
    contents = _contents(register)
    register.close()
    return dict(contents)


def _start(source: Path, data: Path, network: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [
            sys.executable,
            "-m",
            "search_api",
            "index",
            str(source),
            "--json",
            "--strict",
            *options,
        ],
        cwd=ROOT,
        env={
            "PATH": os.defpath,
            "MARKLENS_DATA_DIR": str(data),
            "MARKLENS_CHECKPOINT": str(network),
            "MARKLENS_RUNTIME": "torch",
            "MARKLENS_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill_after(process: subprocess.Popen[str], data: Path, pictures: int) -> None:
    """Kill -9 once so many more pictures are in the store, a random instant later."""
    images = data / "images"

    def kept() -> int:
        return sum(1 for path in images.glob("??/*") if len(path.name) == 64)

    goal = kept() + pictures
    while process.poll() is None and kept() < goal:
        time.sleep(0.02)
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_killed_indexer_loses_and_doubles_nothing(
    tmp_path: Path, source: Path, tiny_checkpoint: Path, encoder: Encoder
) -> None:
    chance = random.Random(SEED)  # noqa: S311 - moments, not secrets
    data = tmp_path / "data"
    killed = 0
    for attempt in range(KILLS):
        options = ["--resume"] if attempt in (1, 2) else []
        process = _start(source, data, tiny_checkpoint, *options)
        _kill_after(process, data, chance.randint(1, 50))
        killed += process.returncode == -9
    assert killed == KILLS, "the runs ended before they could be killed: raise MARKS"

    process = _start(source, data, tiny_checkpoint, "--resume")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    report = json.loads(out)
    assert (report["read"], report["rejected"]) == (MARKS, len(BAD))
    assert report["indexed"] + report["unchanged"] == MARKS - len(BAD)
    with Path(report["rejects_file"]).open(encoding="utf-8-sig", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [f"m{n}" for n in BAD]

    register = Register.open(f"sqlite:///{data / 'register.db'}")
    # Every mark was written once and only once: nothing had to be repeated, nothing was skipped.
    assert register.sequence() == register.count() == MARKS - len(BAD)
    held, clean = _contents(register), _clean_run(source, tmp_path, encoder)
    images = ImageStore(data / "images")
    for mark in register.marks(list(held)).values():
        assert images.get(mark.image_digest or "")
    (last,) = register.last_runs(1)
    register.close()
    assert last.state == "finished"
    assert held.keys() == clean.keys()
    for mark_id, (told, embedding) in held.items():
        expected, reference = clean[mark_id]  # type: ignore[misc]
        assert told == expected
        # Batches are cut elsewhere after a kill, which moves the network's last digits.
        np.testing.assert_allclose(embedding, reference, atol=2e-3)
