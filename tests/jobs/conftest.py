"""The command line, run in this process with a data folder of the test's own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from search_api.cli import app

Draw = Callable[..., Image.Image]
Result = Any  # of Click or of Typer's copy of it
Run = Callable[..., Result]


@pytest.fixture
def environment(tmp_path: Path, tiny_checkpoint: Path) -> dict[str, str]:
    """A data folder of the test's own and the tiny network."""
    return {
        "MARKLENS_DATA_DIR": str(tmp_path / "data"),
        "MARKLENS_CHECKPOINT": str(tiny_checkpoint),
        "MARKLENS_RUNTIME": "torch",
        "MARKLENS_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """A function (word, …) → the result of `marklens` with these words."""

    def invoke(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, words, env=environment, prog_name="marklens")

    return invoke


@pytest.fixture
def source(tmp_path: Path, draw_mark: Draw) -> Path:
    """A folder with marks.csv and eight pictures."""
    folder = tmp_path / "source"
    folder.mkdir()
    lines = ["id,image,text,status,nice,filed,vienna"]
    for n in range(8):
        draw_mark(n).save(folder / f"{n}.png")
        lines.append(
            f"EM-{n},{n}.png,word {n},{'expired' if n % 2 else 'registered'},"
            f"{9 + n},202{n}-01-31,{'03.01.08' if n < 3 else '26.04'}"
        )
    (folder / "marks.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def parsed() -> Callable[[Result], Any]:
    """A function: the result of a command that succeeded with --json → what it said."""

    def parse(result: Result) -> Any:
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return parse


@pytest.fixture(scope="session")
def complaint() -> Callable[[Result], str]:
    """A function: the result of a command that failed → its one sentence."""

    def sentence(result: Result) -> str:
        assert "Traceback" not in result.output
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("marklens: ")
        return line.removeprefix("marklens: ")

    return sentence
