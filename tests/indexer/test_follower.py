import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer.errors import DatabaseUnavailable, FingerprintMismatch
from indexer.index.follower import Follower
from indexer.index.segments import ReadView
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from models.encoder import Embedding

DIMENSION = 8


def mark(mark_id: str, seed: int = 0) -> EncodedMark:
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    unit = (vector / np.linalg.norm(vector)).astype(np.float16)
    return EncodedMark(MarkRecord(mark_id), "0" * 64, embedding=Embedding.without_boxes(unit))


def shown(view: ReadView, register: Register) -> dict[str, list[float]]:
    """Every mark the view can find, with its embedding; each once."""
    ids = {change.number: change.id for change in register.changes(0, 1_000)}
    marks: dict[str, list[float]] = {}
    for part in view.parts:
        for row in part.alive.rows():
            mark_id = ids[part.segment.numbers[row]]
            assert mark_id not in marks
            marks[mark_id] = part.segment.vectors.vectors(np.array([row]))[0].tolist()
    assert len(marks) == view.total
    return marks


def rename(folder: Path, table: str, name: str) -> None:
    with closing(sqlite3.connect(folder / "register.db")) as database, database:
        database.execute(f"ALTER TABLE {table} RENAME TO {name}")


def until(claim: Callable[[], bool], seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if claim():
            return True
        time.sleep(0.01)
    return claim()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'register.db'}"


@pytest.fixture
def register(url: str) -> Iterator[Register]:
    register = Register.open(url)
    yield register
    register.close()


@pytest.fixture
def follower(register: Register) -> Iterator[Follower]:
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    yield follower
    follower.stop()


def test_before_the_first_refresh_there_is_nothing(follower, register) -> None:
    register.add([mark("a")])
    assert shown(follower.view(), register) == {}
    assert shown(follower.refresh(), register).keys() == {"a"}


def test_adds_updates_and_withdrawals_are_replayed(follower, register) -> None:
    register.add([mark("a", 1), mark("b", 2), mark("c", 3)])
    follower.refresh()
    register.add([mark("b", 9), mark("d", 4)])
    register.delete(["a"])
    view = follower.refresh()
    expected = {name: mark(name, seed).embedding for name, seed in [("b", 9), ("c", 3), ("d", 4)]}
    assert shown(view, register) == {name: one.whole.tolist() for name, one in expected.items()}
    assert view.sequence == register.sequence()


def test_a_view_that_is_held_never_changes(follower, register) -> None:
    register.add([mark("a", 1), mark("b", 2)])
    held = follower.refresh()
    before = shown(held, register)
    register.delete(["a"])
    register.add([mark("b", 7), mark("c", 8)])
    follower.refresh()
    assert shown(held, register) == before


def test_a_mark_that_loses_its_picture_can_no_longer_be_found(follower, register) -> None:
    register.add([mark("a", 1), mark("b", 2)])
    follower.refresh()
    register.add([EncodedMark(MarkRecord("a"), "1" * 64)])
    assert shown(follower.refresh(), register).keys() == {"b"}


def test_a_withdrawn_mark_may_come_back(follower, register) -> None:
    register.add([mark("a", 1)])
    register.delete(["a"])
    follower.refresh()
    register.add([mark("a", 2)])
    assert shown(follower.refresh(), register) == {"a": mark("a", 2).embedding.whole.tolist()}


