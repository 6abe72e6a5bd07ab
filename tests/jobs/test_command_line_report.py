"""`marklens search --report`: files read back with other libraries."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pypdfium2
import pytest
from PIL import Image

Run = Callable[..., Any]


@pytest.fixture
def query(run: Run, tmp_path: Path, draw_mark: Callable[..., Image.Image]) -> Path:
    """A picture to search with, in a register of five marks a-0 … a-4."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        draw_mark(number).save(folder / f"a-{number}.png")
    run("index", str(folder))
    return folder / "a-1.png"


def test_a_report_is_written_instead_of_a_list(run: Run, query: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.pdf"
    done = run("search", str(query), "-k", "3", "--report", str(file), "--note", "a-1=the same")
    assert f"3 marks in {file}" in done.stdout
    with pypdfium2.PdfDocument(file) as document:
        text = document[0].get_textpage().get_text_range()
    assert "a-1.png" in text
    assert "the same" in text


def test_a_shortlist_a_date_and_json(run: Run, query: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.xlsx"
    options = ["--shortlist", "a-3", "--shortlist", "a-0", "--report-date", "2026-01-02", "--json"]
    done = run("search", str(query), "--report", str(file), *options)
    assert json.loads(done.stdout) == {"report": str(file), "marks": 2}
    book = openpyxl.load_workbook(file)
    assert book["Search"]["B3"].value == "2026-01-02"
    assert book["Marks"].max_row == 3


def test_a_query_whose_name_is_no_utf_8_is_reported_and_watched(
    run: Run, query: Path, tmp_path: Path
) -> None:
    odd = query.rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    file = tmp_path / "out.csv"
    run("search", odd, "-k", "1", "--report", file)
    assert "?.png, " in file.read_text("utf-8-sig")
    assert run("watch", "add", "ours", odd).exit_code == 0
    assert json.loads(run("watch", "show", "ours", "--json").stdout)["signs"] == ["?.png"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--report", "out.docx"], "name the report .pdf, .xlsx or .csv"),
        (["--report", "nowhere/out.pdf"], "there is no folder nowhere"),
        (["--note", "a-1=x"], "add --report FILE"),
        (["--report", "out.pdf", "--out", "out.csv"], "not both"),
        (["--report", "out.pdf", "--note", "nothing"], "write --note ID=TEXT"),
        (["--report", "out.pdf", "--report-date", "soon"], "not a date"),
        (["--report", "out.pdf", "--shortlist", "z"], "z"),
    ],
)
def test_wrong_options_are_refused(
    run: Run, query: Path, options: list[str], sentence: str
) -> None:
    done = run("search", str(query), *options)
    assert done.exit_code == 2
    assert sentence in done.stderr
