"""One SQLite file that is opened more than once, in one process and in others."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from indexer.errors import SourceError
from indexer.marks import EncodedMark
from indexer.register import Register
from indexer.register.database import create_engine, parse_url
from indexer.sources import RejectedRow, open_source
from indexer.sources.containers import files_of, state_of_files
from models.errors import UnreadableImage
from search_api.query_encoder import read_picture

ROOT = Path(__file__).parents[2]
COUNT = (
    "import sys; from indexer.register import Register; print(Register.open(sys.argv[1]).count())"
)
FILES = ("register.db", "register.db-wal", "register.db-shm")


def _open_again(folder: Path) -> None:
    create_engine(parse_url(f"sqlite:///{folder / 'register.db'}")).dispose()


def _index_its_folder(folder: Path) -> None:
    (folder.parent / "marks.xml").write_text("<nothing/>")
    (folder.parent / "link.db").symlink_to(folder / "register.db")
    assert [file.name for file in files_of(folder.parent)] == ["marks.xml"]
    assert state_of_files(folder.parent).size == 1
    with suppress(SourceError):  # of no office that is known
        list(open_source(folder.parent))


def _index_it(folder: Path) -> None:
    for name in FILES:
        for format in ("auto", "csv", "jsonl", "parquet", "euipo"):
            with pytest.raises(SourceError, match="is the database of the register itself"):
                list(open_source(folder / name, format=format))


def _take_it_for_pictures(folder: Path) -> None:
    table = folder / "marks.csv"
    table.write_text("id,image\n" + "".join(f"{name},{name}\n" for name in FILES))
    for name in FILES:
        with pytest.raises(SourceError, match="is the database of the register itself"):
            open_source(table, images=folder / name)
    for row in open_source(table):
        assert not isinstance(row, RejectedRow)
        with pytest.raises(UnreadableImage, match="is the register's database"):
            row.read_picture()  # type: ignore[union-attr]


def _search_with_it(folder: Path) -> None:
    for name in FILES:
        with pytest.raises(UnreadableImage, match="is the register's database"):
            read_picture(folder / name)


@pytest.mark.parametrize(
    "use", [_open_again, _index_its_folder, _index_it, _take_it_for_pictures, _search_with_it]
)
def test_no_use_of_the_file_gives_up_the_locks_of_the_first_opening(
    use: Callable[[Path], None], tmp_path: Path, mark: Callable[..., EncodedMark]
) -> None:
    """Else another process takes itself for the last one, and deletes the log that is written."""

    def counted_elsewhere() -> str:
        command = [sys.executable, "-c", COUNT, url]
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command, cwd=ROOT, check=True, capture_output=True, text=True
        )
        return done.stdout

    folder = tmp_path / "data"
    url = f"sqlite:///{folder / 'register.db'}"
    register = Register.open(url)
    register.add([mark("first")])
    use(folder)
    assert counted_elsewhere() == "1\n"
    register.add([mark("second")])
    assert (folder / "register.db-wal").exists()
    assert counted_elsewhere() == "2\n"
    register.close()
