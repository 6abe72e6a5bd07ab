"""What the command line says of itself: help, its page, guesses at what was meant."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from search_api.cli import app, main

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
MEASURES = ("evaluate classify", "evaluate retrieve")
HEAVY = ("rich", "torch", "openvino", "faiss", "sqlalchemy", "fastapi", "uvicorn", "numpy", "PIL")

Run = Callable[..., Any]
Complaint = Callable[[Any], str]


@pytest.mark.parametrize("command", [*COMMANDS, *MEASURES])
def test_every_command_explains_itself_and_each_option(command: str) -> None:
    parameters: Any = typer.main.get_command(app)
    for word in command.split():
        parameters = parameters.commands[word]
    assert parameters.help
    page = PAGE.read_text("utf-8")
    assert f"## marklens {command}\n" in page
    section = page.split(f"## marklens {command}\n")[1].split("\n## ")[0]
    for parameter in parameters.params:
        if parameter.name != "help":
            assert parameter.help, parameter.name
            shown = parameter.opts[0] if parameter.param_type_name == "option" else "`"
            assert shown in section
            # Typer up to 0.27 spells an option like its metavar, where they differ in case alone.
            assert parameter.param_type_name != "option" or shown == shown.lower()
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert parameters.help.split("\n")[0] in " ".join(shown.stdout.split())


def test_the_commands_are_those_of_the_design() -> None:
    assert {
        *("demo", "index", "search", "classify", "serve", "status", "rebuild", "verify", "export"),
        *("compose", "train", "evaluate", "watch", "keys", "audit", "mcp", "vienna", "words"),
    } == set(COMMANDS)


def test_the_page_of_the_command_line_is_what_make_docs_would_write() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "write_cli_docs.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


def test_every_row_of_a_table_has_the_cells_of_its_heading() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", PAGE.read_text("utf-8"), re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from search_api.cli import main\n"
        "sys.argv = ['marklens', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "Usage: marklens" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_no_command_shows_the_help_and_a_misspelt_one_is_guessed(
    run: Run, complaint: Complaint
) -> None:
    assert "Commands:" in run().stdout
    failed = run("serch")
    assert failed.exit_code == 2
    assert "Did you mean" in complaint(failed)
    assert run("--version").stdout.startswith("marklens ")


def test_windows_is_told_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    assert "Linux and macOS" in capsys.readouterr().err
