"""`marklens search --report`: a search as a report for the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_api.cli.console import print_plain

if TYPE_CHECKING:
    from search_api.marklens import MarkLens
    from search_api.request import SearchRequest


def keyword_option(name: str, kind: Any, option: Any) -> Parameter:
    """An option that a decorator adds to a command."""
    annotation = Annotated[kind, option]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


REPORT_OPTIONS = (
    keyword_option(
        "report",
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a report of the search, with pictures, instead of listing its marks; the "
            "name says the format: .pdf, .xlsx or .csv.",
        ),
    ),
    keyword_option(
        "shortlist",
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="A mark that the report is to have, instead of the first -k. May be repeated.",
        ),
    ),
    keyword_option(
        "note",
        list[str] | None,
        typer.Option(metavar="ID=TEXT", help="What the report says of a mark. May be repeated."),
    ),
    keyword_option(
        "report_date",
        str | None,
        typer.Option(metavar="DATE", help="The report's date, by default today's (UTC)."),
    ),
    keyword_option(
        "language",
        str | None,
        typer.Option(metavar="CODE", help="The report's language: en (by default) or fr."),
    ),
)


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What was said of a report on the command line."""

    file: Path
    shortlist: tuple[str, ...]
    notes: Mapping[str, str]
    day: date | None
    language: str

    @classmethod
    def taken_from(cls, options: dict[str, Any]) -> "ReportOptions | None":
        """Take the `REPORT_OPTIONS` out of all of a command's; None where no report is asked for.

        Raises:
            typer.BadParameter: one cannot be read, or is given without --report; or --out is, too.
            BadQuery: the file's name says no format.
        """
        file, shortlist, notes, day, language = (options.pop(one.name) for one in REPORT_OPTIONS)
        if file is None:
            if shortlist or notes or day or language:
                raise typer.BadParameter(
                    "--shortlist, --note, --report-date and --language are about a report: add "
                    "--report FILE"
                )
            return None
        if options.get("out") is not None:
            raise typer.BadParameter("give --report for one search, or --out for many, not both")
        from search_api.report.writing import format_of

        format_of(file)
        if not file.parent.is_dir():
            raise typer.BadParameter(f"there is no folder {file.parent} for the report")
        return cls(
            file, tuple(shortlist or ()), dict(map(_note, notes or ())), _day(day), language or "en"
        )


def write_report_of(
    marklens: "MarkLens", request: "SearchRequest", options: ReportOptions, *, as_json: bool
) -> None:
    """Search, write the report and say where it is."""
    from search_api.report.contents import ReportRequest, make_report
    from search_api.report.writing import write_report

    asked = ReportRequest(
        request, options.shortlist, options.notes, options.day, language=options.language
    )
    report = make_report(marklens, asked)
    write_report(report, options.file)
    if as_json:
        summary = {"report": str(options.file), "marks": len(report.marks)}
        print_plain(json.dumps(summary, indent=2))
    else:
        print_plain(f"{len(report.marks):,} marks in {options.file}")


def _note(text: str) -> tuple[str, str]:
    mark_id, equals, note = text.partition("=")
    if not equals or not mark_id or not note.strip():
        raise typer.BadParameter(f"{text[:80]!r}: write --note ID=TEXT")
    return mark_id, note


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a date like 2024-01-31") from error
