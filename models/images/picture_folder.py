"""Finds the pictures that a table names, however their names are spelt."""

import os
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePath

from models.errors import BadLabels

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif"),
    *(".svg", ".svgz"),
)

# A file in a data folder: what MarkLens itself keeps there is no source of pictures.
DATA_FOLDER_MARK = ".marklens"


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture."""
    return PurePath(name).suffix.lower() in SUFFIXES


def spelling(name: str) -> str:
    """What two names of one file have in common: folders are parted by ``/``, case is nothing.

    Nor is it how accents are written: macOS takes letters apart, tables hold them in one.
    """
    plain = name.replace("\\", "/").removeprefix("./")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", plain).casefold())


def walk(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A folder and those below it with their sorted file names, hidden ones left out.

    A data folder of MarkLens below it is passed over. Links to folders are followed, each folder
    once, so that a link to one above ends there.

    Raises:
        OSError: a folder cannot be read.
    """

    def fail(error: OSError) -> None:
        raise error

    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(path, onerror=fail, followlinks=True):
        status = Path(folder).stat()
        is_own = DATA_FOLDER_MARK in files and Path(folder) != path
        if is_own or (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(folder), sorted(name for name in files if not name.startswith("."))


class PictureFolder:
    """A folder of pictures and everything below it, listed once when a name is not there as is.

    Attributes:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        """Open a folder.

        Raises:
            BadLabels: it is none.
        """
        if not path.is_dir():
            raise BadLabels(f"{path}: not a folder; --images names the folder of the pictures")
        self.path = path
        self._listed: dict[str, Path | None] | None = None

    def find(self, name: str) -> Path | None:
        """The picture that a table calls ``name``.

        A name may lack its suffix, differ in case (``A.PNG`` for ``a.png``) or in how accents are
        written, have backslashes, or folders before it that are not below this one; without folders
        it may lie in any of them.

        Returns:
            None if there is none, or if several could be meant.
        """
        with suppress(OSError):  # a name that no file can have
            if (self.path / name).is_file():
                return self.path / name
        if self._listed is None:
            self._listed = self._list()
        wanted = spelling(name)
        for candidate in (wanted, wanted.rpartition("/")[2]):
            found = self._listed.get(candidate)
            if found is not None:
                return found
        return None

    def pictures(self) -> list[tuple[str, Path]]:
        """Name (path below the folder) and file of each picture, sorted."""
        return [
            (path.relative_to(self.path).as_posix(), path)
            for path in sorted(folder / file for folder, files in walk(self.path) for file in files)
            if is_picture(path.name)
        ]

    def _list(self) -> dict[str, Path | None]:
        """In all spellings: whole path, file name, each with and without suffix; None: several."""
        ranked: list[dict[str, Path | None]] = [{}, {}, {}, {}]
        for folder, files in walk(self.path):
            for file in filter(is_picture, files):
                path = folder / file
                whole = path.relative_to(self.path)
                names = (whole.as_posix(), whole.with_suffix("").as_posix(), file, path.stem)
                for known, key in zip(ranked, map(spelling, names), strict=True):
                    known[key] = None if key in known else path
        listed: dict[str, Path | None] = {}
        for known in reversed(ranked):
            listed.update(known)  # what is named exactly wins
        return listed
