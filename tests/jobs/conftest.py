"""The command line, run in this process with a data folder of the test's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from search_api.cli import app

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
    def invoke(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(app, words, env=environment, prog_name="marklens")

    return invoke
