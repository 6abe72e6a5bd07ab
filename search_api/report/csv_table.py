"""A report as CSV: a row a mark, and behind it in each row what was searched, and when.

A spreadsheet runs a cell that begins as a formula does, so formulas are neutralised. XLSX needs
none of that: it says of each cell that it is a text.
"""

import csv
import io
from collections.abc import Sequence

from indexer.formulas import neutralised
from search_api.report.columns import Cell, columns_of
from search_api.report.contents import Report, seen_as_text


def guarded(cell: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula; numbers and days stay."""
    return neutralised(cell) if isinstance(cell, str) else cell


def csv_rows(rows: Sequence[Sequence[Cell]]) -> bytes:
    """Rows as UTF-8 with a byte order mark, without which spreadsheets read umlauts wrongly."""
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([[guarded(cell) for cell in row] for row in rows])
    return stream.getvalue().encode("utf-8-sig")


def as_csv(report: Report) -> bytes:
    """Write a report; without marks it has one row, which says what was searched."""
    columns = columns_of(report)
    facts = [
        ("date", report.day.isoformat()),
        *((one.name.lower().replace(" ", "_"), one.value) for one in report.facts),
        ("codes_seen", seen_as_text(report)),
    ]
    header = [*(column.name for column in columns), *(f"report_{name}" for name, _ in facts)]
    said = [value for _, value in facts]
    marks = [[column.value(one) for column in columns] for one in report.marks]
    rows = marks or [[None] * len(columns)]
    return csv_rows([header, *([*row, *said] for row in rows)])
