"""Whatever happens to the snapshot, searches after reopening are those of the register."""

import hashlib
import json
import os
import resource
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer.index.follower import Follower
from indexer.index.segments import bounds_of
from indexer.register import Register
from tests.faults.followers import BLOCKS, DIMENSION, answers, mark, reopened, truth

MARKS = 40


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    register.add([mark(at) for at in range(MARKS)])
    yield register
    register.close()


@pytest.fixture
def folder(register: Register, tmp_path: Path) -> Path:
    """A snapshot of two segments, one with dead rows, and a register that went on after it."""
    folder = tmp_path / "snapshot"
    follower = reopened(register, folder)
    register.add([mark(at) for at in range(MARKS, MARKS + 5)])
    register.delete(["m002"])
    follower.refresh()
    follower.save_snapshot()
    assert follower.status.segments == 2
    register.delete(["m001", "m041"])
    register.add([mark(5, seed=500), mark(90)])
    return folder


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir())


def test_a_good_snapshot_is_used_and_brought_up_to_date(register, folder, caplog) -> None:
    follower = reopened(register, folder)
    assert follower.status.saved == 46
    assert answers(register, follower) == truth(register)
    assert caplog.text == ""


def flip(path: Path, where: float) -> None:
    content = bytearray(path.read_bytes())
    at = int(where * (len(content) - 1))
    content[at] ^= 1 << (at % 8)
    path.write_bytes(content)


FAULTS: dict[str, Callable[[Path], object]] = {
    "a bit flipped at the start": lambda path: flip(path, 0.0),
    "a bit flipped early": lambda path: flip(path, 0.2),
    "a bit flipped in the middle": lambda path: flip(path, 0.5),
    "a bit flipped late": lambda path: flip(path, 0.9),
    "a bit flipped at the end": lambda path: flip(path, 1.0),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut by one byte": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "swapped for rubbish": lambda path: path.write_bytes(b'{"body": [], "sha256": 1}'),
    "made a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_noticed_and_the_register_read_instead(
    register, folder, caplog, fault
) -> None:
    expected = truth(register)
    whole = folder.with_name("whole")
    shutil.copytree(folder, whole)
    assert len(files(folder)) == 5
    for path in files(folder):
        caplog.clear()
        FAULTS[fault](path)
        follower = reopened(register, folder)
        assert answers(register, follower) == expected, path.name
        assert follower.status.saved is None
        assert "index snapshot not used, reading the register instead" in caplog.text
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)


def test_a_snapshot_of_an_earlier_format_is_noticed_and_replaced(register, folder, caplog) -> None:
    """Format 2 had the same manifest; its arrays were in .npz files."""
    body = json.loads((folder / "manifest.json").read_bytes())["body"]
    for part in body["parts"]:
        for kind, name in part.items():
            (folder / name).unlink()
            part[kind] = f"{Path(name).stem}.npz"
            np.savez(folder / part[kind], vectors=np.zeros((MARKS, DIMENSION), np.float16))
            os.utime(folder / part[kind], (time.time() - 3600, time.time() - 3600))
    body["format"] = 2
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"sha256": digest, "body": body}))
    follower = reopened(register, folder)
    assert answers(register, follower) == truth(register)
    assert "has format 2; this version reads 5" in caplog.text
    follower.save_snapshot()
    assert not list(folder.glob("*.npz"))
    assert reopened(register, folder).status.saved == register.sequence()


def test_a_missing_file_is_noticed_and_the_register_read_instead(register, folder, caplog) -> None:
    expected = truth(register)
    for path in files(folder):
        content = path.read_bytes()
        path.unlink()
        assert answers(register, reopened(register, folder)) == expected
        path.write_bytes(content)
    assert caplog.text.count("not used") == 4, "without a manifest there is no snapshot at all"


def test_a_damaged_snapshot_is_replaced_by_the_next(register, folder, caplog) -> None:
    for path in folder.glob("*.safetensors"):
        flip(path, 0.5)
    reopened(register, folder).stop()
    caplog.clear()
    follower = reopened(register, folder)
    assert follower.status.saved == register.sequence()
    assert answers(register, follower) == truth(register)
    assert caplog.text == ""


def test_a_snapshot_of_another_register_is_not_used(folder, tmp_path, caplog) -> None:
    other = Register.open(f"sqlite:///{tmp_path / 'other.db'}")
    try:
        other.add([mark(at, seed=at + 1000) for at in range(80)])
        assert answers(other, reopened(other, folder)) == truth(other)
        assert "another register" in caplog.text
    finally:
        other.close()


