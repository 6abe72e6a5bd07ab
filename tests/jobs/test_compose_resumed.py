"""`marklens compose` stopped anyhow goes on to the same end."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFont

from models.errors import BadLabels
from models.synthesis.composed_folder import compose_marks

ROOT = Path(__file__).parents[2]
MARKS = 24
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One font: looking through all of the system's takes seconds."""
    default = ImageFont.load_default(20)
    assert isinstance(default, ImageFont.FreeTypeFont)
    folder: Path = tmp_path_factory.mktemp("fonts")
    (folder / "default.ttf").write_bytes(default.font_bytes)
    return folder


def made(out: Path, fonts: Path, number: int = MARKS, seed: int = 3) -> list[int]:
    return list(compose_marks(out, number, fonts=[fonts], seed=seed))


@pytest.fixture(scope="module")
def undisturbed(fonts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("undisturbed") / "marks"
    assert made(out, fonts) == [*range(MARKS + 1)]
    return out


def contents(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def test_killed_in_the_middle_and_run_again_it_comes_to_the_same_end(
    undisturbed: Path, fonts: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "marks"
    command = [sys.executable, "-m", "search_api", "compose", str(out), "-n", str(MARKS)]
    command += ["--fonts", str(fonts), "--seed", "3"]
    place: dict[str, Any] = {"cwd": ROOT, "env": environment}
    unfinished = out / "labels.csv.tmp"
    with subprocess.Popen(command, **place, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - ours
        while not unfinished.exists() or len(unfinished.read_bytes().splitlines()) < 4:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert not (out / "labels.csv").exists()
    kept = len(unfinished.read_bytes().splitlines()) - 1
    assert 3 <= kept < MARKS
    done = subprocess.run(command, **place, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(undisturbed)


def test_what_was_torn_or_lost_is_made_again_and_the_rest_is_kept(
    undisturbed: Path, fonts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "marks"
    shutil.copytree(undisturbed, out)
    text = (out / "labels.csv").read_bytes()
    (out / "labels.csv").unlink()
    lines = text.splitlines(keepends=True)
    (out / "labels.csv.tmp").write_bytes(b"".join(lines[:12]) + lines[12][:20])
    (out / "images" / "mark-00009.png").unlink()
    (out / "images" / "mark-00015.png.1.tmp").write_bytes(b"half a picture")
    before = (out / "images" / "mark-00008.png").stat().st_mtime_ns
    assert made(out, fonts) == [*range(9, MARKS + 1)]
    assert contents(out) == contents(undisturbed)
    assert (out / "images" / "mark-00008.png").stat().st_mtime_ns == before


def test_a_finished_folder_is_left_as_it_is(undisturbed: Path, fonts: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    assert made(undisturbed, fonts) == [MARKS]
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


def test_a_picture_lost_from_a_finished_folder_is_made_again(
    undisturbed: Path, fonts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "marks"
    shutil.copytree(undisturbed, out)
    (out / "images" / "mark-00021.png").unlink()
    assert made(out, fonts) == [*range(21, MARKS + 1)]
    assert contents(out) == contents(undisturbed)


@pytest.mark.parametrize(("number", "seed"), [(MARKS, 4), (MARKS + 1, 3)])
def test_marks_asked_for_otherwise_are_refused_and_nothing_is_touched(
    undisturbed: Path, fonts: Path, number: int, seed: int
) -> None:
    before = contents(undisturbed)
    with pytest.raises(BadLabels, match=r"\((seed|number)\); go on with"):
        made(undisturbed, fonts, number, seed)
    assert contents(undisturbed) == before


def test_another_font_is_another_run(undisturbed: Path, fonts: Path, tmp_path: Path) -> None:
    more = shutil.copytree(fonts, tmp_path / "fonts")
    shutil.copy(more / "default.ttf", more / "another.ttf")
    with pytest.raises(BadLabels, match=r"\(fonts\)"):
        made(undisturbed, more)


@pytest.mark.parametrize("version", [{"version": "0.0.1"}, {}])
def test_what_another_version_began_is_refused(
    undisturbed: Path, fonts: Path, tmp_path: Path, version: dict[str, str]
) -> None:
    out = shutil.copytree(undisturbed, tmp_path / "marks")
    kept = json.loads((out / "compose.json").read_text())
    del kept["version"]
    (out / "compose.json").write_text(json.dumps(kept | version))
    before = contents(out)
    with pytest.raises(BadLabels, match=r"\(version\b"):
        made(out, fonts)
    assert contents(out) == before


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.tmp"])
def test_somebody_elses_labels_are_not_written_over(
    run: Run, fonts: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("filename,01\nmine.png,1\n")
    failed = run("compose", tmp_path, "-n", 2, "--fonts", fonts)
    assert failed.exit_code == 2
    (line,) = failed.stderr.splitlines()
    assert f"holds a {name} that is not ours" in line
    assert (tmp_path / name).read_text() == "filename,01\nmine.png,1\n"


@pytest.mark.parametrize("damage", ["{", "[1]", "1", "null", "\xff"])
def test_a_damaged_note_of_what_was_asked_for_is_refused(
    fonts: Path, tmp_path: Path, damage: str
) -> None:
    note = tmp_path / "compose.json"
    note.write_text(damage, "latin-1")
    with pytest.raises(BadLabels, match=rf"^{re.escape(str(note))}: damaged"):
        made(tmp_path, fonts)
    assert contents(tmp_path) == {note.name: damage.encode("latin-1")}


def test_what_was_asked_for_is_written_down(undisturbed: Path) -> None:
    kept = json.loads((undisturbed / "compose.json").read_text())
    assert (kept["number"], kept["seed"]) == (MARKS, 3)
