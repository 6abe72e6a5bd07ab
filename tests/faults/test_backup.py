"""Backups as in docs/operations.md, taken while marks are written, restored into an empty place."""

import shutil
import sqlite3
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from indexer.marks import MarkRecord
from indexer.verify import Findings, Place, verify
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings

Dump = Callable[[str, Path], None]  # the register's URL, a file
Restore = Callable[[Path, Path], str]  # a file, the new data folder → the new register's URL
Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]
BEFORE = 12


@pytest.fixture
def dumping(request: pytest.FixtureRequest, register_url: str) -> tuple[Dump, Restore]:
    """How a register's database is dumped and restored."""
    if register_url.startswith("sqlite"):
        return dump_sqlite, restore_sqlite
    server = request.getfixturevalue("postgres_server")

    def dump(url: str, file: Path) -> None:
        run(str(server.binaries / "pg_dump"), "--format=custom", f"--file={file}", url)

    def restore(file: Path, _: Path) -> str:
        name = f"restored_{uuid.uuid4().hex[:12]}"
        server.run(f"CREATE DATABASE {name}")
        request.addfinalizer(lambda: server.run(f"DROP DATABASE {name} WITH (FORCE)"))
        url: str = server.url(name)
        run(str(server.binaries / "pg_restore"), "--exit-on-error", f"--dbname={url}", str(file))
        return url

    return dump, restore


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603


def dump_sqlite(url: str, file: Path) -> None:
    """Do what `sqlite3 register.db "VACUUM INTO 'file'"` does, which CI's machines may lack."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("VACUUM INTO ?", (str(file),))


def restore_sqlite(file: Path, data: Path) -> str:
    shutil.copy(file, data / "register.db")
    return f"sqlite:///{data / 'register.db'}"


@contextmanager
def writing(marklens: MarkLens, picture: Callable[[int], bytes]) -> Iterator[list[str]]:
    """Write marks in the background, and replace and withdraw some; ids of what is acknowledged."""
    acknowledged: list[str] = []
    over, failed = threading.Event(), []

    def write() -> None:
        try:
            n = 0
            while not over.is_set():
                marklens.add(MarkRecord(f"M-{n}", text=f"word {n}", nice=(1 + n % 45,)), picture(n))
                acknowledged.append(f"M-{n}")
                marklens.add(MarkRecord("changes"), picture(n + 500))
                n += 1
        except Exception as error:
            failed.append(error)
            raise

    thread = threading.Thread(target=write)
    thread.start()
    try:
        while len(acknowledged) < BEFORE and thread.is_alive():
            over.wait(0.01)
        yield acknowledged
    finally:
        over.set()
        thread.join()
    assert not failed


def verified(url: str, data: Path) -> Findings:
    findings = Findings()
    place = Place(url, data / "images", data / "snapshots")
    verify(place, findings, progress=lambda *_: None)
    return findings


def test_a_backup_that_is_taken_while_marks_are_written_restores_all_that_was_acknowledged(
    dumping: tuple[Dump, Restore],
    register_url: str,
    tiny_settings: Callable[..., Settings],
    draw_mark: Draw,
    as_png: AsPng,
    tmp_path: Path,
) -> None:
    dump, restore = dumping
    data, backup, empty = (tmp_path / name for name in ("data", "backup", "empty"))
    backup.mkdir()
    empty.mkdir(mode=0o700)

    def picture(n: int) -> bytes:
        return as_png(draw_mark(n, 64))

    with (
        MarkLens.open(tiny_settings(data, database_url=register_url)) as marklens,
        writing(marklens, picture) as acknowledged,
    ):
        before = list(acknowledged)
        dump(register_url, backup / "register")  # the database first
        while len(acknowledged) < len(before) + 5:
            threading.Event().wait(0.01)
        # And then the pictures, without what is half written or a copy.
        passing = shutil.ignore_patterns("incoming", "thumbnails")
        shutil.copytree(data / "images", backup / "images", ignore=passing)
    shutil.copytree(backup / "images", empty / "images")
    url = restore(backup / "register", empty)
    findings = verified(url, empty)
    assert findings.is_sound, findings.examples
    assert findings.checked["marks"] >= BEFORE
    with MarkLens.open(tiny_settings(empty, database_url=url), create=False) as restored:
        assert restored.register.marks(before).keys() == set(before)
        answer = restored.search(SearchRequest(picture(3), k=1))
        assert answer.hits[0].mark.record.id == "M-3"
        assert restored.rebuild().marks == restored.register.count()
    findings = verified(url, empty)
    assert findings.is_sound
    assert findings.checked["snapshot marks"] == findings.checked["marks"]


def test_pictures_before_the_database_would_miss_some(
    dumping: tuple[Dump, Restore],
    register_url: str,
    tiny_settings: Callable[..., Settings],
    draw_mark: Draw,
    as_png: AsPng,
    tmp_path: Path,
) -> None:
    dump, restore = dumping
    with MarkLens.open(tiny_settings(tmp_path / "data", database_url=register_url)) as marklens:
        marklens.add(MarkRecord("a"), as_png(draw_mark(1)))
        shutil.copytree(tmp_path / "data" / "images", tmp_path / "new" / "images")
        marklens.add(MarkRecord("b"), as_png(draw_mark(2)))
        dump(register_url, tmp_path / "dump")
    url = restore(tmp_path / "dump", tmp_path / "new")
    findings = verified(url, tmp_path / "new")
    assert [one.subject for one in findings.examples["picture-missing"]] == ["b"]