def test_a_snapshot_of_another_network_is_not_used(register, folder, caplog) -> None:
    assert reopened(register, folder, "other").status.saved is None
    assert "another network" in caplog.text


def test_register_and_snapshot_of_versions_without_stamps_go_on(
    register, folder, tmp_path, caplog
) -> None:
    with closing(sqlite3.connect(tmp_path / "register.db")) as database:
        database.execute("DELETE FROM stamps")
        database.commit()
    body = json.loads((folder / "manifest.json").read_bytes())["body"]
    del body["facts"]["stamp"]
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"sha256": digest, "body": body}))
    register.add([mark(95)])
    follower = reopened(register, folder)
    assert follower.status.saved == 46
    assert answers(register, follower) == truth(register)
    assert caplog.text == ""


def test_a_disk_that_refuses_costs_no_search(register, tmp_path, caplog) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    follower = reopened(register, blocked)
    assert answers(register, follower) == truth(register)
    follower.stop()
    assert "index snapshot not saved" in caplog.text


def test_a_full_disk_leaves_the_snapshot_before_and_nothing_half_written(register, folder) -> None:
    kept = {path: path.read_bytes() for path in files(folder)}
    follower = reopened(register, folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="cannot be written"):
            follower.save_snapshot()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path: path.read_bytes() for path in files(folder)} == kept


def test_stopping_saves_once_and_not_again_without_changes(register, tmp_path) -> None:
    folder = tmp_path / "snapshot"
    reopened(register, folder).stop()
    saved = {path: path.stat().st_mtime_ns for path in files(folder)}
    assert len(saved) == 3
    reopened(register, folder).stop()
    assert {path: path.stat().st_mtime_ns for path in files(folder)} == saved


def test_what_a_searcher_measured_is_in_the_snapshot_and_not_measured_again(
    register, tmp_path
) -> None:
    folder, bounds = tmp_path / "snapshot", bounds_of(BLOCKS)
    first = reopened(register, folder)
    answers(register, first)
    first.stop()
    again = reopened(register, folder)
    assert again.view().bounds == bounds, "known before any searcher has asked"
    length_error = {part.segment.length_error(bounds) for part in first.view().parts}
    assert {part.segment.length_error(bounds) for part in again.view().parts} == length_error
    assert again.view().parts[0].segment.length_error(bounds) > 0
    register.add([mark(70)])
    assert again.refresh().bounds == bounds, "new rows are measured as they come"


def test_rows_already_on_disk_are_not_written_again(register, tmp_path) -> None:
    folder = tmp_path / "snapshot"
    reopened(register, folder).stop()
    large = max(files(folder), key=lambda path: path.stat().st_size)
    inode = large.stat().st_ino
    register.delete(["m000"])
    follower = reopened(register, folder)
    follower.stop()
    assert large.stat().st_ino == inode
    assert answers(register, reopened(register, folder)) == truth(register)


def test_processes_that_save_at_once_leave_a_good_snapshot(register, tmp_path, caplog) -> None:
    folder = tmp_path / "snapshot"
    followers = [reopened(register, folder) for _ in range(3)]
    for at, follower in enumerate(followers):  # different segments of the same register
        register.add([mark(100 + at)])
        follower.refresh()

    def save(follower: Follower) -> None:
        for _ in range(15):
            follower.save_snapshot()

    threads = [threading.Thread(target=save, args=(follower,)) for follower in followers]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        follower = reopened(register, folder)
        assert answers(register, follower) == truth(register)
    for thread in threads:
        thread.join()
    assert reopened(register, folder).status.saved is not None
    assert caplog.text == ""


def test_what_killed_savers_left_behind_is_cleaned_away_once_it_is_old(register, folder) -> None:
    follower = reopened(register, folder)
    old, young = folder / "killed.tmp", folder / "working.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    follower.save_snapshot()
    assert not old.exists()
    assert young.exists()


def test_the_snapshot_before_survives_a_save_that_fails(register, folder) -> None:
    manifest = folder / "manifest.json"
    kept = manifest.read_bytes()
    follower = reopened(register, folder)
    manifest.unlink()
    manifest.mkdir()  # nothing can be put in its place, not even by root
    with pytest.raises(OSError, match="manifest"):
        follower.save_snapshot()
    manifest.rmdir()
    manifest.write_bytes(kept)
    follower = reopened(register, folder)
    assert follower.status.saved == 46
    assert answers(register, follower) == truth(register)
