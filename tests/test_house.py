"""The rules of the house that no linter knows: lengths, names, and who may import whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("models", "indexer", "search_api", "marklens")
MOST_LINES, MOST_FUNCTION_LINES = 400, 40
# A migration lists tables from top to bottom and is never edited again.
TABLE_LISTS = ROOT / "indexer" / "register" / "migrations"
# Names that say nothing of what is inside.
FORBIDDEN = frozenset(("utils", "helpers", "common", "base", "core", "manager"))

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files_of(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_without_docstring(function: Function) -> int:
    """From `def` to the last line; decorators and the docstring do not count."""
    last = function.end_lineno or function.lineno
    lines = last - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_the_measure_counts_code_and_not_docstrings() -> None:
    source = '@mark\ndef f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    return a\n'
    assert [lines_without_docstring(f) for f in functions(ast.parse(source))] == [4]


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_files_and_functions_stay_short_enough_to_read(room: str) -> None:
    too_long = []
    for file in files_of(room):
        text = file.read_text(encoding="utf-8")
        where = file.relative_to(ROOT)
        count = len(text.splitlines())
        if count > MOST_LINES:
            too_long.append(f"{where}: {count} lines")
        if TABLE_LISTS in file.parents:
            continue
        too_long += [
            f"{where}:{function.lineno} {function.name}: {lines} lines"
            for function in functions(ast.parse(text))
            if (lines := lines_without_docstring(function)) > MOST_FUNCTION_LINES
        ]
    assert not too_long, "\n".join(too_long)


@pytest.mark.parametrize("room", ROOMS)
def test_module_names_say_what_is_inside(room: str) -> None:
    places = [ROOT / room, *files_of(room), *(ROOT / room).rglob("*/")]
    named = {place.relative_to(ROOT) for place in places if place.stem.strip("_") in FORBIDDEN}
    assert not named


def test_tests_are_not_packages_that_shadow_the_rooms() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_test_files_have_names_of_their_own() -> None:
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))


def test_rooms_import_only_downwards() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.skip("import-linter is not installed (make test installs it)")
    command = [str(linter), "--no-logo", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stdout + done.stderr
