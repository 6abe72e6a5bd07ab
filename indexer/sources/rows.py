"""What every source yields, whatever its format."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from indexer.errors import BadRecord, SourceError
from indexer.marks import MarkRecord
from models.errors import UnreadableImage

MAX_PICTURE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One mark as the source gives it; its picture stays on the disk until it is asked for.

    Attributes:
        position: where it stands: the line a table's row begins on, or a picture's ordinal.
        record: everything but the picture.
        picture: the picture's file.
    """

    position: int
    record: MarkRecord
    picture: Path

    def read_picture(self) -> bytes:
        """The bytes of the picture.

        Raises:
            UnreadableImage: there is no such file, or it cannot or should not be read.
        """
        name = self.record.image_name
        try:
            # Only plain files: a pipe or a device would keep the run waiting for ever.
            if not self.picture.is_file():
                raise UnreadableImage(f"{name}: no such picture file in {self.picture.parent}")
            size = self.picture.stat().st_size
            if size > MAX_PICTURE_BYTES:
                raise UnreadableImage(
                    f"{name}: {size / 2**20:.0f} MiB are more than a picture of a mark can need "
                    f"(at most {MAX_PICTURE_BYTES // 2**20} MiB); export it smaller"
                )
            return self.picture.read_bytes()
        except OSError as error:
            raise UnreadableImage(f"{name}: cannot be read ({error.strerror})") from error


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
        size: bytes of the table; for a folder, the number of its pictures.
        mtime_ns: last change (for a folder: the latest change in it), nanoseconds since 1970.
    """

    path: str
    size: int
    mtime_ns: int


class Source(Protocol):
    """Rows in a fixed order, read afresh (and streamed) at each iteration."""

    name: str
    state: SourceState
    last_position: int  # the highest position there can be: what progress counts towards
    warnings: list[str]  # grows while the rows are read

    def __iter__(self) -> Iterator[SourceRow | RejectedRow]:
        """Read the rows from the beginning."""
        ...


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


def picture_path(root: Path, name: str | None) -> Path:
    """The file `name` means below `root`.

    The text decides, not the disk: a link that lies in the folder is its owner's business, but a
    table must not reach out of the folder. Backslashes are read as slashes (tables from Windows).

    Raises:
        BadRecord: the name is absolute or leads out of the folder.
    """
    if not name:
        raise BadRecord("image is empty")
    windows = PureWindowsPath(name)
    parts: list[str] = []
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise BadRecord(f"image {name!r} leads out of the picture folder")
    if windows.drive or windows.root or PurePosixPath(name).is_absolute():
        raise BadRecord(f"image {name!r} is an absolute path; write it relative to --images")
    if not parts:
        raise BadRecord(f"image {name!r} names no file")
    return root.joinpath(*parts)
