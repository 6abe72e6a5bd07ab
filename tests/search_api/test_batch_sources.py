"""What a batch takes (PDFs, zip files, free labels), and what its tables say."""

import csv
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from PIL import Image

from indexer.errors import SourceError
from marklens import BatchRequest, Filter, MarkLens, SearchRequest, run_batch

Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]


@pytest.fixture
def folder(tmp_path: Path, draw_mark: Draw) -> Path:
    """A folder of a PNG, a PDF, and a text."""
    folder = tmp_path / "queries"
    folder.mkdir()
    draw_mark(1).save(folder / "a.png")
    draw_mark(2).convert("RGB").save(folder / "letter.pdf")
    (folder / "notes.txt").write_text("not a picture")
    return folder


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_first_page_of_a_pdf_is_searched_with_and_what_is_left_out_is_named(
    marklens: MarkLens, folder: Path
) -> None:
    out = folder.with_name("out.csv")
    report = run_batch(marklens, BatchRequest(folder, out, SearchRequest(k=1)))
    assert report.warnings == ("files that are not pictures, left out: 1 (notes.txt)",)
    assert [row["query_image"] for row in rows_of(out)] == ["a.png", "letter.pdf"]
    assert not any(row["error"] for row in rows_of(out))


def test_a_table_calls_its_pictures_as_it_likes(marklens: MarkLens, folder: Path) -> None:
    table = folder / "wanted.csv"
    table.write_text(
        "image,id\na.png,P/2026/013\na.png,Case 12\nletter.pdf,\n../b.png,out\n,none\n"
    )
    report = run_batch(marklens, BatchRequest(table, folder.with_name("out"), SearchRequest(k=1)))
    assert report.searched == 3
    assert [name for name, _ in report.unreadable] == ["../b.png", "none"]
    assert "leads out of the picture folder" in report.unreadable[0][1]
    written = {file.name for file in folder.with_name("out").glob("*.pdf")}
    assert {"Case 12.pdf", "letter.pdf.pdf"} < written
    assert len(written) == 3
    out = folder.with_name("out.csv")
    run_batch(marklens, BatchRequest(table, out, SearchRequest(k=1)))
    assert [row["query"] for row in rows_of(out)][:3] == ["P/2026/013", "Case 12", "letter"]


def test_a_table_needs_no_more_than_its_pictures(marklens: MarkLens, folder: Path) -> None:
    table = folder / "wanted.csv"
    table.write_text("image\na.png\n")
    out = folder.with_name("out.csv")
    assert run_batch(marklens, BatchRequest(table, out, SearchRequest(k=1))).searched == 1
    table.write_text("id,text\n1,a\n")
    with pytest.raises(SourceError, match="has no column 'image'"):
        run_batch(marklens, BatchRequest(table, out.with_name("other.csv"), SearchRequest(k=1)))


def test_a_zip_file_is_read_where_it_lies_and_nothing_outside_of_it(
    marklens: MarkLens, tmp_path: Path, draw_mark: Draw, as_png: AsPng
) -> None:
    packed = tmp_path / "pictures.zip"
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("in/a.png", as_png(draw_mark(1)))
        archive.writestr("../evil.png", as_png(draw_mark(2)))
        archive.writestr("__MACOSX/in/._a.png", b"")
        archive.writestr("README.txt", "what this is")
        archive.writestr(link, "/etc/passwd")
    report = run_batch(marklens, BatchRequest(packed, tmp_path / "out", SearchRequest(k=1)))
    assert report.searched == 1
    assert dict(report.unreadable) == {
        "../evil.png": "image '../evil.png' leads out of the picture folder",
        "link.png": "is a link, no picture",
    }
    assert [*(tmp_path / "out").rglob("*.pdf")] == [tmp_path / "out" / "in" / "a.png.pdf"]
    assert not [*tmp_path.rglob("*evil*")]


def test_a_zip_file_may_hold_a_table_of_its_pictures(
    marklens: MarkLens, tmp_path: Path, draw_mark: Draw, as_png: AsPng
) -> None:
    packed = tmp_path / "pictures.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", as_png(draw_mark(1)))
        archive.writestr("wanted.csv", "image,id\na.png,Our sign\n")
    out = tmp_path / "out.csv"
    run_batch(marklens, BatchRequest(packed, out, SearchRequest(k=1)))
    assert [row["query"] for row in rows_of(out)] == ["Our sign"]


def test_tables_say_what_was_asked_of_what_and_when(marklens: MarkLens, folder: Path) -> None:
    search = SearchRequest(k=1, weights={"colour": 0}, filter=Filter(office=frozenset({"US"})))
    outs = {suffix: folder.with_name(f"out.{suffix}") for suffix in ("csv", "xlsx", "jsonl")}
    for out in outs.values():
        run_batch(marklens, BatchRequest(folder, out, search))
    row = rows_of(outs["csv"])[0]
    assert "colour 0" in row["report_weights"]
    assert row["report_filters"] == "Office any of US"
    assert row["report_network"] == marklens.encoder.fingerprint
    assert len(row["report_date"]) == len("2026-11-30")
    assert int(row["register_sequence"]) > 0
    said = dict(openpyxl.load_workbook(outs["xlsx"])["Search"].iter_rows(values_only=True))
    assert said["Filters"] == "Office any of US"
    lines = [json.loads(one) for one in outs["jsonl"].read_text("utf-8").splitlines()]
    assert {f"report_{name}": value for name, value in lines[0]["search"].items()} == {
        name: value for name, value in row.items() if name.startswith("report_")
    }
    for line, shown in zip(lines, rows_of(outs["csv"]), strict=True):
        codes = [one["code"] for one in line["query"]["vienna"]]
        assert [one.split(" ")[0] for one in shown["query_codes"].split("; ") if one] == codes
