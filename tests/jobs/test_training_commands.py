"""`compose`, `train`, `evaluate` and `classify --explain` as a user types them."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
Draw = Callable[..., Image.Image]
Run = Callable[..., Any]
SCORES = {"mAP", "LRAP", "coverage_error", "micro_F1", "hamming_loss", "binary_accuracy", "ECE"}


@pytest.fixture
def labelled(tmp_path: Path, draw_mark: Draw) -> Path:
    """A hundred pictures, labelled as people do: row numbers, semicolons, names without suffix."""
    (tmp_path / "images").mkdir()
    lines = ["\ufeff;Image Name;Vienna_01;Vienna_03;category 26"]
    for n in range(100):
        draw_mark(n).save(tmp_path / "images" / f"mark-{n}.PNG")
        lines.append(f"{n};MARK-{n};{n % 2};{int(n % 3 == 0)};{int(n % 5 < 2)}")
    lines.append("100;gone;1;0;0")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return tmp_path


def training(labelled: Path, tiny_checkpoint: Path, out: Path, epochs: int) -> list[object]:
    files = ["--labels", labelled / "labels.csv", "--images", labelled / "images", "--out", out]
    return ["train", *files, "--start", tiny_checkpoint, "--epochs", epochs, "--batch", 16]


def test_train_tells_how_it_goes_and_what_it_leaves_stands_alone(
    run: Run, labelled: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    told = run(*training(labelled, tiny_checkpoint, out, 2))
    assert told.exit_code == 0, told.stderr
    said = told.stderr
    assert "100 pictures (" in said
    assert "3 labels" in said
    assert "left out: 1 pictures; the first is gone: no such picture" in said
    for epoch in (1, 2):
        assert f"epoch {epoch}: loss " in said
    assert "constant prior" in said
    for name in SCORES:
        assert name in told.stdout
    assert f"report: {out / 'report.html'}" in told.stdout
    assert "constant prior" in told.stdout
    left = {path.name for path in out.iterdir()}
    assert {"report.html", "metrics.json", "labels.csv", "loss.png", "labels.png"} <= left
    assert (out / "left_out.txt").read_text() == "gone: no such picture\n"
    config = json.loads((out / "checkpoint" / "config.json").read_text())
    assert config["labels"] == ["01", "03", "26"]
    seen = run("classify", labelled / "images" / "mark-0.PNG", "--json")
    assert seen.exit_code == 0


def test_the_same_labels_measure_a_trained_network_on_the_pictures_kept_for_the_test(
    run: Run, labelled: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    trained = json.loads(run(*training(labelled, tiny_checkpoint, out, 1), "--json").stdout)
    kept = trained["pictures"]["test"]
    files = ["--labels", labelled / "labels.csv", "--images", labelled / "images"]
    command = ["evaluate", "classify", *files, "--checkpoint", out / "checkpoint"]
    told = run(*command, "--out", tmp_path / "report")
    sentence = (
        f"{100 - kept} of these 100 pictures were learnt from or chosen by; "
        f"measured: the other {kept}"
    )
    assert sentence in told.stderr
    assert f"{kept} pictures, level category" in told.stdout
    assert f"{sentence}." in (tmp_path / "report" / "report.html").read_text()
    found = json.loads(run(*command, "--json").stdout)
    assert (found["pictures"], found["seen"], found["seen_measured"]) == (kept, 100 - kept, False)
    measured = found["metrics"]["LRAP"]["value"]
    assert measured == pytest.approx(trained["test"]["LRAP"], abs=0.05)
    every = run(*command, "--with-seen")
    assert f"100 pictures ({100 - kept} of them learnt from or chosen by), level" in every.stdout
    learnt = (out / "checkpoint" / "seen.txt").read_text().split()
    rows = (labelled / "labels.csv").read_text("utf-8").splitlines()
    images = {f"MARK-{n}": labelled / "images" / f"mark-{n}.PNG" for n in range(100)}
    rows = [
        row
        for row in rows[1:-1]
        if hashlib.sha256(images[row.split(";")[1]].read_bytes()).hexdigest()[:16] in learnt
    ]
    text = "\n".join([";Image Name;Vienna_01;Vienna_03;category 26", *rows])
    (labelled / "labels.csv").write_text(text + "\n", "utf-8")
    failed = run(*command)
    assert failed.exit_code == 2
    assert f"each of the {100 - kept} labelled pictures that are there" in failed.stderr


def test_train_as_json_leaves_stderr_empty(
    run: Run, labelled: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    told = run(*training(labelled, tiny_checkpoint, tmp_path / "run", 1), "--json")
    assert (told.exit_code, told.stderr) == (0, "")
    metrics = json.loads(told.stdout)
    assert SCORES <= metrics["test"].keys() == metrics["constant prior"].keys()
    assert sum(metrics["pictures"].values()) == 100


def test_a_training_that_is_killed_goes_on_where_it_was(
    labelled: Path, tiny_checkpoint: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = [str(word) for word in training(labelled, tiny_checkpoint, out, 40)]
    command = [sys.executable, "-m", "search_api", *words, "--patience", "40"]
    place = {"cwd": ROOT, "env": {"PATH": os.defpath, **environment}}
    with subprocess.Popen(command, **place, stderr=subprocess.DEVNULL) as process:  # type: ignore[call-overload] # noqa: S603
        for _ in range(2400):
            if (out / "state.pt").exists():
                break
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    before = (out / "history.jsonl").read_text().splitlines()
    assert 1 <= len(before) < 40
    assert not (out / "metrics.json").exists()
    done = subprocess.run(command, **place, capture_output=True, text=True, check=False)  # type: ignore[call-overload] # noqa: S603
    assert done.returncode == 0, done.stderr
    after = (out / "history.jsonl").read_text().splitlines()
    assert len(after) == 40
    assert after[: len(before) - 1] == before[:-1]
    assert [json.loads(line)["epoch"] for line in after] == list(range(1, 41))


def test_labels_that_cannot_be_used_are_one_sentence_and_exit_code_2(
    run: Run, labelled: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    (labelled / "labels.csv").write_text("filename,lion\na.png,1\n")
    failed = run(*training(labelled, tiny_checkpoint, tmp_path / "run", 1))
    assert failed.exit_code == 2
    (line,) = failed.stderr.splitlines()
    assert "'lion' names no Vienna code" in line


def test_composed_marks_are_what_train_and_evaluate_read(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "composed"
    made = run("compose", out, "-n", 6)
    assert made.exit_code == 0, made.stderr
    heading, *rows = (out / "labels.csv").read_text().splitlines()
    assert heading == "filename," + ",".join(f"{n:02d}" for n in range(1, 30))
    assert len(rows) == 6
    assert all((out / "images" / row.split(",")[0]).is_file() for row in rows)
    told = run("evaluate", "classify", "--labels", out / "labels.csv", "--images", out / "images")
    assert told.exit_code in (0, 2)  # 2: none of six marks bears what the tiny network predicts


def test_evaluate_classify_reports_by_level_beside_the_constant_prior(
    run: Run, labelled: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    lines = ["filename;codes", *(f"mark-{n};{'01.01.02,26.04' if n % 2 else 3}" for n in range(20))]
    (labelled / "codes.csv").write_text("\n".join(lines) + "\n")
    files = ["--labels", labelled / "codes.csv", "--images", labelled / "images"]
    command = ["evaluate", "classify", *files, "--checkpoint", tiny_checkpoint]
    told = run(*command, "--json", "--out", tmp_path / "report")
    assert (told.exit_code, told.stderr) == (0, "")
    found = json.loads(told.stdout)
    assert set(found["levels"]) == {"category", "division"}
    assert found["metrics"] == found["levels"]["category"]["metrics"]
    assert set(found["metrics"]["mAP"]) == {"value", "low", "high"}
    assert found["metrics"].keys() == found["constant_prior"].keys() >= SCORES
    assert found["not_predicted"] == ["01.01.02"]
    assert json.loads((tmp_path / "report" / "metrics.json").read_text()) == found
    assert "constant prior" in (tmp_path / "report" / "report.html").read_text()
    shown = run(*command)
    assert "level division" in shown.stdout
    assert "constant prior" in shown.stdout


def test_evaluate_retrieve_counts_the_query_and_leaves_it_out(
    run: Run, labelled: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("file,group\n" + "".join(f"mark-{n},g{n // 2}\n" for n in range(8)))
    command = [
        *("evaluate", "retrieve", "--images", labelled / "images", "--groups", groups),
        *("--checkpoint", tiny_checkpoint, "--transformations", "--out", tmp_path / "report"),
    ]
    told = run(*command, "--json")
    assert (told.exit_code, told.stderr) == (0, "")
    found = json.loads(told.stdout)
    assert (found["queries"], found["gallery"]) == (8, 8)
    assert {"mAP", "mAP_100", "NAR", "recall_at_1"} <= found["metrics"].keys()
    assert found["query_counted"]["recall_at_1"]["value"] == 1.0
    assert set(found["transformations"]) == {
        *("recolour", "invert", "rotate_15", "crop_70", "add_word", "remove_word", "redraw")
    }
    assert found["self_retrieval"] == {"asked": 8, "exact_duplicates": [], "failures": []}
    assert (tmp_path / "report" / "report.html").is_file()
    shown = run(*command).stdout
    assert "query counted" in shown
    assert "remove_word" in shown
    wrong = run("evaluate", "retrieve", "--images", labelled / "images")
    assert wrong.exit_code == 2
    assert "give --groups, or --metu" in wrong.stderr


def test_evaluate_without_its_packages_names_the_extra(
    run: Run, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    files = ["--labels", labelled / "labels.csv", "--images", labelled / "images"]
    failed = run("evaluate", "classify", *files)
    assert failed.exit_code == 1
    (line,) = failed.stderr.splitlines()
    assert "`marklens evaluate` needs matplotlib: install MarkLens with its extra 'train'" in line


def test_classify_draws_where_each_code_was_seen(run: Run, labelled: Path, tmp_path: Path) -> None:
    picture, sheet = labelled / "images" / "mark-1.PNG", tmp_path / "where.png"
    told = run("classify", picture, "--explain", sheet, "--json")
    assert told.exit_code == 0, told.stderr
    codes = json.loads(told.stdout)["images"][0]["vienna"]
    with Image.open(sheet) as drawn:
        columns = min(4, len(codes) + 1)
        assert drawn.size == (columns * 224, -(-(len(codes) + 1) // columns) * 260)
    for words in ([picture, picture], [picture]):
        target = sheet if len(words) == 2 else tmp_path / "nowhere" / "where.png"
        failed = run("classify", *words, "--explain", target)
        assert failed.exit_code == 2
        assert "--explain draws one IMAGE" in failed.stderr
