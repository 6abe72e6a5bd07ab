"""A report as an Excel workbook: a sheet on the search, and one of the marks with pictures."""

import io
from datetime import UTC, date, datetime, time
from typing import Any

import xlsxwriter
from PIL import Image

from search_api.report.columns import Cell, columns_of
from search_api.report.contents import TITLE, Report

_SIDE = 240  # pixels of a mark's picture as stored; it is shown at a third of that
_SHOWN = 80
_ROW_POINTS = 66.0
_LINE_POINTS, _MOST_POINTS = 15.0, 409.0  # Excel's own
_MAX_TEXT = 32_767  # characters of a cell: Excel's own limit


def as_xlsx(report: Report) -> bytes:
    """Write a report; the same report gives the same bytes."""
    stream = io.BytesIO()
    # Texts stay texts: words such as "=SUM" or "http://…" are neither formula nor link.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    book = xlsxwriter.Workbook(stream, options)
    book.set_properties(
        {
            "title": report.language.say(TITLE),
            "author": report.fact("Made with"),
            "created": datetime.combine(report.day, time(), UTC),
        }
    )
    _write_search(book, report)
    _write_marks(book, report)
    book.close()
    return stream.getvalue()


def _write_search(book: Any, report: Report) -> None:
    say = report.language.say
    sheet = book.add_worksheet(say("Search"))
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 90)
    title = book.add_format({"bold": True, "font_size": 16})
    name = book.add_format({"bold": True, "valign": "top", "font_color": "#475467"})
    value = book.add_format({"text_wrap": True, "valign": "top"})
    sheet.write_string(0, 0, say(TITLE), title)
    lines = [(say("Date"), report.day.isoformat()), *report.lines()]
    for row, (label, text) in enumerate(lines, start=2):
        sheet.write_string(row, 0, label, name)
        sheet.write_string(row, 1, text[:_MAX_TEXT], value)
    if report.picture is not None:
        _insert(sheet, (len(lines) + 3, 1), report.picture, 320, say("Query picture"))
    _fit_on_paper(sheet, report)


def _write_marks(book: Any, report: Report) -> None:
    say = report.language.say
    sheet = book.add_worksheet(say("Marks"))
    columns = columns_of(report)
    head = book.add_format({"bold": True, "bg_color": "#F2F4F7", "bottom": 1, "valign": "vcenter"})
    formats = {
        "text": book.add_format({"text_wrap": True, "valign": "top"}),
        "score": book.add_format({"num_format": "0.000", "valign": "top"}),
        "day": book.add_format({"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"}),
    }
    sheet.write_string(0, 0, say("Picture"), head)
    sheet.set_column(0, 0, 13)
    for at, column in enumerate(columns, start=1):
        sheet.write_string(0, at, say(column.title), head)
        sheet.set_column(at, at, column.width)
    for row, one in enumerate(report.marks, start=1):
        cells = [column.value(one) for column in columns]
        widths = [column.width for column in columns]
        sheet.set_row(row, max(_ROW_POINTS, *map(_points, cells, widths)))
        picture = report.picture_of(one.mark, _SIDE)
        if picture is not None:
            _insert(sheet, (row, 0), picture, _SHOWN, one.mark.record.id)
        for at, cell in enumerate(cells, start=1):
            _write_cell(sheet, (row, at), cell, formats)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(1, len(report.marks)), len(columns))
    _fit_on_paper(sheet, report)


def _points(cell: Cell, width: int) -> float:
    """How high a cell is in points, so that all of its text is seen, up to Excel's most."""
    if not isinstance(cell, str):
        return 0.0
    lines = sum(1 + len(line) // width for line in cell.splitlines())
    return min(_LINE_POINTS * lines, _MOST_POINTS)


def _write_cell(sheet: Any, at: tuple[int, int], cell: Cell, formats: dict[str, Any]) -> None:
    match cell:
        case None:
            return
        case date():
            sheet.write_datetime(*at, cell, formats["day"])
        case float():
            sheet.write_number(*at, cell, formats["score"])
        case int():
            sheet.write_number(*at, cell, formats["text"])
        case _:
            sheet.write_string(*at, cell[:_MAX_TEXT], formats["text"])


def _fit_on_paper(sheet: Any, report: Report) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    pages = report.language.say("Page %(page)s of %(pages)s", page="&P", pages="&N")
    sheet.set_footer(f"&L&F&R{pages}")


def _insert(
    sheet: Any, at: tuple[int, int], picture: Image.Image, side: int, description: str
) -> None:
    file = io.BytesIO()
    picture.save(file, "PNG")
    scale = min(side / max(picture.size), 1.0)
    options = {
        "image_data": file,
        "x_scale": scale,
        "y_scale": scale,
        "x_offset": 4,
        "y_offset": 4,
        "description": description,
        "object_position": 1,  # moves and sizes with its cell: sorting keeps them together
    }
    sheet.insert_image(*at, "picture.png", options)
