"""Batches that are stopped and go on, and tables that hold no more."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from indexer.errors import RunUnderWay
from marklens import BatchRequest, MarkLens, SearchRequest, TooBusy, run_batch
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
    assert found >= {"b.png.pdf", "c.png.pdf", "own.pdf"}
    assert "a.png.pdf" not in found


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


def test_a_picture_that_comes_before_the_others_makes_none_of_them_searched_again(
    marklens: MarkLens, asked: BatchRequest, draw_mark: Callable[..., Image.Image]
) -> None:
    asked = replace(asked, out=asked.out.with_name("reports"))
    stopped(marklens, asked)
    draw_mark(9).save(asked.source / "0.png")
    report = run_batch(marklens, asked)
    assert (report.searched, report.skipped) == (2, 2)


def test_a_finished_folder_of_reports_loses_what_the_source_no_longer_has(
    marklens: MarkLens, asked: BatchRequest, draw_mark: Callable[..., Image.Image]
) -> None:
    asked = replace(asked, out=asked.out.with_name("reports"))
    (asked.source / "deeper").mkdir()
    (asked.source / "c.png").rename(asked.source / "deeper" / "c.png")
    run_batch(marklens, asked)
    (asked.out / "own.pdf").touch()
    (asked.source / "deeper" / "c.png").unlink()
    draw_mark(9).save(asked.source / "0.png")
    run_batch(marklens, asked)
    found = {file.relative_to(asked.out).as_posix() for file in asked.out.rglob("*.pdf")}
    assert found == {"0.png.pdf", "a.png.pdf", "b.png.pdf", "own.pdf"}


def test_two_runs_do_not_write_one_output(marklens: MarkLens, asked: BatchRequest) -> None:
    refused = []

    def another(*_: object) -> None:
        with pytest.raises(RunUnderWay) as error:
            run_batch(marklens, asked)
        refused.append(str(error.value))

    run_batch(marklens, asked, on_progress=another)
    assert set(refused) == {"another run writes out.csv already: wait for its end or stop it"}
    assert not run_batch(marklens, asked).interrupted


def test_a_full_queue_is_waited_for(
    marklens: MarkLens, asked: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, turned_away = marklens.search, iter((True, True))

    def sometimes_busy(request: SearchRequest) -> object:
        if next(turned_away, False):
            raise TooBusy("Too many pictures wait.")
        return search(request)

    monkeypatch.setattr(marklens, "search", sometimes_busy)
    report = run_batch(marklens, asked)
    assert (report.searched, report.unreadable) == (3, ())


def test_who_waits_for_a_full_queue_can_be_stopped(
    marklens: MarkLens, asked: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(request: SearchRequest) -> object:
        raise TooBusy("Too many pictures wait.")

    monkeypatch.setattr(marklens, "search", busy)
    assert run_batch(marklens, asked, stop=lambda: True).interrupted