def test_many_small_changes_leave_few_segments(follower, register) -> None:
    for at in range(60):
        register.add([mark(f"m{at}", at)])
        if at % 3 == 0:
            register.delete([f"m{at // 2}"])
        follower.refresh()
    assert len(follower.view().parts) <= 5
    assert shown(follower.view(), register).keys() == {
        f"m{at}" for at in range(60) if at not in {i // 2 for i in range(0, 60, 3)}
    }


def test_more_changes_than_are_read_at_once_are_all_replayed(
    follower, register, monkeypatch
) -> None:
    monkeypatch.setattr("indexer.index.follower._CHUNK", 7)
    register.add([mark(f"m{at}", at) for at in range(50)])
    register.add([mark(f"m{at}", at + 100) for at in range(0, 50, 2)])
    view = follower.refresh()
    assert len(shown(view, register)) == 50
    assert view.sequence == 75


def test_rebuilding_gives_the_same_marks_in_one_segment(follower, register) -> None:
    for at in range(10):
        register.add([mark(f"m{at}", at)])
        follower.refresh()
    register.delete(["m3"])
    before = shown(follower.refresh(), register)
    assert shown(follower.rebuild(), register) == before
    assert len(follower.view().parts) == 1


def test_the_background_thread_follows_and_stops(follower, register) -> None:
    # Servers of other tests may follow their own registers in this process.
    others = set(threading.enumerate())
    follower.start(poll_s=0.01)
    follower.start(poll_s=0.01)
    started = set(threading.enumerate()) - others
    assert {thread.name for thread in started} == {"marklens-follower", "marklens-merger"}
    assert len(started) == 2
    register.add([mark("a")])
    assert until(lambda: follower.view().total == 1)
    register.delete(["a"])
    assert until(lambda: follower.view().total == 0)
    assert follower.status.following
    follower.stop()
    assert not follower.status.following
    assert not any(thread.is_alive() for thread in started)


def test_the_background_thread_survives_a_database_that_fails(
    follower, register, tmp_path, caplog
) -> None:
    register.add([mark("a")])
    follower.refresh()
    follower.start(poll_s=0.01)
    rename(tmp_path, "counter", "away")
    assert until(lambda: follower.status.error is not None)
    assert shown(follower.view(), register).keys() == {"a"}, "searches go on with what is known"
    assert "trying again" in caplog.text
    with pytest.raises(DatabaseUnavailable):
        follower.refresh()
    rename(tmp_path, "away", "counter")
    register.add([mark("b")])
    assert until(lambda: follower.view().total == 2)
    assert until(lambda: follower.status.error is None)


def test_a_register_bound_to_another_network_is_not_mixed_in(follower, register) -> None:
    register.bind_fingerprint("tiny", DIMENSION)
    register.add([mark("a")])
    follower.refresh()
    register.rebind_fingerprint("other", DIMENSION)
    register.add([mark("b")])
    with pytest.raises(FingerprintMismatch, match="restart"):
        follower.refresh()
    assert shown(follower.view(), register).keys() == {"a"}


def test_an_embedding_of_another_length_is_not_mixed_in(follower, register) -> None:
    short = Embedding.without_boxes(np.ones(4, np.float16))
    register.add([EncodedMark(MarkRecord("a"), "0" * 64, embedding=short)])
    with pytest.raises(FingerprintMismatch, match="'a'"):
        follower.refresh()


CHILD = """
import json, sys, time
from indexer.index.follower import Follower
from indexer.register import Register
from indexer.index.vectors import IndexChoice
follower = Follower(Register.open(sys.argv[1], create=False), None, 8, "tiny", IndexChoice("cpu"))
follower.refresh()
follower.start(poll_s=0.02)
last = None
end = time.monotonic() + 60
while time.monotonic() < end:
    view = follower.view()
    if view is not last:
        numbers = [part.segment.numbers[part.alive.rows()].tolist() for part in view.parts]
        print(json.dumps(sorted(sum(numbers, []))), flush=True)
        last = view
    time.sleep(0.01)
"""


def test_a_second_process_follows_adds_and_withdrawals(register, url) -> None:
    register.add([mark("a", 1), mark("b", 2)])
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603 - our own text
        [sys.executable, "-c", CHILD, url], stdout=subprocess.PIPE, text=True, cwd=root
    ) as child:
        try:
            assert child.stdout is not None
            assert json.loads(child.stdout.readline()) == [1, 2]
            register.add([mark("c", 3)])
            assert json.loads(child.stdout.readline()) == [1, 2, 3]
            register.delete(["a"])
            assert json.loads(child.stdout.readline()) == [2, 3]
        finally:
            child.kill()
