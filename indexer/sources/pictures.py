"""Where a source's pictures are: a folder, or a zip file of them."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from indexer.errors import BadRecord, MissingPicture, SourceError
from indexer.register.database import is_open_database
from models.errors import UnreadableImage
from models.images.picture_folder import is_picture, spelling

MAX_PICTURE_BYTES = 64 * 2**20
_LONGEST_NAME, _LONGEST_PATH = 255, 3000  # bytes and letters; systems refuse longer ones
_LISTED = 16  # folders whose files' names are kept at hand
_IS_UTF8 = 0x800  # in a zip member's flags


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
            raise MissingPicture(f"{self.name}: no such picture in {self.archive.filename}")
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
    """Finds the picture that a row names.

    A name may differ in case, in how accents are written and in its suffix, or lack that, where
    only one picture can be meant.
    """

    def named(self, name: str) -> PictureFile:
        """The file `name` means; it need not be there.

        Raises:
            BadRecord: the name is absolute, leads out of the folder or is too long to be one.
        """
        ...

    def first_of(self, names: Sequence[str]) -> PictureFile | None:
        """The first of these names that is there."""
        ...


class FolderPictures:
    """Pictures below a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names_in = lru_cache(maxsize=_LISTED)(_names_in)

    def named(self, name: str) -> PictureFile:
        """The path that `name` means below the folder."""
        parts = parts_of(name)
        return self._found(parts) or self._root.joinpath(*parts)

    def first_of(self, names: Sequence[str]) -> PictureFile | None:
        """The first of these names that is a file."""
        return next((found for name in names if (found := self._found(parts_of(name)))), None)

    def _found(self, parts: Sequence[str]) -> Path | None:
        """The file of a name, else the one that is spelt like it."""
        path = self._root.joinpath(*parts)
        if path.is_file():
            return path
        folder = self._root
        for part in parts[:-1]:
            name = self._names_in(folder).get(spelling(part))
            if name is None:
                return None
            folder /= name
        listed = self._names_in(folder)
        name = listed.get(spelling(parts[-1])) or listed.get(_without_suffix(parts[-1]))
        return folder / name if name is not None and (folder / name).is_file() else None


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
        self._folder = f"{folder}/" if folder else ""
        self._members: dict[str, zipfile.ZipInfo | None] = {}
        self._bare: dict[str, zipfile.ZipInfo] = {}
        by_stem: dict[str, zipfile.ZipInfo | None] = {}
        for member in self._archive.infolist():
            name = member_name(member)
            self._members[spelling(name)] = member
            self._bare.setdefault(spelling(name).rpartition("/")[2], member)
            if is_picture(name):
                key = _without_suffix(name)
                by_stem[key] = None if key in by_stem else member
        self._members = {**by_stem, **self._members}

    def named(self, name: str) -> PictureFile:
        """The member that `name` means."""
        whole = "/".join(parts_of(name))
        found = (self._find(self._folder + whole) if self._folder else None) or self._find(whole)
        return ZippedPicture(self._archive, name, found)

    def first_of(self, names: Sequence[str]) -> PictureFile | None:
        """The first of these names that the zip holds."""
        for name in names:
            whole = "/".join(parts_of(name))
            member = self._find(whole) or self._bare.get(spelling(whole))
            if member is not None:
                return ZippedPicture(self._archive, name, member)
        return None

    def _find(self, whole: str) -> zipfile.ZipInfo | None:
        return self._members.get(spelling(whole)) or self._members.get(_without_suffix(whole))


def _names_in(folder: Path) -> dict[str, str | None]:
    """A folder's files by their spelling, with and without suffix; None where several have one."""
    try:
        names = [one.name for one in folder.iterdir()]
    except OSError:
        return {}  # looking for the very file says what is wrong
    listed: dict[str, str | None] = {}
    for name in filter(is_picture, names):
        key = _without_suffix(name)
        listed[key] = None if key in listed else name
    whole: dict[str, str | None] = {}
    for name in names:
        whole[spelling(name)] = None if spelling(name) in whole else name
    return listed | whole


def _without_suffix(name: str) -> str:
    return spelling(name.rpartition(".")[0] if is_picture(name) else name)


def member_name(member: zipfile.ZipInfo) -> str:
    """A zip member's name; macOS writes UTF-8 and does not say so."""
    if not member.flag_bits & _IS_UTF8:
        try:
            return member.filename.encode("cp437").decode("utf-8")
        except UnicodeError:
            return member.filename
    return member.filename


def open_pictures(path: Path) -> Pictures:
    """The pictures of a folder or a zip file.

    Raises:
        SourceError: it is neither.
    """
    if path.is_dir():
        return FolderPictures(path)
    refuse_database(path)
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
    refuse_database(path)
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise SourceError(
            f"{path.name} is a damaged or cut-off zip file ({error}): fetch it again"
        ) from error
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from error


def refuse_database(path: Path) -> None:
    """Refuse a file that nothing but SQLite may open.

    Raises:
        SourceError: it is the register's.
    """
    if is_open_database(path):
        raise SourceError(f"{path} is the database of the register itself, no source of marks")


def too_large(name: str, size: int) -> UnreadableImage:
    """What to say of a picture of so many bytes."""
    return UnreadableImage(
        f"{name}: {size / 2**20:.0f} MiB are more than a picture of a mark can need "
        f"(at most {MAX_PICTURE_BYTES // 2**20} MiB); export it smaller"
    )


def parts_of(name: str) -> list[str]:
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
    if (
        max(len(part.encode("utf-8", "surrogatepass")) for part in parts) > _LONGEST_NAME
        or len(name) > _LONGEST_PATH
    ):
        raise BadRecord(f"image {name[:40]!r}… is longer than a file's name can be")
    return parts
