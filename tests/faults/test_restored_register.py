"""A register that is restored from a backup is searched as it is, not as it was before."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.marks import EncodedMark
from indexer.pages import Page
from indexer.query import Filter
from indexer.register import Register
from tests.faults.followers import answers, copy_database, mark, reopened, truth

STATUSES = ("filed", "expired", "withdrawn")


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    register.add([mark(at) for at in range(40)])
    yield register
    register.close()


@pytest.mark.parametrize("written_since", [0, 4, 100])
def test_a_register_restored_from_a_backup_is_read_anew(
    register, tmp_path, caplog, written_since
) -> None:
    path, folder = tmp_path / "restored.db", tmp_path / "snapshot"
    copy_database(tmp_path / "register.db", path)
    follower = reopened(register, folder)
    register.add([mark(at) for at in range(200, 230)])
    register.delete(["m007"])
    follower.refresh()
    follower.save_snapshot()
    with closing(Register.open(f"sqlite:///{path}")) as restored:
        restored.add([mark(300 + at) for at in range(written_since)])
        assert answers(restored, reopened(restored, folder)) == truth(restored)
        assert "restored from a backup" in caplog.text


@pytest.mark.parametrize("since", ["others are written", "others are withdrawn"])
def test_what_was_withdrawn_after_the_backup_is_found_again(
    register, tmp_path, caplog, since
) -> None:
    path, folder = tmp_path / "restored.db", tmp_path / "snapshot"
    register.add([mark(at) for at in range(100, 200)])
    copy_database(tmp_path / "register.db", path)
    register.delete(["m005", "m006", "m007"])
    reopened(register, folder).save_snapshot()
    with closing(Register.open(f"sqlite:///{path}")) as restored:
        if since == "others are withdrawn":
            restored.delete(["m025", "m026", "m027"])
        else:
            restored.add([mark(300 + at) for at in range(3)])
            restored.add([mark(300 + at, seed=at) for at in range(3)])
        assert answers(restored, reopened(restored, folder)) == truth(restored)
        assert "restored from a backup" in caplog.text


def counted(register: Register) -> dict[str, int]:
    found = {one: register.find(Filter(status=frozenset({one})), Page(1))[1] for one in STATUSES}
    return {status: total for status, total in found.items() if total}


def corrected(at: int) -> list[EncodedMark]:
    """A delivery in which one mark has another picture, or another status, than at first."""
    again = [mark(one) for one in range(200, 300)]
    if at == 299:
        record = replace(again[-1].record, status="withdrawn")
        return [*again[:-1], replace(again[-1], record=record)]
    return [mark(one, seed=9 if one == at else None) for one in range(200, 300)]


@pytest.mark.parametrize("at", [210, 299])
def test_what_is_corrected_after_a_restore_takes_the_place_of_what_was_lost(
    register, tmp_path, caplog, at
) -> None:
    path, folder = tmp_path / "restored.db", tmp_path / "snapshot"
    copy_database(tmp_path / "register.db", path)
    register.add([mark(one) for one in range(200, 300)])
    reopened(register, folder).save_snapshot()
    with closing(Register.open(f"sqlite:///{path}")) as restored:
        restored.add(corrected(at))
        follower = reopened(restored, folder)
        assert answers(restored, follower) == truth(restored)
        assert follower.count_passing(Filter(), None, False).status == counted(restored)
        assert "restored from a backup" in caplog.text


@pytest.mark.parametrize("written_since", [0, 10, 20])
def test_a_register_restored_and_written_to_under_a_running_follower_is_read_anew(
    register, tmp_path, caplog, written_since
) -> None:
    backup, folder = tmp_path / "backup.db", tmp_path / "snapshot"
    copy_database(tmp_path / "register.db", backup)
    register.add([mark(at) for at in range(200, 210)])
    follower = reopened(register, folder)
    copy_database(backup, tmp_path / "register.db")
    register.add([mark(at, seed=at + 1) for at in range(200, 200 + written_since)])
    follower.refresh()
    assert answers(register, follower) == truth(register)
    assert "reading it anew" in caplog.text
    follower.stop()
    caplog.clear()
    assert answers(register, reopened(register, folder)) == truth(register)
    assert caplog.text == ""
