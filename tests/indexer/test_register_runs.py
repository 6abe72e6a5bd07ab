"""Runs over sources, noted in SQLite and in PostgreSQL."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from indexer.errors import FingerprintMismatch
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from indexer.runs import Finding, RunCounts, RunPosition
from models.encoder import Embedding

Mark = Callable[..., EncodedMark]  # the fixture `mark`


def test_a_runs_position_is_saved_with_the_marks_up_to_there(
    register: Register, mark: Mark
) -> None:
    run = register.start_run("/data/marks.csv", 1234, 5)
    assert (run.state, run.position, run.counts, run.finished) == ("running", 0, RunCounts(), None)
    assert register.last_runs() == [run]
    counts = RunCounts(read=2, indexed=2)
    register.add([mark("a"), mark("b")], RunPosition(run.id, 2, counts))
    assert register.last_runs() == [dataclasses.replace(run, position=2, counts=counts)]
    register.add([], RunPosition(run.id, 3, RunCounts(read=3, indexed=2, rejected=1)))
    assert register.last_runs()[0].position == 3
    assert register.sequence() == 2


def test_a_write_that_fails_does_not_move_its_run(register: Register) -> None:
    register.bind_fingerprint("net", 16)
    run = register.start_run("x", 1, 1)
    short = Embedding.without_boxes(np.zeros(8, np.float16))
    odd = EncodedMark(MarkRecord("c"), "d", embedding=short)
    with pytest.raises(FingerprintMismatch):
        register.add([odd], RunPosition(run.id, 9, RunCounts(read=9)))
    assert register.last_runs() == [run]


def test_a_finished_run_says_how_it_ended(register: Register) -> None:
    run = register.start_run("x", 1, 1)
    reached = RunPosition(run.id, 7, RunCounts(read=7, rejected=7), {"missing": Finding(2, "m1")})
    register.finish_run(reached, "failed", "rejects.csv")
    (ended,) = register.last_runs()
    assert ended.reached == reached
    assert (ended.state, ended.position, ended.rejects_file) == ("failed", 7, "rejects.csv")
    assert ended.started == run.started
    assert ended.finished is not None
    assert ended.finished.utcoffset() == timedelta(0)


def test_the_newest_runs_come_first_and_can_be_asked_of_one_source(register: Register) -> None:
    ids = [register.start_run(source, 1, 1).id for source in ("x", "y", "x", "y", "x", "y", "x")]
    assert [run.id for run in register.last_runs()] == ids[:1:-1]
    assert [run.id for run in register.last_runs(2, "x")] == [ids[6], ids[4]]
