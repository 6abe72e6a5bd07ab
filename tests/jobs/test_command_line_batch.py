"""`marklens search FOLDER --out`: a search with each picture, resumed after a kill."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pypdfium2
import pytest
from openpyxl.utils import get_column_letter
from PIL import Image

Run = Callable[..., Any]
Draw = Callable[..., Image.Image]


@pytest.fixture
def queries(run: Run, source: Path, tmp_path: Path, draw_mark: Draw) -> Path:
    """A folder of three pictures and a broken one; the register holds EM-0 … EM-7."""
    assert run("index", source).exit_code == 0
    folder = tmp_path / "queries"
    (folder / "deeper").mkdir(parents=True)
    for name, number in (("b", 1), ("c", 2), ("deeper/d", 5)):
        draw_mark(number).save(folder / f"{name}.png")
    (folder / "a.png").write_bytes(b"no picture")
    return folder


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_folder_becomes_one_table_and_the_unreadable_are_named(
    run: Run, queries: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.csv"
    done = run("search", queries, "--out", out, "-k", 2, "--status", "registered")
    assert done.exit_code == 2
    assert "3 pictures searched, 1 unreadable" in done.stdout
    assert "a.png: not a picture" in done.stderr
    rows = rows_of(out)
    assert [(row["query_image"], row["rank"]) for row in rows] == [
        ("a.png", ""),
        *[(name, rank) for name in ("b.png", "c.png", "deeper/d.png") for rank in "12"],
    ]
    assert "not a picture" in rows[0]["error"]
    assert {row["status"] for row in rows[1:]} == {"registered"}
    assert not out.with_name("results.csv.part").exists()
    alone = run("search", queries / "c.png", "-k", 2, "--status", "registered", "--json")
    hits = json.loads(alone.stdout)["hits"]
    found = [row for row in rows if row["query"] == "c"]
    assert [row["id"] for row in found] == [hit["id"] for hit in hits]
    assert [float(row["score"]) for row in found] == [hit["score"] for hit in hits]


def test_a_batch_is_turned_away_from_no_queue(
    run: Run, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKLENS_ENCODE_QUEUE", "0")
    done = run("search", queries, "--out", tmp_path / "results.csv", "-k", 2)
    assert "3 pictures searched, 1 unreadable" in done.stdout


def test_the_other_formats_hold_the_same(run: Run, queries: Path, tmp_path: Path) -> None:
    for name in ("out.csv", "out.xlsx", "out.jsonl"):
        summary = run("search", queries, "--out", tmp_path / name, "-k", 3, "--json")
        assert json.loads(summary.stdout)["searched"] == 3
    expected = [row["id"] for row in rows_of(tmp_path / "out.csv")]
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")["Results"]
    head, *rows = sheet.iter_rows(values_only=True)
    assert [row[head.index("id")] or "" for row in rows] == expected
    widths = {
        name: sheet.column_dimensions[get_column_letter(at)].width
        for at, name in enumerate(head, start=1)
    }
    assert all(width > len(name) for name, width in widths.items())
    assert sheet.cell(3, 1 + head.index("score")).number_format == "0.000"
    lines = [json.loads(one) for one in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [one["image"] for one in lines] == ["a.png", "b.png", "c.png", "deeper/d.png"]
    assert [hit["id"] for one in lines for hit in one.get("hits", [])] == expected[1:]


def test_a_table_names_the_pictures(run: Run, queries: Path, tmp_path: Path) -> None:
    table = tmp_path / "wanted.csv"
    table.write_text("id,image\nour-logo,c.png\ngone,missing.png\n")
    out = tmp_path / "results.csv"
    done = run("search", table, "--images", queries, "--out", out, "-k", 1)
    assert done.exit_code == 2
    assert [(row["query"], row["id"]) for row in rows_of(out)] == [
        ("our-logo", "EM-2"),
        ("gone", ""),
    ]


def test_a_folder_gets_one_report_each(run: Run, queries: Path, tmp_path: Path) -> None:
    out = tmp_path / "reports"
    run("search", queries, "--out", out, "-k", 2)
    assert sorted(file.relative_to(out).as_posix() for file in out.rglob("*.pdf")) == [
        "b.png.pdf",
        "c.png.pdf",
        "deeper/d.png.pdf",
    ]
    with pypdfium2.PdfDocument(out / "deeper" / "d.png.pdf") as document:
        assert "deeper/d.png" in document[0].get_textpage().get_text_range()


def test_a_killed_run_goes_on_where_it_was(
    run: Run, queries: Path, tmp_path: Path, environment: dict[str, str], draw_mark: Draw
) -> None:
    for number in range(40):
        draw_mark(100 + number).save(queries / f"x-{number:02d}.png")
    out = tmp_path / "results.jsonl"
    words = ["search", str(queries), "--out", str(out), "-k", "2"]
    command = [sys.executable, "-m", "search_api", *words]
    given = {"PATH": os.defpath, **environment}
    process = subprocess.Popen(command, env=given, stderr=subprocess.PIPE)  # noqa: S603 - ours
    lines = out.with_name("results.jsonl.part") / "done.jsonl"
    deadline = time.monotonic() + 120
    while not (lines.exists() and lines.read_bytes().count(b"\n") >= 5):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists()
    with lines.open("ab") as stream:
        stream.write(b'{"key": "half a li')  # as a kill in the middle of writing leaves it
    other = run(*words[:-1], "3")
    assert other.exit_code == 2
    assert "asked for otherwise (k)" in other.stderr
    summary = json.loads(run(*words, "--json").stdout)
    assert summary["skipped"] >= 4
    assert summary["searched"] + summary["skipped"] == 43
    found = [json.loads(one) for one in out.read_text("utf-8").splitlines()]
    assert len(found) == 44
    run("search", queries, "--out", tmp_path / "afresh.jsonl", "-k", "2")
    afresh = [json.loads(one) for one in (tmp_path / "afresh.jsonl").read_text().splitlines()]
    # Pictures encoded beside others sum floating-point numbers in another order.
    expected = [
        [(hit["id"], pytest.approx(hit["score"], abs=1e-6)) for hit in one.get("hits", ())]
        for one in afresh
    ]
    assert [[(hit["id"], hit["score"]) for hit in one.get("hits", ())] for one in found] == expected


def test_a_batch_without_unreadable_pictures_succeeds(
    run: Run, queries: Path, tmp_path: Path
) -> None:
    (queries / "a.png").unlink()
    done = run("search", queries, "--out", tmp_path / "results.csv", "-k", 1)
    assert done.exit_code == 0
    assert "3 pictures searched, 0 unreadable" in done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--out", "results.txt"], "name the table .csv, .xlsx or .jsonl"),
        (["--out", "nowhere/results.csv"], "there is no folder nowhere"),
        ([], "add --out"),
    ],
)
def test_wrong_options_of_a_batch_are_refused(
    run: Run, queries: Path, options: list[str], sentence: str
) -> None:
    done = run("search", queries, *options)
    assert done.exit_code == 2
    assert sentence in done.stderr
