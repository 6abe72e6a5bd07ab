"""`marklens words`: reading the words that stand in pictures."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from search_api.cli.console import (
    INTERRUPTED,
    AsJson,
    opened,
    print_plain,
    print_table,
    print_to_stderr,
)
from search_api.cli.index import stop_at_signal
from search_api.cli.progress import progress

words = typer.Typer(help="Read the words in pictures; needs the extra words.", no_args_is_help=True)


@words.command()
def show(
    context: typer.Context,
    image: Annotated[Path, typer.Argument(help="A picture.", metavar="IMAGE")],
    page: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, help="Page of a TIFF or PDF, counted from 1.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Show the words in a picture: what to give a search as --text."""
    from search_api.query_schemas import WordsResponse
    from search_api.request import View

    with opened(context, create=True) as marklens:
        found = WordsResponse.of(marklens.queries.read(image, View(page=page)))
    if as_json:
        print_plain(found.model_dump_json(indent=2))
        return
    rows = [(f"{line.confidence:.2f}", line.text) for line in found.read_words]
    if rows:
        print_table(f"words in {image}", ("confidence", "text"), rows)
    else:
        print_plain(f"no words in {image}")


@words.command()
def read(context: typer.Context, as_json: AsJson = False) -> None:
    """Read the pictures of the register's marks that came without words.

    Searches find these marks by what was read, and say that it was. Servers may run meanwhile.
    Ctrl-C ends after the pictures in hand; running again goes on there.
    """
    from indexer.ingest.read_words import read_words

    with (
        stop_at_signal() as stop,
        opened(context) as marklens,
        progress("reading words", quiet=as_json) as advance,
    ):
        report = read_words(
            marklens.register,
            marklens.images,
            lambda done, total: advance(done, total, done),
            stop.is_set,
        )
    for mark_id, reason in report.skipped:
        print_to_stderr(f"{mark_id} is not read: {reason}")
    if as_json:
        skipped = [{"id": mark_id, "reason": reason} for mark_id, reason in report.skipped]
        print_plain(json.dumps({**asdict(report), "skipped": skipped}, indent=2))
    else:
        print_plain(f"words were read in {report.with_words:,} of {report.read:,} pictures")
    if report.interrupted:
        print_to_stderr("stopped; go on with: marklens words read")
        raise typer.Exit(INTERRUPTED)
