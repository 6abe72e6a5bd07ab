"""Output and errors of every command: results to stdout, warnings and errors to stderr."""

import sys
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, cast

import typer
from typer.core import TyperGroup

from models.errors import MarkLensError
from models.redaction import redacted

if TYPE_CHECKING:
    from search_api.marklens import MarkLens
    from search_api.settings import Settings

BAD_INPUT = 2
INTERRUPTED = 130
_PIPED_WIDTH = 200  # columns of a table that no terminal limits
_WIDE = 40  # columns of a cell; texts that are longer may go on in the next line
# Typer carries its own copy of Click from some version on; either way this is the class.
_UsageFault = cast(
    type[typer.BadParameter],
    next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"),
)


@dataclass(frozen=True, slots=True)
class Context:
    """What was given before the command's name."""

    data_dir: Path | None = None

    def settings(self, **overrides: Any) -> "Settings":
        """The environment's settings with what the command line says on top.

        Raises:
            BadSettings: one cannot be used.
        """
        from search_api.settings import Settings

        return Settings.read(data_dir=self.data_dir, **overrides)


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option("--device", metavar="DEVICE", help="auto takes a GPU if there is one."),
]
PictureFolder = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the pictures.")]


def opened(context: typer.Context, *, create: bool = False) -> "MarkLens":
    """Open the register that was named; `create` makes it where there is none."""
    from search_api.marklens import MarkLens

    given: Context = context.obj
    return MarkLens.open(given.settings(), create)


class Commands(TyperGroup):
    """The command group: every failure becomes one plain sentence and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run, and leave with the exit code."""
        extra["standalone_mode"] = False  # else Click itself would print its errors, its own way
        try:
            result = super().main(*args, **extra)
        except MarkLensError as error:
            from search_api.errors import problem_for

            print_to_stderr(str(error))
            sys.exit(problem_for(error).exit_code)
        except _UsageFault as error:
            print_to_stderr(error.format_message())
            sys.exit(error.exit_code)
        except typer.Abort:
            print_to_stderr("stopped")
            sys.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001 - the last stop: nobody shall see a traceback
            print_unexpected(error)
            sys.exit(1)
        sys.exit(result if isinstance(result, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C that it does not tell of itself is told of here."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_to_stderr("stopped")
            raise typer.Exit(INTERRUPTED) from None


def print_to_stderr(sentence: str) -> None:
    """Print a progress line, a warning or an error to stderr."""
    _write(sys.stderr, f"marklens: {plain(sentence)}\n")


def print_unexpected(error: Exception) -> None:
    """Say on stderr what nobody thought of, and keep its traceback for a bug report."""
    print_to_stderr(
        redacted(f"unexpected {type(error).__name__}: {error}") + f" (details: {_keep_details()})"
    )


def print_plain(text: str) -> None:
    """Print a result as it is, lines and all."""
    _write(sys.stdout, text + "\n")


def counted(number: int, thing: str) -> str:
    """So many of a thing: ``1 row``, ``1,900 rows``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    spare: Sequence[str] = (),
) -> None:
    """Print a result as a table; numbers are set to the right.

    Args:
        title: printed before it.
        columns: their names.
        rows: a cell for each column.
        spare: columns that are left out, one after the other, until the table fits the terminal.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    console = Console(file=sys.stdout, width=width, highlight=False)
    shown = [[plain(cell if isinstance(cell, str) else str(cell)) for cell in row] for row in rows]
    cells = {name: [row[at] for row in shown] for at, name in enumerate(columns)}
    widths = {
        name: 1 + min(_WIDE, max(map(cell_len, (name, *below)))) for name, below in cells.items()
    }
    for name in spare:
        if sum(widths.values()) <= console.width + 1:  # no blank after the last column
            break
        del widths[name]
    table = Table(box=None, pad_edge=False)
    for name in widths:
        is_number = all(cell.replace(".", "").lstrip("-").isdigit() for cell in cells[name])
        table.add_column(
            Text(name), justify="right" if shown and is_number else "left", overflow="fold"
        )
    for row in zip(*(cells[name] for name in widths), strict=True):
        table.add_row(*map(Text, row))
    print_plain(plain(title))
    console.print(table)


def plain(text: str) -> str:
    """A text that cannot steer the terminal: tables of marks come from anywhere."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _write(stream: Any, text: str) -> None:
    stream.write(text)
    stream.flush()


def _keep_details() -> Path:
    """Write the traceback where a bug report can take it from."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="marklens-", suffix=".log", encoding="utf-8", delete=False
    ) as file:
        file.write(redacted(traceback.format_exc()))
    return Path(file.name)
