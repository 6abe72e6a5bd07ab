"""Pictures to search with, which are no marks: the rows of a table, or a zip file of pictures.

What a row calls its picture is a free label; without one it is called as its file is. A PDF is a
picture, too: its first page. A row's record holds the picture's name, and no mark's id.
"""

import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from indexer.errors import BadRecord, SourceError
from indexer.marks import MarkRecord
from indexer.sources.field_reader import FILE, FieldReader, examples, repeated
from indexer.sources.pictures import PictureFile, ZippedPicture, member_name, open_zip, parts_of
from indexer.sources.source_rows import RejectedRow, SourceRow, state_of
from indexer.sources.values import read_text
from indexer.texts import showable
from models.errors import UnreadableImage
from models.images.picture_folder import is_picture


def is_query_picture(name: str) -> bool:
    """Whether a file is called like a picture, or like a PDF, whose first page is one."""
    return is_picture(name) or name.lower().endswith(".pdf")


def labelled(
    position: int, label: str, name: str, picture: PictureFile | UnreadableImage
) -> SourceRow | RejectedRow:
    """A picture to search with, unless its name cannot be one."""
    try:
        record = MarkRecord(f"picture-{position}", image_name=name)
    except BadRecord as fault:
        return RejectedRow(position, showable(label), showable(name), str(fault))
    return SourceRow(position, record, picture, label=label)


class LabelReader(FieldReader):
    """Reads the rows of a table that names pictures in its column `image`."""

    def check_columns(self, table: str, names: Sequence[str]) -> list[str]:
        """Refuse a table that names no pictures, or names them twice.

        Raises:
            SourceError: it is one.
        """
        for name in repeated(names):
            raise SourceError(f"{table} has two columns {name!r}; leave one")
        if not {"image", FILE}.intersection(names):
            raise SourceError(
                f"{table} has no column 'image' in its header; it has: {', '.join(names)[:200]}"
            )
        return []

    def row(self, position: int, cells: Mapping[str, object]) -> SourceRow | RejectedRow:
        """One row: its label in `id`, its picture in `image`, or `image_file` where that is."""
        column = FILE if FILE in cells else "image"
        try:
            label = read_text(self.plain("id", cells.get("id")), "id")
            name = read_text(self.plain(column, cells.get(column)), column)
            if not name:
                return RejectedRow(position, label, None, "the row names no picture")
            found = self.pictures.named(name)
        except BadRecord as fault:
            return RejectedRow(position, *self.shown(cells), str(fault))
        return labelled(position, label or _label_of(name), name, found)


class ZippedQueries:
    """All pictures in a zip file, in the order of their names; nothing is unpacked to the disk.

    Hidden files are passed over. A link, or a name that leads out of the file, is no picture: its
    row says so.
    """

    def __init__(self, path: Path) -> None:
        """List a zip file.

        Raises:
            SourceError: it is damaged, or holds no picture.
        """
        self.name = path.name
        self.state = state_of(path)
        self.amends = False
        self.warnings: list[str] = []
        self.broken: list[str] = []
        self._archive = open_zip(path)
        members = sorted(self._archive.infolist(), key=member_name)
        named = [(member_name(one), one) for one in members]
        shown = [(name, one) for name, one in named if not (one.is_dir() or _is_hidden(name))]
        self._members = [(name, one) for name, one in shown if is_query_picture(name)]
        self.last_position = len(self._members)
        if not self._members:
            raise SourceError(f"{path.name} holds no picture and no table")
        others = [name for name, _ in shown if not is_query_picture(name)]
        if others:
            self.warnings.append(
                f"files that are not pictures, left out: {len(others)} ({examples(others)})"
            )

    def __iter__(self) -> Iterator[SourceRow | RejectedRow]:
        """Read the rows from the beginning."""
        for position, (name, member) in enumerate(self._members, start=1):
            yield self._row(position, name, member)

    def _row(self, position: int, name: str, member: zipfile.ZipInfo) -> SourceRow | RejectedRow:
        try:
            whole = "/".join(parts_of(name))
        except BadRecord as fault:
            return RejectedRow(position, None, showable(name), str(fault))
        if stat.S_ISLNK(member.external_attr >> 16):
            return RejectedRow(position, None, showable(name), "is a link, no picture")
        found = ZippedPicture(self._archive, whole, member)
        return labelled(position, _label_of(whole), whole, found)


def _label_of(name: str) -> str:
    """What a picture is called that has no label: as its file, without folders and suffix."""
    return PurePosixPath(name.replace("\\", "/")).stem or name


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(one.startswith((".", "__MACOSX")) for one in parts if one != "..")
