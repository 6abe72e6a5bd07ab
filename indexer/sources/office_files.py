"""Marks from offices' XML files: one file, a folder of them, or those in a zip."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from indexer.errors import BadRecord, SourceError
from indexer.marks import MARK_FIELDS, is_mark_id
from indexer.sources.containers import Part, parts_of, state_of_parts
from indexer.sources.fields import FieldReader, examples, vienna_code
from indexer.sources.office_record import OfficeFormat, OfficeRecord
from indexer.sources.offices import OFFICES
from indexer.sources.pictures import Pictures
from indexer.sources.source_rows import RejectedRow, Row, SourceRow, Withdrawal
from indexer.sources.xml_records import read_head, read_records
from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree

_COUNTED = 64  # files; of more the number of records is not counted beforehand
_CHUNK = 2**20
_DAY = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})", re.ASCII)
_US_DESIGN = re.compile(r"[0-9]{6}", re.ASCII)
_PICTURE = "picture"
_NOT_IN_IDS = re.compile(r"[\s/]+")


class OfficeFiles:
    """Offices' XML files in the order of their names; positions count the records of all of them.

    Later records of a mark replace earlier ones; one that calls itself an update leaves alone what
    it says nothing of. What in a record cannot be read (a misspelt code, a class 200) is left out
    and named in a warning, since nobody can mend an office's file; the mark is kept.
    """

    def __init__(self, path: Path, pictures: Pictures, format: OfficeFormat | None = None) -> None:
        """Look at the first files.

        Args:
            path: a file, gzipped or not, a zip file, or a folder of them.
            pictures: where pictures are.
            format: of every file; None recognises each file's by its content.

        Raises:
            SourceError: there is no such file here, or it cannot be read.
        """
        self.name = path.resolve().name
        self.state = state_of_parts(path)
        self.amends = True
        self.warnings: list[str] = []
        self.broken: list[str] = []
        self._path, self._pictures, self._format = path, pictures, format
        self.last_position = self._count()
        self._left_out: Counter[str] = Counter()
        self._not_found = 0
        # The mark that a value was first left out of, or that first lacked its picture.
        self._first: dict[str, str] = {}
        self._mark = ""  # whose fields are being cleaned

    def __iter__(self) -> Iterator[Row]:
        """Read the records from the beginning."""
        fields = FieldReader(self._pictures)
        self._left_out.clear()
        self._first.clear()
        self._not_found = position = 0
        others: list[str] = []
        for part in parts_of(self._path):
            try:
                part.verify()
                format = recognise(part.head(), part.name) if self._format is None else self._format
                if format is None:
                    others.append(part.name)
                    continue
                for row in self._rows(part, format, fields, position):
                    position = row.position
                    yield row
            except SourceError as error:
                position += 1
                self.broken.append(str(error))
                yield RejectedRow(position, None, None, str(error))
        if not (position or others):
            self.warnings.append(f"{self.name} holds no marks")
        self._warn(others)
        self.warnings.extend(fields.warnings())

    def _rows(
        self, part: Part, format: OfficeFormat, fields: FieldReader, position: int
    ) -> Iterator[Row]:
        with part.open() as stream:
            for record in read_records(stream, format.records, part.name):
                position += 1
                if record.element is None:
                    reason = "the record is too large to be one mark"
                    row: Row = RejectedRow(position, None, None, reason)
                else:
                    row = self._row(position, format.read(record.element), fields)
                if isinstance(row, RejectedRow):
                    where = f"{part.name}, line {record.line}: {row.reason}"
                    row = RejectedRow(position, row.id, row.image, where)
                yield row

    def _row(self, position: int, record: OfficeRecord, fields: FieldReader) -> Row:
        if not record.number:
            return RejectedRow(position, None, record.image, "it has no application number")
        number = _NOT_IN_IDS.sub("-", record.number)
        mark_id = f"{record.office}-{number}" if record.office else number
        if record.is_withdrawn and is_mark_id(mark_id):
            return Withdrawal(position, mark_id)
        try:
            mark = fields.record(self._cleaned(mark_id, record))
            picture = self._pictures.first_of(record.files)
        except BadRecord as fault:
            return RejectedRow(position, mark_id, record.image, str(fault))
        if record.files and picture is None:
            self._not_found += 1
            self._first.setdefault(_PICTURE, mark_id)
        left_out = frozenset(_unsaid(record) if record.is_update else ())
        is_sent_once = bool(record.files) or "image_name" in left_out
        return SourceRow(position, mark, picture, is_sent_once, left_out)

    def _cleaned(self, mark_id: str, record: OfficeRecord) -> dict[str, object]:
        """The fields of a table's row, without what cannot be one of its kind."""
        self._mark = mark_id
        vienna = [code for text in record.vienna if (code := self._vienna(text)) is not None]
        nice = [text for text in record.nice if self._is(text, _is_nice(text), "Nice class")]
        design = [
            text
            for text in record.us_design
            if self._is(text, _US_DESIGN.fullmatch(text) is not None, "design search code")
        ]
        return {
            "id": mark_id,
            "image": record.image,
            "text": record.text,
            "owner": record.owner,
            "office": record.office,
            "status": record.status,
            "filed": self._day(record.filed),
            "registered": self._day(record.registered),
            "nice": nice,
            "vienna": vienna,
            "us_design": design,
        }

    def _vienna(self, text: str) -> str | None:
        try:
            code = vienna_code(text)
        except BadViennaCode:
            code = None
        known = code is not None and ViennaCode(code.category) in ViennaTree.load()
        return str(code) if self._is(text, known, "Vienna code") else None

    def _day(self, text: str | None) -> str | None:
        """A day as 2024-01-31, without time and zone; the USPTO writes 0 for none."""
        if text is None or not text.strip("0"):
            return None
        found = _DAY.match(text)
        try:
            day = date(*map(int, found.groups())).isoformat() if found else None
        except ValueError:
            day = None
        return day if self._is(text, day is not None, "day") else None

    def _is(self, text: str, good: bool, kind: str) -> bool:
        """Whether to keep a value; counts those that are not kept."""
        what = f"{kind} {text[:40]!r}"
        if not good and (len(self._left_out) < 1000 or what in self._left_out):
            self._left_out[what] += 1
            self._first.setdefault(what, self._mark)
        return good

    def _warn(self, others: Sequence[str]) -> None:
        if others:
            self.warnings.append(
                f"files that hold no marks in an office's format, left out: {len(others)} "
                f"({examples(others)})"
            )
        if self._not_found:
            self.warnings.append(
                f"{self._not_found} marks name a picture that is not there, first "
                f"{self._first[_PICTURE]}: those that the register has no picture of can be found "
                "by words, codes and dates only; give the pictures' folder or zip file with "
                "--images and index again"
            )
        if self._left_out:
            named = (
                f"{what} ({n} times, first in {self._first[what]})"
                for what, n in self._left_out.most_common()
            )
            total = sum(self._left_out.values())
            self.warnings.append(f"{total} values not understood, left out: {examples(named)}")

    def _count(self) -> int:
        """Records in all files by their closing tags; of many files, only how many files."""
        count = 0
        for number, part in enumerate(parts_of(self._path), start=1):
            if number > _COUNTED:
                return count + sum(1 for _ in parts_of(self._path))
            count += _count_records(part, self._format)
        return count


def _unsaid(record: OfficeRecord) -> Iterator[str]:
    """Fields of a mark that its record says nothing of."""
    for one in MARK_FIELDS:
        if one.name not in ("id", "office") and not getattr(record, one.column):
            yield one.name


def recognise(head: bytes, name: str) -> OfficeFormat | None:
    """The format of a file that begins so; None if it is none of the offices'.

    Raises:
        SourceError: it declares XML entities.
    """
    found = read_head(head, name)
    if found is None:
        return None
    return next((format for format in OFFICES.values() if format.claims(found)), None)


def _count_records(part: Part, format: OfficeFormat | None) -> int:
    """Closing tags of records, counted as bytes: some hundred times as fast as parsing."""
    count = 0
    try:
        with part.open() as stream:
            head = stream.read1(_CHUNK)  # type: ignore[attr-defined]
            format = format or recognise(part.head(), part.name)
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


def _is_nice(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 45
