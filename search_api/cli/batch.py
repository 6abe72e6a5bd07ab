"""`marklens search FOLDER --out`: a search with each picture of a folder or table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from search_api.cli.console import BAD_INPUT, INTERRUPTED, print_plain, print_to_stderr
from search_api.cli.index import stop_at_signal
from search_api.cli.progress import progress
from search_api.cli.report import keyword_option

if TYPE_CHECKING:
    from search_api.batch.running import BatchReport
    from search_api.marklens import MarkLens
    from search_api.request import SearchRequest

BATCH_OPTIONS = (
    keyword_option(
        "out",
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Search with each picture of IMAGE: a folder or zip file of pictures, or a table "
            "that names them in its column image (and what each is called in id). Write all "
            "results into a .csv, .xlsx or .jsonl, or into a folder, one PDF report each. A run "
            "that was stopped goes on where it was.",
        ),
    ),
    keyword_option(
        "images",
        Path | None,
        typer.Option(
            metavar="FOLDER", help="With --out: folder or zip file of the table's pictures."
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """What was said of a batch on the command line."""

    source: Path
    out: Path
    images: Path | None

    @classmethod
    def taken_from(cls, options: dict[str, Any], given: Sequence[Path]) -> "BatchOptions | None":
        """Take the `BATCH_OPTIONS` out of all of a command's; None where one picture is searched.

        Raises:
            typer.BadParameter: they do not go together.
        """
        out, images = (options.pop(one.name) for one in BATCH_OPTIONS)
        source = given[0] if given else None
        if out is not None and len(given) > 1:
            raise typer.BadParameter("--out takes one folder or table of pictures")
        if out is None:
            if source is not None and source.is_dir():
                raise typer.BadParameter(f"{source} is a folder: add --out for all its pictures")
            if images is not None:
                raise typer.BadParameter("--images is about a table of pictures: add --out")
            return None
        if source is None:
            raise typer.BadParameter("--out needs a folder or a table of pictures")
        if not out.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {out.parent} for the results")
        return cls(source, out, images)


def run_batch_of(
    marklens: "MarkLens", request: "SearchRequest", options: BatchOptions, *, as_json: bool
) -> None:
    """Search with each picture, with progress on stderr; exit code 2 where one was unreadable."""
    from search_api.batch.running import BatchRequest, run_batch

    asked = BatchRequest(options.source, options.out, request, options.images)
    title = f"searching with {options.source.name}"
    with stop_at_signal() as stop, progress(title, unit="pictures", quiet=as_json) as advance:

        def show(done: int, total: int, unreadable: Sequence[tuple[str, str]]) -> None:
            advance(done, total, done, f"{len(unreadable):,} unreadable" if unreadable else "")

        report = run_batch(marklens, asked, stop.is_set, show)
    for warning in report.warnings:
        print_to_stderr(warning)
    for name, reason in report.unreadable:
        print_to_stderr(reason if reason.startswith(name) else f"{name}: {reason}")
    _print_summary(report, options.out, as_json=as_json)
    if report.interrupted:
        print_to_stderr("stopped; the same command goes on where it was")
        raise typer.Exit(INTERRUPTED)
    if report.unreadable:
        raise typer.Exit(BAD_INPUT)


def _print_summary(report: "BatchReport", out: Path, *, as_json: bool) -> None:
    if as_json:
        fields = asdict(report) | {"out": str(out)}
        fields["unreadable"] = [
            {"image": name, "reason": reason} for name, reason in report.unreadable
        ]
        print_plain(json.dumps(fields, indent=2))
        return
    before = f", {report.skipped:,} done before" if report.skipped else ""
    print_plain(
        f"{report.searched:,} pictures searched{before}, {len(report.unreadable):,} unreadable; "
        f"results in {out}"
    )
