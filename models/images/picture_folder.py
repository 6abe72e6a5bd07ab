"""The pictures that a table names, found the way people name them."""

import os
from pathlib import Path

from models.errors import BadLabels

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".svg", ".svgz")
)


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

        A name may lack its suffix, differ in case (``A.PNG`` for ``a.png``), have backslashes, or
        folders before it that are not below this one; without folders it may lie in any of them.

        Returns:
            None if there is none, or if several could be meant.
        """
        if (self.path / name).is_file():
            return self.path / name
        if self._listed is None:
            self._listed = self._list()
        wanted = name.replace("\\", "/").removeprefix("./").casefold()
        for candidate in (wanted, wanted.rpartition("/")[2]):
            found = self._listed.get(candidate)
            if found is not None:
                return found
        return None

    def pictures(self) -> list[tuple[str, Path]]:
        """Name (path below the folder) and file of each picture, sorted."""
        return [
            (path.relative_to(self.path).as_posix(), path)
            for path in sorted(self.path.rglob("*"))
            if path.suffix.lower() in SUFFIXES
        ]

    def _list(self) -> dict[str, Path | None]:
        """In all spellings: whole path, file name, each with and without suffix; None: several."""
        ranked: list[dict[str, Path | None]] = [{}, {}, {}, {}]
        for folder, _, files in os.walk(self.path):
            for file in files:
                path = Path(folder, file)
                if path.suffix.lower() not in SUFFIXES:
                    continue
                whole = path.relative_to(self.path)
                spellings = (whole.as_posix(), whole.with_suffix("").as_posix(), file, path.stem)
                for known, spelling in zip(ranked, spellings, strict=True):
                    key = spelling.casefold()
                    known[key] = None if key in known else path
        listed: dict[str, Path | None] = {}
        for known in reversed(ranked):
            listed.update(known)  # what is named exactly wins
        return listed
