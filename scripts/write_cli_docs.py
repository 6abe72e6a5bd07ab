"""Write docs/cli.md from the commands and the settings themselves.

python scripts/write_cli_docs.py            rewrite the page
python scripts/write_cli_docs.py --check    exit 1 if it is not what would be written
"""

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
INTRODUCTION = """\
# The command line

Results go to stdout; progress, warnings and errors to stderr, an error as one plain sentence. The
exit code is 0 when all went well, 2 when the input is at fault, 1 when the set-up or the machine
is, and 130 after Ctrl-C. With `--json` a command prints one JSON object and nothing else.

This page is written by `make docs`.
"""
_VARIABLES = (
    "Environment variables; what a command line says wins. An empty one counts as unset; a "
    "`MARKLENS_…` that is no setting is warned of."
)


def page() -> str:
    """The whole page."""
    from search_api.cli import app
    from search_api.settings import Settings

    group = typer.main.get_command(app)
    lines = [INTRODUCTION, *_options(group)]
    for name, command in _named(group, ""):
        lines += [f"## marklens {name}", "", "```", _usage(name, command), "```", ""]
        lines += [inspect.cleandoc(command.help or ""), "", *_options(command)]
    lines += ["## Settings", "", _VARIABLES, ""]
    lines += ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `MARKLENS_{name.upper()}` | {default} | {_cell(field.description)} |")
    return "\n".join(lines) + "\n"


def _named(group: Any, above: str) -> Iterator[tuple[str, Any]]:
    """Every command, those of a group behind it, with the words that call it."""
    for name, command in group.commands.items():
        yield above + name, command
        if hasattr(command, "commands"):
            yield from _named(command, f"{above}{name} ")


def _usage(name: str, command: Any) -> str:
    if hasattr(command, "commands"):
        return f"marklens {name} {'|'.join(command.commands)}"
    arguments = (parameter for parameter in command.params if not _is_option(parameter))
    shown = (
        _metavar(parameter) if parameter.required else f"[{_metavar(parameter)}]"
        for parameter in arguments
    )
    return " ".join(["marklens", name, "[OPTIONS]", *shown])


def _options(command: Any) -> Iterator[str]:
    parameters = [parameter for parameter in command.params if parameter.name != "help"]
    if not parameters:
        return
    yield "| | default | |"
    yield "|---|---|---|"
    for parameter in parameters:
        shown = _metavar(parameter)
        if _is_option(parameter):
            value = "" if parameter.is_flag else f" {shown}"
            shown = ", ".join(parameter.opts) + value
        default = parameter.default
        plain = "" if default in (None, False, ()) or default is ... else f"`{default}`"
        yield f"| `{_cell(shown)}` | {plain} | {_cell(parameter.help)} |"
    yield ""


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = page()
    if not check:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(wanted, "utf-8")
    elif not PAGE.is_file() or PAGE.read_text("utf-8") != wanted:
        sys.stderr.write("docs/cli.md is not up to date: run make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
