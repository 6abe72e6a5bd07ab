"""Finds the pictures that a table names, however their names are spelt."""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from models.errors import BadLabels

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif"),
    *(".svg", ".svgz"),
)

# A file in a data folder: what MarkLens itself keeps there is no source of pictures.
DATA_FOLDER_MARK = ".marklens"
_SHOWN = 3  # files of those that could be meant
_Listed = dict[str, list[Path]]  # by spelling


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


@dataclass(frozen=True, slots=True)
class NamedPictures:
    """What the names of a table mean.

    Attributes:
        found: name and file, in the table's order.
        left_out: for each other name, why.
    """

    found: Sequence[tuple[str, Path]]
    left_out: Sequence[str]


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
        self._listed: tuple[_Listed, _Listed] | None = None

    def find(self, name: str) -> Sequence[Path]:
        """All pictures that a table can mean by ``name``.

        A name may lack its suffix, differ in case (``A.PNG`` for ``a.png``) or in how accents are
        written, or have backslashes. One without folders may lie in any folder below this one. Of
        one with folders the first ones may be missing here; ``2020/1.png`` is never ``2019/1.png``.
        """
        with suppress(OSError):  # a name that no file can have
            if (self.path / name).is_file():
                return [self.path / name]
        if self._listed is None:
            self._listed = self._list()
        whole, anywhere = self._listed
        parts = spelling(name).split("/")
        if len(parts) == 1:
            return anywhere.get(parts[0], [])
        ends = ("/".join(parts[at:]) for at in range(len(parts)))
        return next((whole[end] for end in ends if end in whole), [])

    def find_all(self, names: Sequence[str]) -> NamedPictures:
        """The one picture that each name of a table means.

        Raises:
            BadLabels: two names mean one file, so that the table would count it twice.
        """
        found: list[tuple[str, Path]] = []
        left_out: list[str] = []
        name_of: dict[tuple[int, int], str] = {}
        for name in names:
            paths = self.find(name)
            if len(paths) != 1:
                left_out.append(f"{name}: {self._why(paths)}")
                continue
            try:
                status = paths[0].stat()
            except OSError as error:
                left_out.append(f"{name}: cannot be read ({error.strerror})")
                continue
            other = name_of.setdefault((status.st_dev, status.st_ino), name)
            if other != name:
                raise BadLabels(f"{other!r} and {name!r} both mean {paths[0]}; keep one row")
            found.append((name, paths[0]))
        return NamedPictures(found, left_out)

    def _why(self, paths: Sequence[Path]) -> str:
        if not paths:
            return "no such picture"
        several = [path.relative_to(self.path).as_posix() for path in paths[:_SHOWN]]
        more = ", …" if len(paths) > _SHOWN else ""
        return f"several files could be meant: {', '.join(several)}{more}"

    def pictures(self) -> list[tuple[str, Path]]:
        """Name (path below the folder) and file of each picture, sorted."""
        return [
            (path.relative_to(self.path).as_posix(), path)
            for path in sorted(folder / file for folder, files in walk(self.path) for file in files)
            if is_picture(path.name)
        ]

    def _list(self) -> "tuple[_Listed, _Listed]":
        """By whole path, and by that or the file's name alone; each with and without suffix."""
        ranked: list[_Listed] = [{}, {}, {}, {}]
        for folder, files in walk(self.path):
            for file in filter(is_picture, files):
                path = folder / file
                below = path.relative_to(self.path)
                names = (below.as_posix(), below.with_suffix("").as_posix(), file, path.stem)
                for known, key in zip(ranked, map(spelling, names), strict=True):
                    known.setdefault(key, []).append(path)
        exact, plain, file_name, stem = ranked
        whole = plain | exact  # what is named exactly wins
        return whole, stem | file_name | whole
