"""`marklens export`: the register as a table, and its pictures."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from search_api.cli.console import opened, print_plain
from search_api.cli.progress import progress

File = Annotated[
    Path,
    typer.Argument(
        help="The table to write; its suffix says the format: .csv, .jsonl or .parquet.",
        metavar="FILE",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder to copy the pictures to, named by their SHA-256; without it the table refers "
        "to the pictures in the data folder.",
        metavar="FOLDER",
    ),
]
ForSpreadsheets = Annotated[
    bool,
    typer.Option(
        "--for-spreadsheets",
        help="Write a CSV that Excel opens rightly: with a byte order mark, and an apostrophe "
        "before words that it would run as a formula.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def export(
    context: typer.Context,
    file: File,
    images: Images = None,
    for_spreadsheets: ForSpreadsheets = False,
    as_json: AsJson = False,
) -> None:
    """Write the register into a table that `marklens index` reads back to the same register.

    It holds every mark with its words, owner, dates, classes and codes, streamed whatever their
    number; searches and indexing go on meanwhile. FILE appears once it is complete.
    """
    from indexer.export import export as write_table

    with (
        opened(context) as marklens,
        progress(f"exporting to {file.name}", quiet=as_json) as advance,
    ):
        report = write_table(
            marklens.register,
            marklens.images,
            file,
            images,
            on_progress=lambda done, total: advance(done, total, done),
            for_spreadsheets=for_spreadsheets,
        )
    summary = {
        "marks": report.marks,
        "pictures": report.pictures,
        "file": str(file),
        "images": str(report.images),
    }
    if as_json:
        print_plain(json.dumps(summary, indent=2))
    else:
        print_plain(f"{report.marks:,} marks with {report.pictures:,} pictures in {file}")
        again = shlex.join(["marklens", "index", str(file), "--images", str(report.images)])
        print_plain(f"read them back with: {again}")


COMMANDS = (export,)
