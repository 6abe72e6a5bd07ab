"""Where a source's pictures are: a folder, or a zip file of them."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from indexer.errors import BadRecord, SourceError
from models.errors import UnreadableImage

MAX_PICTURE_BYTES = 64 * 2**20
SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"),
    *(".svg", ".svgz"),
)


@dataclass(frozen=True, slots=True)
class ZippedPicture:
    """A picture inside a zip file; ``member`` is None where the zip does not hold it."""

    archive: zipfile.ZipFile
    name: str
    member: zipfile.ZipInfo | None

    def read(self) -> bytes:
        """The bytes of the picture.

        Raises:
            UnreadableImage: the zip does not hold it, or it cannot or should not be read.
        """
        if self.member is None:
            raise UnreadableImage(f"{self.name}: no such picture in {self.archive.filename}")
        if self.member.file_size > MAX_PICTURE_BYTES:
            raise too_large(self.name, self.member.file_size)
        try:
            with self.archive.open(self.member) as file:
                # A header can lie about the size: never take more than a picture may have.
                content = file.read(MAX_PICTURE_BYTES + 1)
        except (OSError, RuntimeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise UnreadableImage(f"{self.name}: cannot be unzipped ({error})") from error
        if len(content) > MAX_PICTURE_BYTES:
            raise too_large(self.name, len(content))
        return content


PictureFile = Path | ZippedPicture


class Pictures(Protocol):
    """Finds the picture that a row names."""

    def named(self, name: str) -> PictureFile:
        """The file `name` means; it need not be there.

        Raises:
            BadRecord: the name is absolute or leads out of the folder.
        """
        ...

    def first_of(self, names: Sequence[str]) -> PictureFile | None:
        """The first of these names that is there, in any case of its letters' suffix."""
        ...


class FolderPictures:
    """Pictures below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def named(self, name: str) -> PictureFile:
        """The path that `name` means below the folder."""
        return self._root.joinpath(*_parts(name))

    def first_of(self, names: Sequence[str]) -> PictureFile | None:
        """The first of these names that is a file."""
        for name in names:
            path = self._root.joinpath(*_parts(name))
            for suffix in dict.fromkeys((path.suffix, path.suffix.lower(), path.suffix.upper())):
                if path.with_suffix(suffix).is_file():
                    return path.with_suffix(suffix)
        return None


class ZipPictures:
    """Pictures in a zip file, by their whole name or, for an office's zip, by the last part."""

    def __init__(self, path: Path, folder: str = "") -> None:
        """Look at what the zip file holds.

        Args:
            path: of the zip file.
            folder: in it, where whole names are looked for before the zip file's root.

        Raises:
            SourceError: it is damaged, cut off or unreadable.
        """
        self._archive = open_zip(path)
        self._folder = f"{folder}/".casefold() if folder else ""
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._bare: dict[str, zipfile.ZipInfo] = {}
        for member in self._archive.infolist():
            name = member.filename.replace("\\", "/").casefold()
            self._members[name] = member
            self._bare.setdefault(name.rpartition("/")[2], member)

    def named(self, name: str) -> PictureFile:
        """The member that `name` means."""
        whole = "/".join(_parts(name)).casefold()
        member = self._members.get(self._folder + whole) or self._members.get(whole)
        return ZippedPicture(self._archive, name, member)

    def first_of(self, names: Sequence[str]) -> PictureFile | None:
        """The first of these names that the zip holds."""
        for name in names:
            wanted = "/".join(_parts(name)).casefold()
            member = self._members.get(wanted) or self._bare.get(wanted)
            if member is not None:
                return ZippedPicture(self._archive, name, member)
        return None


def open_pictures(path: Path) -> Pictures:
    """The pictures of a folder or a zip file.

    Raises:
        SourceError: it is neither.
    """
    if path.is_dir():
        return FolderPictures(path)
    if path.is_file() and zipfile.is_zipfile(path):
        return ZipPictures(path)
    if path.exists():
        raise SourceError(f"{path} is neither a folder of pictures nor a zip file of them")
    raise SourceError(f"the picture folder {path} does not exist")


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip file.

    Raises:
        SourceError: it is damaged, cut off or unreadable.
    """
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise SourceError(
            f"{path.name} is a damaged or cut-off zip file ({error}): fetch it again"
        ) from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def too_large(name: str, size: int) -> UnreadableImage:
    """What to say of a picture of so many bytes."""
    return UnreadableImage(
        f"{name}: {size / 2**20:.0f} MiB are more than a picture of a mark can need "
        f"(at most {MAX_PICTURE_BYTES // 2**20} MiB); export it smaller"
    )


def _parts(name: str) -> list[str]:
    """The folders and the file that a name means.

    The text decides, not the disk: a link that lies in the folder is its owner's business, but a
    table must not reach out of the folder. Backslashes are read as slashes (tables from Windows).
    """
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
    return parts
