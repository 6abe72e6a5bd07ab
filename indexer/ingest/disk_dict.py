"""A dictionary in a temporary file, for what a run remembers of millions of rows."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from models.errors import MarkLensError

_AT_ONCE = 500


class DiskDict:
    """Ids with a text each, on the disk; gone when it is closed, or the process ends or dies.

    For one thread. Every method raises `MarkLensError` where the disk refuses.
    """

    def __init__(self) -> None:
        # An empty name is a private file that SQLite deletes at once; little of it is in memory.
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("CREATE TABLE held (id TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID")
        self._file.execute("BEGIN")

    def close(self) -> None:
        """Forget everything."""
        self._file.close()

    def add(self, one: str) -> bool:
        """Remember an id; whether it was not there before."""
        with _plain_errors():
            done = self._file.execute("INSERT OR IGNORE INTO held (id) VALUES (?)", (one,))
            return done.rowcount == 1

    def update(self, texts: Mapping[str, str | None]) -> None:
        """Remember a text for each of some ids, in place of the one before."""
        with _plain_errors():
            self._file.executemany("REPLACE INTO held VALUES (?, ?)", texts.items())

    def texts(self, ids: Sequence[str]) -> dict[str, str | None]:
        """The texts of those among these ids that are there."""
        found: dict[str, str | None] = {}
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            wanted = f"SELECT id, text FROM held WHERE id IN ({marks})"  # noqa: S608 - only "?"
            with _plain_errors():
                found.update(self._file.execute(wanted, part).fetchall())
        return found


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise MarkLensError(
            f"cannot write a temporary file: {error}; free some space where temporary files are, "
            "or name another folder in SQLITE_TMPDIR"
        ) from error
