"""A report as the bytes of a format, or as a file."""

from pathlib import Path
from typing import Literal, get_args

from indexer.errors import BadQuery
from indexer.register.durable import sync_folder, write_to_disk
from models.errors import MarkLensError
from search_api.report.contents import Report

ReportFormat = Literal["pdf", "xlsx", "csv"]
FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)
MEDIA_TYPES: dict[ReportFormat, str] = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}


def format_of(file: Path) -> ReportFormat:
    """The format that a file's name asks for.

    Raises:
        BadQuery: it is none of .pdf, .xlsx and .csv.
    """
    suffix = file.suffix.lower().removeprefix(".")
    for one in FORMATS:
        if one == suffix:
            return one
    raise BadQuery(f"{file.name}: name the report .pdf, .xlsx or .csv")


def report_bytes(report: Report, format: ReportFormat) -> bytes:
    """Write a report; the same report gives the same bytes."""
    # Imported when asked for: laying out a page takes a library that no search needs.
    if format == "pdf":
        from search_api.report.pdf import as_pdf

        return as_pdf(report)
    if format == "xlsx":
        from search_api.report.xlsx import as_xlsx

        return as_xlsx(report)
    from search_api.report.csv_table import as_csv

    return as_csv(report)


def write_report(report: Report, file: Path) -> None:
    """Write a report into a file, whose name says the format; it appears once it is complete.

    Raises:
        BadQuery: the name says no format.
        MarkLensError: the disk refuses.
    """
    content = report_bytes(report, format_of(file))
    unfinished = file.with_name(f".{file.name}.new")
    try:
        write_to_disk(unfinished, content)
        unfinished.replace(file)
        sync_folder(file.parent)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise MarkLensError(f"cannot write {file}: {error.strerror or error}") from error
