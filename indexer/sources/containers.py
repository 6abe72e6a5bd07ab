"""The files a source consists of: one, those of a folder, those in a zip, each perhaps gzipped.

Everything is read as a stream: nothing is unpacked to the disk or held in memory whole.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from indexer.errors import BrokenSource, SourceError
from indexer.register.database import is_open_database
from indexer.sources.pictures import open_zip, refuse_database
from indexer.sources.source_rows import SourceState, state_of, state_of_folder
from models.images.picture_folder import is_picture, walk

_GZIP = b"\x1f\x8b"
_ENCRYPTED = 1  # in a zip member's flags
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
HEAD_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    Attributes:
        name: as messages call it.
        path: of the file, or of the zip file it is in.
        archive, member: the open zip file and its member; both None for a plain file.
    """

    name: str
    path: Path
    archive: zipfile.ZipFile | None = None
    member: zipfile.ZipInfo | None = None

    def open(self) -> BinaryIO:
        """The content from its beginning, decompressed.

        Raises:
            SourceError: it cannot be opened.
            BrokenSource: (later, while reading) the content ends or breaks in its middle.
        """
        raw = self._open_raw()
        try:
            start = raw.read(2)
            raw.seek(0)
        except (EOFError, zlib.error, zipfile.BadZipFile):
            # A small member is read whole, and its checksum looked at: whoever reads is told.
            raw.close()
            raw, start = self._open_raw(), b""
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if start == _GZIP else raw
        return io.BufferedReader(_Guarded(stream, raw, self.name), 2**16)

    def verify(self) -> None:
        """Read a packed file through, for its checksum.

        What is damaged may read as other marks, or as one that nobody has. A file that is cut off
        passes: what stands before the cut is right.

        Raises:
            SourceError: it is damaged, or cannot be read.
        """
        if self.archive is None and is_zip(self.path):
            open_zip(self.path).close()  # which says what is wrong with it
        if self.is_plain:
            return
        try:
            with self.open() as stream:
                while stream.read1(HEAD_BYTES):  # type: ignore[attr-defined]
                    pass
        except BrokenSource as error:
            if not isinstance(error.__cause__, EOFError):
                raise SourceError(
                    f"{self.name} is damaged: {str(error.__cause__).rstrip('.')}; nothing of it is "
                    "read, since what it holds may be wrong; fetch it again"
                ) from error

    def head(self) -> bytes:
        """The first bytes, fewer where the file breaks off."""
        head = b""
        with self.open() as stream, suppress(BrokenSource):
            while len(head) < HEAD_BYTES and (chunk := stream.read1(HEAD_BYTES)):  # type: ignore[attr-defined]
                head += chunk
        return head

    @property
    def is_plain(self) -> bool:
        """Whether the file lies on the disk just as it is read."""
        if self.archive is not None:
            return False
        with self._open_raw() as raw:
            return raw.read(2) != _GZIP

    def _open_raw(self) -> BinaryIO:
        try:
            if self.archive is not None and self.member is not None:
                return cast(BinaryIO, self.archive.open(self.member))
            refuse_database(self.path)
            return self.path.open("rb")
        except OSError as error:
            raise SourceError(f"cannot read {self.path}: {error.strerror}") from error
        except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
            if self.member is not None and self.member.flag_bits & _ENCRYPTED:
                raise SourceError(
                    f"{self.name} is encrypted: unpack it and name the file"
                ) from error
            raise SourceError(f"cannot unzip {self.name}: {error}") from error


class _Guarded(io.RawIOBase):
    """A stream whose every way of breaking off is one error that names the file.

    It hands on each piece before asking for the next: what stands before the break is not lost.
    """

    def __init__(self, stream: BinaryIO, raw: BinaryIO, name: str) -> None:
        self._stream, self._raw, self._name = stream, raw, name
        # Of a BufferedReader, GzipFile or ZipExtFile, each of which has it.
        self._read1 = cast("Callable[[int], bytes]", stream.read1)  # type: ignore[attr-defined]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        try:
            content = self._read1(len(buffer))
        except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
            raise BrokenSource(
                f"{self._name} is cut off or damaged: {str(error).rstrip('.')}; fetch it again"
            ) from error
        except OSError as error:
            raise SourceError(f"cannot read {self._name}: {error.strerror}") from error
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._stream.close()
        self._raw.close()
        super().close()


def is_zip(path: Path) -> bool:
    """Whether a file begins like a zip file."""
    refuse_database(path)
    try:
        with path.open("rb") as file:
            return file.read(4) in _ZIP
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def files_of(path: Path) -> Iterator[SourceFile]:
    """The files of a source in the order of their names: no pictures, hidden ones or database.

    A folder's own files come before those of its sub-folders.
    Zip files in a folder count as folders of it, and damaged ones as files, so that they do not
    keep the others from being read; zip files in zip files do not count.
    """
    if not path.is_dir():
        yield from _of_file(path, path.name)
        return
    for folder, names in _folders_in(path):
        for file in (folder / name for name in names):
            name = file.relative_to(path).as_posix()
            try:
                yield from _of_file(file, name)
            except SourceError:
                yield SourceFile(name, file)


def state_of_files(path: Path) -> SourceState:
    """What tells whether a file or folder is still the same."""
    return state_of_folder(path, _folders_in(path)) if path.is_dir() else state_of(path)


def _of_file(file: Path, name: str) -> Iterator[SourceFile]:
    if not is_zip(file):
        yield SourceFile(name, file)
        return
    archive = open_zip(file)
    for member in sorted(archive.infolist(), key=lambda one: one.filename):
        inside = PurePosixPath(member.filename)
        is_hidden = any(part.startswith((".", "__MACOSX")) for part in inside.parts)
        if not (member.is_dir() or is_hidden or is_picture(inside.name)):
            yield SourceFile(f"{name}/{member.filename}", file, archive, member)


def walk_folder(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """Folders and their files' names in a fixed order; see `models.images.picture_folder.walk`.

    Raises:
        SourceError: a folder cannot be read.
    """
    try:
        yield from walk(path)
    except OSError as error:
        raise SourceError(f"cannot read {error.filename}: {error.strerror}") from error


def _folders_in(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those below it with their files that are neither pictures nor the database."""
    for folder, names in walk_folder(path):
        yield folder, [name for name in names if not is_picture(name) and _is_read(folder / name)]


def _is_read(file: Path) -> bool:
    return file.is_file() and not is_open_database(file)
