"""What the Makefile does, and what errors say of it."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from models.errors import MissingPackage

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_clean_removes_the_demo_and_no_register_of_the_users(tmp_path: Path) -> None:
    for name in ("environment/bin/python", "marklens-data/register.db", "marklens-data/demo/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    command = ["make", "--file", str(ROOT / "Makefile"), "clean", "VENV=environment"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)  # noqa: S603 - our own
    left = [file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()]
    assert left == [Path("marklens-data/register.db")]


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_missing_package_names_only_targets_of_make_that_exist(extra: str) -> None:
    with pytest.raises(MissingPackage) as raised:
        MissingPackage.check("no_such_package", extra, "this")
    assert f"pip install '.[{extra}]'" in str(raised.value)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make ([a-z-]+)", str(raised.value))) <= {*targets}
