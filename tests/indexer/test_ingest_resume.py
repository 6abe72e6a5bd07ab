"""Runs that stop or break: whole batches stay, and the next run does the rest."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from threading import Event
from typing import Any

import pytest

from indexer.errors import RunUnderWay
from indexer.ingest import IngestOptions, IngestProgress
from indexer.ingest.encoding import prepare
from indexer.ingest.pipeline import Batch, Pipeline
from indexer.ingest.retry import Retry
from indexer.ingest.workers import LocalWorkers
from indexer.marks import MarkRecord
from indexer.runs import RunCounts, RunPosition

Office = Any  # the fixture `office`


def _stop_after(batches: int) -> IngestOptions:
    asked = iter(range(1, 1000))
    return IngestOptions(batch=4, stop=lambda: next(asked) >= batches)


def test_a_stopped_run_keeps_whole_batches_and_resume_does_the_rest(office: Office) -> None:
    office.marks(30)
    report = office.ingest(IngestOptions(batch=4, stop=lambda: office.register.count() >= 4))
    assert report.interrupted
    done = report.read
    assert office.register.count() == done
    assert 4 <= done < 30
    assert done % 4 == 0
    assert office.register.last_runs()[0].state == "interrupted"
    for n in range(done):
        (office.folder / f"{n}.png").unlink()  # --resume does not even look at them
    report = office.ingest(IngestOptions(resume=True))
    assert office.counts(report) == (30, 30, 0, 0, 0)
    assert (report.resumed_after, report.interrupted) == (done + 1, False)
    assert office.register.count() == 30
    (run,) = office.register.last_runs()
    assert (run.state, run.counts.read) == ("finished", 30)


def test_a_batch_that_is_left_is_not_stepped_over_by_one_encoded_beside_it(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, turns = Pipeline._seen, iter(range(2))
    is_stopped, has_second = Event(), Event()

    def first_late(pipeline: Pipeline, pictures: Mapping[str, Any]) -> Any:
        if is_first := next(turns) == 0:
            is_stopped.wait(30)
        found = seen(pipeline, pictures)
        if not is_first:
            has_second.set()
        return found

    monkeypatch.setattr(Pipeline, "_seen", first_late)
    workers = LocalWorkers(office.encoder)
    workers.encoding = 2
    pipeline = Pipeline(office.register, workers, Retry(5))
    run = office.register.start_run("source", 1, 1)
    for position in (1, 2):
        mark = prepare(workers, MarkRecord(f"m{position}", text="word"), None)
        pipeline.hand_over(Batch([mark], [], RunPosition(run.id, position, RunCounts())))
    assert has_second.wait(30)
    pipeline.abandon()
    is_stopped.set()
    pipeline.close()
    assert (office.register.count(), pipeline.committed) == (0, None)


def test_a_run_that_is_to_stop_encodes_no_batch_but_the_one_in_hand(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.marks(30)
    office.table([f"m{n},{n if n % 2 else 'gone'}.png,word {n}," for n in range(30)])
    stopped, asked = Event(), iter(range(1, 1000))
    encode = office.encoder.encode_prepared

    def slowly(pictures: Any) -> Any:
        assert stopped.wait(30)
        time.sleep(0.2)  # the run is told just now
        return encode(pictures)

    def stop() -> bool:
        if next(asked) >= 3:  # three batches are handed over, the first is in hand
            stopped.set()
        return stopped.is_set()

    monkeypatch.setattr(office.encoder, "encode_prepared", slowly)
    report = office.ingest(IngestOptions(batch=4, stop=stop))
    assert report.interrupted
    assert (report.read, office.register.count()) == (4, 4)
    assert "2 marks name a picture that is not there, first m0" in report.warnings[-1]
    monkeypatch.undo()
    assert office.counts(office.ingest(IngestOptions(resume=True))) == (30, 30, 0, 0, 0)


def test_a_resumed_run_names_each_rejected_row_once(office: Office) -> None:
    office.marks(20)
    rows = [f"m{n},{n if n % 3 else 'gone'}.png,," for n in range(20)]
    office.table(rows)
    first = office.ingest(_stop_after(2))
    second = office.ingest(IngestOptions(resume=True))
    assert first.rejects_file == second.rejects_file
    positions = [row["position"] for row in office.rejects(second)]
    assert positions == [str(n + 2) for n in range(20) if n % 3 == 0]
    assert second.rejected == 7


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_resumed_run_tells_what_was_found_before_it_broke_off(
    office: Office, monkeypatch: pytest.MonkeyPatch, is_killed: bool
) -> None:
    office.marks(4)
    office.ingest()
    rows = [f"m{n},,,,delete" for n in range(4)] + [f"g{n},,,,delete" for n in range(4)]
    rows += [f"n{n},gone.png,word,," for n in range(12)]
    path = office.table([])
    path.write_text("\n".join(["id,image,text,vienna,operation", *rows, ""]), "utf-8")

    def break_off(progress: IngestProgress) -> None:
        if progress.counts.read >= 12:
            raise OSError("the cable")

    with monkeypatch.context() as patched:
        if is_killed:  # who is killed notes no end
            patched.setattr(office.register, "finish_run", lambda *_: None)
        with pytest.raises(OSError, match="the cable"):
            office.ingest(IngestOptions(batch=4), break_off)
    report = office.ingest(IngestOptions(resume=True))
    assert report.resumed_after == 13
    assert office.counts(report) == (20, 12, 4, 4, 0)
    assert report.withdrawn == 4
    unknown, missing = report.warnings
    assert "4 rows withdraw marks that the register does not hold, first g0" in unknown
    assert "12 marks name a picture that is not there, first n0" in missing


def test_a_resumed_run_killed_before_its_first_batch_keeps_the_rejects_of_the_run_before(
    office: Office,
) -> None:
    office.marks(20)
    office.table([f"m{n},{n if n % 3 else 'gone'}.png,," for n in range(20)])
    first = office.ingest(_stop_after(2))
    before = office.rejects(first)
    assert before
    dies = (  # as a resumed run begins
        "import os, pathlib, signal, sys; from indexer.ingest.rejects import RejectsFile; "
        "held = RejectsFile(pathlib.Path(sys.argv[1]), 100); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", dies, str(first.rejects_file)]
    killed = subprocess.run(command, check=False)  # noqa: S603 - our own interpreter
    assert killed.returncode == -signal.SIGKILL
    assert office.rejects(first) == before


def test_a_repeated_id_is_known_across_the_interruption(office: Office) -> None:
    office.marks(12)
    office.table([*[f"m{n},{n}.png,," for n in range(12)], "m0,5.png,again,"])
    office.ingest(_stop_after(1))
    assert office.counts(office.ingest(IngestOptions(resume=True))) == (13, 12, 0, 0, 1)
    assert office.contents()["m0"][0] is None


def test_a_run_that_still_goes_on_is_not_resumed_beside_itself(office: Office) -> None:
    office.marks(20)
    office.table([f"m{n},{n if n % 3 else 'gone'}.png,," for n in range(20)])
    tried = []

    def resume_meanwhile(progress: IngestProgress) -> None:
        if not tried:
            with pytest.raises(RunUnderWay, match="run 1 over this source is still going on"):
                office.ingest(IngestOptions(resume=True))
            tried.append(progress)

    report = office.ingest(IngestOptions(batch=4), resume_meanwhile)
    assert tried
    positions = [row["position"] for row in office.rejects(report)]
    assert positions == [str(n + 2) for n in range(20) if n % 3 == 0]
    (run,) = office.register.last_runs()
    assert (run.state, run.counts.read) == ("finished", 20)
    assert list(office.images.folder.parent.glob(".run-*")) == []


def test_there_is_nothing_to_resume_in_a_changed_table(office: Office) -> None:
    office.marks(12)
    office.ingest(_stop_after(1))
    office.table([f"m{n},{n}.png,changed," for n in range(12)])
    report = office.ingest(IngestOptions(resume=True))
    assert office.counts(report) == (12, 8, 4, 0, 0)
    assert "nothing to resume" in report.warnings[0]


def test_there_is_nothing_to_resume_in_a_folder_in_which_a_file_was_replaced(
    office: Office, st66: Any
) -> None:
    files = [office.folder / "daily" / name for name in ("1.xml", "2.xml")]
    files[0].parent.mkdir()
    for file, first in zip(files, (100, 200), strict=True):
        st66.write(file, [st66.mark(first + n, "LION") for n in range(20)])
        os.utime(file, ns=(0, first))
    part = IngestOptions(batch=4, stop=lambda: office.register.count() >= 16)
    assert office.ingest_file(files[0].parent, part).interrupted
    st66.write(files[0], [st66.mark(100 + n, "LION") for n in range(10)])
    os.utime(files[0], ns=(0, 50))  # fewer records, and not the newest: the place is another mark's
    report = office.ingest_file(files[0].parent, IngestOptions(resume=True))
    assert office.register.count() == 40
    assert (report.read, report.resumed_after) == (30, 0)


def test_without_resume_a_stopped_run_is_completed_from_the_start(office: Office) -> None:
    office.marks(12)
    office.ingest(_stop_after(1))
    assert office.counts(office.ingest()) == (12, 8, 0, 4, 0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("the cable")])
def test_whatever_breaks_a_run_leaves_whole_batches_and_a_closed_run(
    office: Office, error: BaseException
) -> None:
    office.marks(12)

    def trip(progress: IngestProgress) -> None:
        if progress.counts.read >= 8:
            raise error

    with pytest.raises((KeyboardInterrupt, OSError)):
        office.ingest(IngestOptions(batch=4), trip)
    (run,) = office.register.last_runs()
    expected = "interrupted" if error is KeyboardInterrupt else "failed"
    assert (run.state, run.counts.read, office.register.count()) == (expected, 8, 8)
    assert office.counts(office.ingest(IngestOptions(resume=True))) == (12, 12, 0, 0, 0)
