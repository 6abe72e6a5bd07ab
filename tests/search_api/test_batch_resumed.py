"""Batches that are stopped and go on, and tables that hold no more."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from marklens import BatchRequest, MarkLens, SearchRequest, run_batch
from models.errors import MarkLensError
from search_api.batch import tables


@pytest.fixture
def asked(tmp_path: Path, draw_mark: Callable[..., Image.Image]) -> BatchRequest:
    """A batch of three pictures, each by its two nearest marks."""
    folder = tmp_path / "queries"
    folder.mkdir()
    for number, name in enumerate("abc"):
        draw_mark(number).save(folder / f"{name}.png")
    return BatchRequest(folder, tmp_path / "out.csv", SearchRequest(k=2))


def stopped(marklens: MarkLens, asked: BatchRequest) -> None:
    answers = iter((False, True))
    assert run_batch(marklens, asked, stop=lambda: next(answers)).interrupted


def test_what_left_the_source_since_a_stop_is_not_in_the_table(
    marklens: MarkLens, asked: BatchRequest
) -> None:
    stopped(marklens, asked)
    (asked.source / "a.png").unlink()
    assert not run_batch(marklens, asked).interrupted
    afresh = replace(asked, out=asked.out.with_name("afresh.csv"))
    run_batch(marklens, afresh)
    assert asked.out.read_bytes() == afresh.out.read_bytes()
    assert len(asked.out.read_text("utf-8-sig").splitlines()) == 5


def test_what_left_the_source_since_a_stop_has_no_report(
    marklens: MarkLens, asked: BatchRequest
) -> None:
    asked = replace(asked, out=asked.out.with_name("reports"))
    stopped(marklens, asked)
    (asked.out / "own.pdf").touch()
    (asked.source / "a.png").unlink()
    run_batch(marklens, asked)
    found = {file.name for file in asked.out.iterdir()}
    assert found >= {"0001-b.pdf", "0002-c.pdf", "own.pdf"}
    assert "0001-a.pdf" not in found


def test_a_workbook_that_is_too_small_keeps_what_is_done(
    marklens: MarkLens, asked: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_MOST_ROWS", 6)
    asked = replace(asked, out=asked.out.with_name("out.xlsx"))
    with pytest.raises(MarkLensError, match=r"name the table \.csv or \.jsonl"):
        run_batch(marklens, asked)
    assert not asked.out.exists()
    asked.out.with_name("out.xlsx.part").rename(asked.out.with_name("out.csv.part"))
    report = run_batch(marklens, replace(asked, out=asked.out.with_name("out.csv")))
    assert (report.searched, report.skipped) == (0, 3)
