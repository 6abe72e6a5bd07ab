"""Writes the rejects file: the rows to be mended before indexing again."""

import csv
import os
from pathlib import Path
from typing import TextIO

from indexer.formulas import neutralised
from indexer.sources.source_rows import RejectedRow
from models.errors import MarkLensError

_COLUMNS = ("position", "id", "image", "reason")


class RejectsFile:
    """A CSV of the rejected rows, made when the first one comes.

    It is for spreadsheets: it starts with a byte order mark, without which they read umlauts
    wrongly, and formulas in it are neutralised.
    """

    def __init__(self, path: Path, resumed_after: int) -> None:
        """Go on with the file of a resumed run, without what was written past its last commit.

        Raises:
            MarkLensError: the disk refuses; the file is as it was then.
        """
        self.file: Path | None = None
        self._path = path
        self._stream: TextIO | None = None
        kept = _rejects_up_to(path, resumed_after) if resumed_after else []
        if kept:
            self._begin_with(kept)

    def add(self, reject: RejectedRow) -> None:
        """Write a row.

        Raises:
            MarkLensError: the disk refuses.
        """
        try:
            if self._stream is None:
                self._stream = self._open(self._path)
            _write(self._stream, reject)
        except OSError as error:
            raise MarkLensError(f"cannot write {self._path}: {error.strerror}") from error

    def _begin_with(self, kept: list[RejectedRow]) -> None:
        """Keep some rows of the file; a kill leaves the old file or the new, whole."""
        unfinished = self._path.with_name(f"{self._path.name}.new")
        try:
            self._stream = self._open(unfinished)
            for reject in kept:
                _write(self._stream, reject)
            self.sync()
            unfinished.replace(self._path)
        except OSError as error:
            raise MarkLensError(f"cannot write {self._path}: {error.strerror}") from error

    def _open(self, path: Path) -> TextIO:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("w", encoding="utf-8-sig", newline="")
        self.file = self._path
        csv.writer(stream).writerow(_COLUMNS)
        return stream

    def sync(self) -> None:
        """Bring the rejects to the disk: a committed position must not outlive them."""
        try:
            if self._stream is not None:
                self._stream.flush()
                os.fsync(self._stream.fileno())
        except OSError as error:
            raise MarkLensError(f"cannot write {self._path}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file; nothing can be added afterwards.

        Raises:
            MarkLensError: the disk refuses what was not synced yet.
        """
        try:
            if self._stream is not None:
                self._stream.close()
        except OSError as error:
            raise MarkLensError(f"cannot write {self._path}: {error.strerror}") from error


def _write(stream: TextIO, reject: RejectedRow) -> None:
    texts = (reject.id, reject.image, reject.reason)
    csv.writer(stream).writerow((reject.position, *(neutralised(text or "") for text in texts)))


def _rejects_up_to(path: Path, position: int) -> list[RejectedRow]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(_COLUMNS)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MarkLensError(f"cannot read {path}: {error.strerror}") from error
    rejects = [RejectedRow(int(row[0]), row[1], row[2], row[3]) for row in rows[1:]]
    return [reject for reject in rejects if reject.position <= position]
