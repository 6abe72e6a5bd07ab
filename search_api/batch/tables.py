"""All results of a batch as one table: a row a mark found, or a line of JSON a picture."""

import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from indexer.marks import MARK_FIELDS, FieldKind
from indexer.register.durable import write_to_disk
from models.errors import MarkLensError
from search_api.report.columns import Cell
from search_api.report.contents import Fact
from search_api.report.csv_table import csv_rows

SUFFIXES = (".csv", ".xlsx", ".jsonl")
_FIELDS = tuple(one for one in MARK_FIELDS if one.name != "image_name")
_MOST_ROWS = 1_048_576  # Excel's own limit
_WIDEST = 400  # pixels of a column
_NEAR = ("score", "probability", "band")


def write_table(
    file: Path, lines: Iterable[dict[str, Any]], blocks: list[str], facts: Sequence[Fact]
) -> None:
    """Write the results of a journal's lines into a file, whose suffix is one of `SUFFIXES`.

    Args:
        file: to be written.
        lines: of the journal.
        blocks: names of the scores that each hit has.
        facts: what was asked of each picture, when, and of which network.

    Raises:
        MarkLensError: a workbook's sheet cannot hold so many rows.
        OSError: the disk refuses.
    """
    if file.suffix.lower() == ".jsonl":
        shown = ("id", "image", "error", "query", "plan", "better_than_chance", "hits")
        said = {_name(one): one.value for one in facts}
        with file.open("w", encoding="utf-8", newline="\n") as stream:
            for line in lines:
                picked = {name: line[name] for name in shown if name in line} | {"search": said}
                stream.write(json.dumps(picked, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        return
    header = [
        *(
            "query",
            "query_image",
            "query_codes",
            "error",
            "rank",
            "score",
            "probability",
            "band",
            *blocks,
        ),
        *(one.column for one in _FIELDS),
        "register_sequence",
    ]
    rows = (row for line in lines for row in _rows(line, blocks))
    if file.suffix.lower() == ".csv":  # which has but one sheet
        header += [f"report_{_name(one)}" for one in facts]
        values = [one.value for one in facts]
        write_to_disk(file, csv_rows([header, *([*row, *values] for row in rows)]))
    else:
        write_to_disk(file, _workbook(header, rows, facts))


def _name(fact: Fact) -> str:
    return fact.name.lower().replace(" ", "_")


def _rows(line: dict[str, Any], blocks: list[str]) -> Iterator[list[Cell]]:
    """A row a hit; one row for a picture without any."""
    seen = line.get("query", {}).get("vienna", ())
    codes = "; ".join(f"{one['code']} {one['title']} ({one['probability']:.0%})" for one in seen)
    query: list[Cell] = [line["id"], line["image"], codes or None, line.get("error")]
    sequence = line["plan"]["sequence"] if "plan" in line else None
    nothing: list[Cell] = [None] * (4 + len(blocks) + len(_FIELDS))
    for rank, hit in enumerate(line.get("hits", ()), start=1):
        scores = [hit["scores"].get(block) for block in blocks]
        fields = [_cell(hit[one.name], one.kind) for one in _FIELDS]
        yield [*query, rank, *(hit[name] for name in _NEAR), *scores, *fields, sequence]
    if not line.get("hits"):
        yield [*query, *nothing, sequence]


def _cell(value: Any, kind: FieldKind) -> Cell:
    if kind is FieldKind.DAY:
        return None if value is None else date.fromisoformat(value)
    return "; ".join(map(str, value)) if kind.is_list else value


def _workbook(header: list[str], rows: Iterable[list[Cell]], facts: Sequence[Fact]) -> bytes:
    stream = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    book = xlsxwriter.Workbook(stream, options)
    _write_search(book, facts)
    sheet = book.add_worksheet("Results")
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    score = book.add_format({"num_format": "0.000"})
    sheet.write_row(0, 0, header, book.add_format({"bold": True}))
    last = 0
    for last, row in enumerate(rows, start=1):
        if last >= _MOST_ROWS:  # XlsxWriter would leave them out
            raise MarkLensError(
                f"a workbook's sheet holds {_MOST_ROWS:,} rows, and here are more: name the table "
                ".csv or .jsonl, and the folder .part as the table to go on from what is done"
            )
        for column, cell in enumerate(row):
            shown = {date: day, float: score}.get(type(cell))
            sheet.write(last, column, cell, shown)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(last, 1), len(header) - 1)
    sheet.autofit(_WIDEST)
    book.close()
    return stream.getvalue()


def _write_search(book: Any, facts: Sequence[Fact]) -> None:
    """A sheet on what was asked, as a report has it."""
    sheet = book.add_worksheet("Search")
    sheet.set_column(0, 0, 18)
    sheet.set_column(1, 1, 90)
    wrapped = book.add_format({"text_wrap": True, "valign": "top"})
    for row, fact in enumerate(facts):
        sheet.write_string(row, 0, fact.name, book.add_format({"bold": True, "valign": "top"}))
        sheet.write_string(row, 1, fact.value, wrapped)
