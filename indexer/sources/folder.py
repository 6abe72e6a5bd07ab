"""A folder of pictures without a table: each picture is a mark, its id the name without suffix."""

import re
from collections.abc import Iterator
from pathlib import Path

from indexer.errors import BadRecord, SourceError
from indexer.marks import MarkRecord
from indexer.sources.containers import walk_folder
from indexer.sources.field_reader import examples
from indexer.sources.labels import is_query_picture, labelled
from indexer.sources.source_rows import RejectedRow, SourceRow, state_of_folder
from indexer.texts import showable
from models.images.picture_folder import SUFFIXES, is_picture


class FolderSource:
    """All pictures below a folder, sub-folders included, in the order of their names.

    Blanks in a file's name become `_` in the id, which cannot hold them. Hidden files are passed
    over, links to folders followed. Positions count the pictures from 1.
    """

    def __init__(self, path: Path, *, labels: bool = False) -> None:
        """List a folder.

        Args:
            path: of the folder.
            labels: the pictures are to search with, and need not be marks.

        Raises:
            SourceError: it holds no picture, or cannot be read.
        """
        self._labels = labels
        self._is_picture = is_query_picture if labels else is_picture
        self.name = path.resolve().name
        self.amends = False
        self.warnings: list[str] = []
        self.broken: list[str] = []
        self._path = path
        others: list[str] = []

        def pictures() -> Iterator[tuple[Path, list[str]]]:
            for folder, names in walk_folder(path):
                shown = list(filter(self._is_picture, names))
                others.extend(sorted(set(names).difference(shown)))
                yield folder, shown

        self.state = state_of_folder(path, pictures())
        self.last_position = self.state.size
        if not self.last_position:
            kinds = ", ".join(SUFFIXES)
            raise SourceError(f"no table, no XML file and no picture ({kinds}) in {path}")
        if others:
            self.warnings.append(
                f"files that are not pictures, left out: {len(others)} ({examples(others)})"
            )

    def __iter__(self) -> Iterator[SourceRow | RejectedRow]:
        """Read the rows from the beginning."""
        position = 0
        for folder, names in walk_folder(self._path):
            for name in filter(self._is_picture, names):
                position += 1
                yield self._row(position, folder / name)

    def _row(self, position: int, picture: Path) -> SourceRow | RejectedRow:
        name = picture.relative_to(self._path).as_posix()
        if showable(name) != name:
            reason = "the file's name is not UTF-8"
            return RejectedRow(position, None, showable(name), reason)
        if self._labels:
            return labelled(position, picture.stem, name, picture)
        try:
            record = MarkRecord(id=re.sub(r"\s+", "_", picture.stem.strip()), image_name=name)
        except BadRecord as fault:
            return RejectedRow(position, None, name, str(fault))
        return SourceRow(position, record, picture)
