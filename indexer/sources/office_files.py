"""Marks from offices' XML files: one file, a folder of them, or those in a zip."""

import re
from collections.abc import Iterator
from pathlib import Path

from indexer.errors import BadRecord, MissingPicture, SourceError
from indexer.marks import MARK_FIELDS
from indexer.sources.containers import SourceFile, files_of, state_of_files
from indexer.sources.field_reader import FieldReader, examples
from indexer.sources.office_record import OfficeFormat, OfficeRecord
from indexer.sources.offices import OFFICES
from indexer.sources.pictures import PictureFile, Pictures
from indexer.sources.source_rows import RejectedRow, Row, Withdrawal
from indexer.sources.xml_records import read_head, read_records
from indexer.texts import is_mark_id
from models.errors import UnreadableImage

_COUNTED = 64  # files; of more the number of records is not counted beforehand
_CHUNK = 2**20
_NOT_IN_IDS = re.compile(r"[\s/]+")


class OfficeFiles:
    """Offices' XML files in the order of their names; positions count the records of all of them.

    Later records of a mark replace earlier ones; one that calls itself an update leaves alone what
    it says nothing of.
    """

    def __init__(
        self,
        path: Path,
        pictures: Pictures,
        format: OfficeFormat | None = None,
        *,
        strict: bool = False,
    ) -> None:
        """Look at the first files.

        Args:
            path: a file, gzipped or not, a zip file, or a folder of them.
            pictures: where pictures are.
            format: of every file; None recognises each file's by its content.
            strict: reject a record of which anything cannot be read.

        Raises:
            SourceError: there is no such file here, or it cannot be read.
        """
        self.name = path.resolve().name
        self.state = state_of_files(path)
        self.amends = True
        self.warnings: list[str] = []
        self.broken: list[str] = []
        self._path, self._pictures, self._format = path, pictures, format
        self._strict = strict
        self.last_position = self._count()

    def __iter__(self) -> Iterator[Row]:
        """Read the records from the beginning."""
        reader = FieldReader(self._pictures, strict=self._strict)
        position = 0
        others: list[str] = []
        for file in files_of(self._path):
            try:
                file.verify()
                format = recognise(file.head(), file.name) if self._format is None else self._format
                if format is None:
                    others.append(file.name)
                    continue
                for row in self._rows(file, format, reader, position):
                    position = row.position
                    yield row
            except SourceError as error:
                position += 1
                self.broken.append(str(error))
                yield RejectedRow(position, None, None, str(error))
        if not (position or others):
            self.warnings.append(f"{self.name} holds no marks")
        if others:
            self.warnings.append(
                f"files that hold no marks in an office's format, left out: {len(others)} "
                f"({examples(others)})"
            )
        self.warnings.extend(reader.warnings())

    def _rows(
        self, file: SourceFile, format: OfficeFormat, reader: FieldReader, position: int
    ) -> Iterator[Row]:
        with file.open() as stream:
            for record in read_records(stream, format.records, file.name):
                position += 1
                if record.element is None:
                    reason = "the record is too large to be one mark"
                    row: Row = RejectedRow(position, None, None, reason)
                else:
                    row = self._row(position, format.read(record.element), reader)
                if isinstance(row, RejectedRow):
                    where = f"{file.name}, line {record.line}: {row.reason}"
                    row = RejectedRow(position, row.id, row.image, where)
                yield row

    def _row(self, position: int, record: OfficeRecord, reader: FieldReader) -> Row:
        image = reader.shown(record.fields)[1]
        if not record.number:
            return RejectedRow(position, None, image, "it has no application number")
        number = _NOT_IN_IDS.sub("-", record.number)
        mark_id = f"{record.office}-{number}" if record.office else number
        if record.is_withdrawn and is_mark_id(mark_id):
            return Withdrawal(position, mark_id)
        fields = {**record.fields, "id": mark_id, "office": record.office}
        not_given = frozenset(
            one.name for one in MARK_FIELDS if record.is_update and not fields.get(one.column)
        )
        try:
            return reader.mark(
                position,
                fields,
                lambda _: self._picture(record),
                not_given,
                keeps_picture="image_name" in not_given,
            )
        except BadRecord as fault:
            return RejectedRow(position, mark_id, image, str(fault))

    def _picture(self, record: OfficeRecord) -> PictureFile | UnreadableImage | None:
        if not record.files:
            return None
        found = self._pictures.first_of(record.files)
        return found or MissingPicture(f"{record.files[0]}: no such picture")

    def _count(self) -> int:
        """Records in all files by their closing tags; of many files, only how many files."""
        count = 0
        for number, file in enumerate(files_of(self._path), start=1):
            if number > _COUNTED:
                return count + sum(1 for _ in files_of(self._path))
            count += _count_records(file, self._format)
        return count


def recognise(head: bytes, name: str) -> OfficeFormat | None:
    """The format of a file that begins so; None if it is none of the offices'.

    Raises:
        SourceError: it declares XML entities.
    """
    found = read_head(head, name)
    if found is None:
        return None
    return next((format for format in OFFICES.values() if format.claims(found)), None)


def _count_records(file: SourceFile, format: OfficeFormat | None) -> int:
    """Closing tags of records, counted as bytes: some hundred times as fast as parsing."""
    count = 0
    try:
        with file.open() as stream:
            head = stream.read1(_CHUNK)  # type: ignore[attr-defined]
            format = format or recognise(file.head(), file.name)
            if format is None:
                return 0
            names = b"|".join(name.encode() for name in sorted(format.records))
            closing = re.compile(rb"</(?:[A-Za-z0-9_.-]+:)?(?:" + names + rb")\s*>")
            chunk, rest = head, b""
            while chunk:
                text = rest + chunk.replace(b"\0", b"")  # UTF-16's zeros
                ends = [found.end() for found in closing.finditer(text)]
                count += len(ends)
                # A tag may be cut by the chunk's end, and must not be counted twice.
                rest = text[max(ends[-1] if ends else 0, len(text) - 200) :]
                chunk = stream.read1(_CHUNK)  # type: ignore[attr-defined]
    except SourceError:
        return count  # reading the records says what is wrong
    return count
