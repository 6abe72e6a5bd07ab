"""`import marklens`: cheap, complete and typed."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import marklens

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "openvino", "faiss", "sqlalchemy", "pydantic", "fastapi", "numpy", "PIL")


def run(program: str) -> str:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603
    return done.stdout


def test_importing_it_loads_nothing_heavy() -> None:
    loaded = f"import marklens, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run(loaded) == "[]\n"


def test_every_name_that_type_checkers_see_is_there() -> None:
    tree = ast.parse(Path(marklens.__file__).read_text("utf-8"))
    typed = [
        (node.module, one.name)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for one in node.names
    ]
    assert sorted(name for _, name in typed) == dir(marklens)
    assert {"MarkLens", "Filter", "ViennaCode", "SearchRequest", "Answer"} <= set(dir(marklens))
    for module, name in typed:
        assert getattr(marklens, name) is getattr(sys.modules[module or ""], name)
    assert marklens.__version__
    with pytest.raises(AttributeError, match="Marklens"):
        _ = marklens.Marklens


def test_every_package_of_the_wheel_says_that_it_is_typed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert "marklens" in packages
    assert [name for name in packages if not (ROOT / name / "py.typed").is_file()] == []


@pytest.mark.slow
def test_the_example_of_the_readme_passes_a_type_checker(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    example = next(code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL))
    assert "answer.hits" in example
    file = tmp_path / "example.py"
    file.write_text(f"{example}\nreveal_type(answer.plan.matched)\n", "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", ".cache"]
    done = subprocess.run(  # noqa: S603
        [*command, str(file)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    assert 'Revealed type is "int"' in done.stdout.replace("builtins.", "")
