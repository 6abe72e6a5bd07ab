"""All results of a batch as one table: a row a mark found, or a line of JSON a picture."""

import io
import json
import os
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import xlsxwriter

from indexer.marks import MARK_FIELDS, FieldKind
from indexer.register.durable import write_to_disk
from models.errors import MarkLensError
from search_api.report.columns import Cell
from search_api.report.csv_table import csv_rows

SUFFIXES = (".csv", ".xlsx", ".jsonl")
_FIELDS = tuple(one for one in MARK_FIELDS if one.name != "image_name")
_MOST_ROWS = 1_048_576  # Excel's own limit
_WIDEST = 400  # pixels of a column
_NEAR = ("score", "probability", "band")


def write_table(file: Path, lines: Iterable[dict[str, Any]], blocks: list[str]) -> None:
    """Write the results of a journal's lines into a file, whose suffix is one of `SUFFIXES`.

    Raises:
        MarkLensError: a workbook's sheet cannot hold so many rows.
        OSError: the disk refuses.
    """
    if file.suffix.lower() == ".jsonl":
        shown = ("id", "image", "error", "query", "plan", "better_than_chance", "hits")
        with file.open("w", encoding="utf-8", newline="\n") as stream:
            for line in lines:
                picked = {name: line[name] for name in shown if name in line}
                stream.write(json.dumps(picked, ensure_ascii=False) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        return
    header = [
        *("query", "query_image", "error", "rank", "score", "probability", "band", *blocks),
        *(one.column for one in _FIELDS),
        "register_sequence",
    ]
    rows = (row for line in lines for row in _rows(line, blocks))
    content = (
        csv_rows([header, *rows]) if file.suffix.lower() == ".csv" else _workbook(header, rows)
    )
    write_to_disk(file, content)


def _rows(line: dict[str, Any], blocks: list[str]) -> Iterator[list[Cell]]:
    """A row a hit; one row for a picture without any."""
    query: list[Cell] = [line["id"], line["image"], line.get("error")]
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


def _workbook(header: list[str], rows: Iterable[list[Cell]]) -> bytes:
    stream = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "in_memory": True}
    book = xlsxwriter.Workbook(stream, options)
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
