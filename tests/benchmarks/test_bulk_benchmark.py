"""The bulk benchmark counts rightly; how fast things are, no test says."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks import bulk
from search_api.marklens import MarkLens
from search_api.settings import Settings

Draw = Callable[..., Image.Image]


@pytest.fixture
def pictures(tmp_path: Path, draw_mark: Draw) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(4):
        draw_mark(seed, 64).save(folder / f"{seed}.png")
    return folder


def test_every_round_brings_new_pictures_and_duplicates_are_encoded_once(
    tmp_path: Path, tiny_settings: Callable[..., Settings], pictures: Path
) -> None:
    plan = bulk.Plan(sorted(pictures.iterdir()), marks=12, duplicates=0.25, rounds=3, batch=4)
    with MarkLens.open(tiny_settings(tmp_path / "data")) as marklens:
        rounds = list(bulk.measure(plan, marklens, tmp_path / "sources"))
        assert marklens.status().marks == 36
        found = bulk.summary(plan, marklens.encoder, rounds)
    assert [(one.marks, one.encoded) for one in rounds] == [(12, 9)] * 3
    assert (found["marks"], found["encoded"], found["duplicates"]) == (36, 27, 9)
    assert all(0 < one.busy <= 1 and one.peak_mb > 0 for one in rounds)
    assert list((tmp_path / "sources").iterdir()) == []


def test_the_command_prints_a_line_a_round_and_writes_json(
    tmp_path: Path,
    tiny_checkpoint: Path,
    pictures: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MARKLENS_CHECKPOINT", str(tiny_checkpoint))
    monkeypatch.setenv("MARKLENS_RUNTIME", "torch")
    out = tmp_path / "bulk.json"
    given = {"--marks": "4", "--rounds": "2", "--duplicates": "0", "--pictures": str(pictures)}
    bulk.main([word for pair in given.items() for word in pair] + ["--out", str(out)])
    head, *rows, last = capsys.readouterr().out.splitlines()
    assert head.startswith("marks encoded")
    assert (len(rows), last.partition(":")[0]) == (2, "all")
    found: dict[str, Any] = json.loads(out.read_text())
    assert (found["marks"], found["duplicates"], found["runtime"]) == (8, 0, "torch")
    assert len(found["rounds"]) == 2
