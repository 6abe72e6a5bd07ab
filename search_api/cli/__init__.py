"""The command line `marklens`: one file a command group, everything slow imported inside commands.

Results go to stdout; progress, warnings and errors to stderr. Exit code 2 says "your input",
1 "the set-up or the machine", 130 "interrupted".
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from search_api.cli import audit, export, index, mcp, register, search, serve, train, verify, vienna
from search_api.cli.console import Commands, Context, print_plain, print_to_stderr
from search_api.cli.evaluate import evaluate
from search_api.cli.keys import keys
from search_api.cli.watch import watch
from search_api.cli.words import words
from search_api.log_records import keep_secrets_out

__all__ = ["app", "main"]

app = typer.Typer(
    name="marklens",
    cls=Commands,
    help="Search engine for figurative trademarks: similar marks by picture, Vienna codes and "
    "filters.",
    epilog="Settings come from MARKLENS_… environment variables; `marklens COMMAND --help` "
    "shows a command's options.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (serve, index, search, vienna, register, verify, train, export, audit, mcp):
    for command in group.COMMANDS:
        app.command()(command)
app.add_typer(evaluate, name="evaluate")
app.add_typer(watch, name="watch")
app.add_typer(keys, name="keys")
app.add_typer(words, name="words")


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the register, its pictures and its index; by default "
            "MARKLENS_DATA_DIR, else marklens-data.",
        ),
    ] = None,
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.")
    ] = False,
) -> None:
    if show_version:
        from models.version import marklens_version

        print_plain(f"marklens {marklens_version()}")
    elif context.invoked_subcommand is None:
        print_plain(context.get_help())
    context.obj = Context(data_dir)
    keep_secrets_out()


def main() -> None:
    """Run the command line; the script `marklens`."""
    _open_streams()
    if sys.platform == "win32":
        # No fork and no resource limits for drawing an SVG, no fsync of a folder.
        print_to_stderr("MarkLens runs on Linux and macOS; on Windows, run it in WSL")
        sys.exit(1)
    app()


def _open_streams() -> None:
    """Let output go on where stdout or stderr is closed, or cannot show a sign."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            # It takes the descriptor that is free; a register's file must not be opened as it.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
        else:
            stream.reconfigure(errors="replace")
