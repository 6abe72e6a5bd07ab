"""On a CPU all but training works where PyTorch and Matplotlib are not installed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

_BLOCKED = """
import sys
for name in ("torch", "torchvision", "matplotlib"):
    sys.modules[name] = None  # importing it fails, as if it were not installed
from search_api.cli import main
main()
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_without_torch(tmp_path: Path) -> Run:
    """A function (word, …, **variables) → `marklens` with these words, and no PyTorch."""

    def run(*words: object, **variables: object) -> "subprocess.CompletedProcess[str]":
        environment = {
            "MARKLENS_DATA_DIR": str(tmp_path / "data"),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            **{name: str(value) for name, value in variables.items()},
        }
        return subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", _BLOCKED, *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.mark.slow
def test_indexing_searching_and_explaining_need_no_torch(
    run_without_torch: Run, source: Path, tmp_path: Path
) -> None:
    indexed = run_without_torch("index", source, "--json")
    assert json.loads(indexed.stdout)["indexed"] == 8, indexed.stderr
    found = run_without_torch("search", source / "3.png", "-k", 2, "--json")
    assert json.loads(found.stdout)["hits"][0]["id"] == "EM-3", found.stderr
    sheet = tmp_path / "where.png"
    explained = run_without_torch("classify", source / "3.png", "--explain", sheet)
    assert explained.returncode == 0, explained.stderr
    with Image.open(sheet) as drawn:
        assert drawn.width >= 2 * 224


@pytest.mark.parametrize(
    ("words", "purpose"),
    [
        (("train", "--labels", "a.csv", "--images", "a", "--out", "b"), "`marklens train`"),
        (("evaluate", "classify", "--labels", "a.csv", "--images", "a"), "`marklens evaluate`"),
        (("evaluate", "retrieve", "--groups", "a.csv", "--images", "a"), "`marklens evaluate`"),
    ],
)
def test_what_needs_the_extra_says_so(
    run_without_torch: Run, words: tuple[str, ...], purpose: str
) -> None:
    done = run_without_torch(*words)
    assert done.returncode == 1
    assert done.stderr.startswith(f"marklens: {purpose} needs ")
    assert "make train" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_network_without_openvino_model_says_that_it_needs_torch(
    run_without_torch: Run, source: Path, tiny_checkpoint: Path
) -> None:
    done = run_without_torch("index", source, MARKLENS_CHECKPOINT=tiny_checkpoint)
    assert done.returncode == 1
    assert "a network without OpenVINO model needs torch" in done.stderr
    assert len(done.stderr.splitlines()) == 1
