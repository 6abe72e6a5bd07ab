"""What every source yields, whatever its format."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from indexer.errors import MissingPicture, SourceError
from indexer.marks import MarkRecord
from indexer.register.database import is_open_database
from indexer.sources.pictures import MAX_PICTURE_BYTES, PictureFile, ZippedPicture, too_large
from models.errors import UnreadableImage

MAX_LINE = 4 * 2**20  # bytes or characters of a table's line; the longest marks have some thousands
HOPELESS = 64 * 2**20  # bytes without the end of a line or record after which a file is given up
_DIGEST_BYTES = 7  # of a folder: what a column of 64 bits with a sign holds
TOO_LONG = f"the line is longer than {MAX_LINE // 2**20} MiB, more than a mark can need"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One mark as the source gives it; its picture stays on the disk until it is asked for.

    Attributes:
        position: where it stands: the line a table's row begins on, a picture's or a record's
            ordinal.
        record: everything but the picture.
        picture: the picture's file; an error where the source names one that cannot be had; None
            for a mark without picture.
        keeps_picture: the source says nothing of the picture: a mark that the register holds keeps
            its own.
        needs_picture: without its picture the row is rejected; else the mark is kept, with the
            picture that the register holds, if it holds one.
        left_out: fields of the record that the source says nothing of, or nothing that can be
            read: a mark that the register holds keeps its own.
        label: what a picture that is no mark is called; see `indexer.sources.labels`.
    """

    position: int
    record: MarkRecord
    picture: PictureFile | UnreadableImage | None
    keeps_picture: bool = False
    needs_picture: bool = True
    left_out: frozenset[str] = frozenset()
    label: str = ""

    def read_picture(self) -> bytes:
        """The bytes of the picture.

        Raises:
            MissingPicture: there is no such file.
            UnreadableImage: it cannot or should not be read.
        """
        name = self.record.image_name or self.record.id
        if self.picture is None:
            raise UnreadableImage(f"{self.record.id} has no picture")
        if isinstance(self.picture, UnreadableImage):
            raise self.picture
        if isinstance(self.picture, ZippedPicture):
            return self.picture.read()
        try:
            # Only plain files: a pipe or a device would keep the run waiting for ever.
            if not self.picture.is_file():
                raise MissingPicture(f"{name}: no such picture file in {self.picture.parent}")
            if is_open_database(self.picture):
                raise UnreadableImage(f"{name}: is the register's database, no picture")
            size = self.picture.stat().st_size
            if size > MAX_PICTURE_BYTES:
                raise too_large(name, size)
            return self.picture.read_bytes()
        except OSError as error:
            raise UnreadableImage(f"{name}: cannot be read ({error.strerror})") from error


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A mark that its office takes out of the register.

    Attributes:
        position: as in `SourceRow`.
        id: of the mark.
    """

    position: int
    id: str


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot become a mark, and why.

    Attributes:
        position: as in `SourceRow`.
        id: the mark's id where it could be read.
        image: the picture's name where it could be read.
        reason: one plain sentence.
    """

    position: int
    id: str | None
    image: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """What tells whether a source is still the one an interrupted run was reading.

    Attributes:
        path: absolute path.
        size: bytes of the file; for a folder, the number of its files.
        mtime_ns: last change, nanoseconds since 1970; for a folder, a digest of the names, sizes
            and last changes of its files, as the newest of them does not tell of the others.
    """

    path: str
    size: int
    mtime_ns: int


Row = SourceRow | Withdrawal | RejectedRow


class MarkSource(Protocol):
    """Rows in a fixed order, read afresh (and streamed) at each iteration."""

    name: str
    state: SourceState
    last_position: int  # about how many positions there are: what progress counts towards
    amends: bool  # a later row of an id replaces an earlier one; elsewhere it is a mistake
    warnings: list[str]  # grows while the rows are read
    broken: list[str]  # grows, too: where files end or break in their middle

    def __iter__(self) -> Iterator[Row]:
        """Read the rows from the beginning."""
        ...


class LineEnds:
    """Counts the line ends of a table as its bytes pass, and gives a file up that has none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._run = 0  # bytes since the last line end
        self.newlines = self.returns = 0

    def take(self, chunk: bytes) -> None:
        """Count those of the next bytes.

        Raises:
            SourceError: so many bytes without one are no table: it is not read any further.
        """
        self.newlines += chunk.count(b"\n")
        self.returns += chunk.count(b"\r")
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._run = len(chunk) - last - 1 if last >= 0 else self._run + len(chunk)
        if self._run > HOPELESS:
            line = (self.newlines or self.returns) + 1
            raise SourceError(
                f"{self._name}, line {line}: the line is longer than {HOPELESS // 2**20} MiB: "
                "this is no table of marks"
            )


def state_of(path: Path) -> SourceState:
    """The state of a source that is one file.

    Raises:
        SourceError: it cannot be looked at.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error
    return SourceState(str(path.resolve()), status.st_size, status.st_mtime_ns)


def state_of_folder(path: Path, folders: Iterable[tuple[Path, Sequence[str]]]) -> SourceState:
    """The state of a source that is files of a folder; none is opened.

    Args:
        path: of the folder.
        folders: it and those below it, in a fixed order, each with the names of its files.

    Raises:
        SourceError: a file cannot be looked at.
    """
    digest, count = hashlib.blake2b(digest_size=_DIGEST_BYTES), 0
    for folder, names in folders:
        place = folder.relative_to(path)
        for name in names:
            status = _status(folder / name)
            said = f"{place}/{name}\0{status.st_size}\0{status.st_mtime_ns}\0"
            digest.update(os.fsencode(said))
            count += 1
    return SourceState(str(path.resolve()), count, int.from_bytes(digest.digest(), "big"))


def _status(file: Path) -> os.stat_result:
    """What a name leads to, or the link itself where it leads nowhere."""
    with suppress(OSError):
        return file.stat()
    try:
        return file.lstat()
    except OSError as error:
        raise SourceError(f"cannot read {file}: {error.strerror}") from error
