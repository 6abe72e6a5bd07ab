"""The one place where a source's cells become a `MarkRecord`, the same for every format.

What cannot be read of a mark is left out and named in a warning, and the mark is kept; with
``strict`` its row is rejected. A row without a good id is rejected in any case.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from indexer.errors import BadRecord, SourceError
from indexer.marks import MARK_FIELDS, FieldKind, MarkField, MarkRecord
from indexer.sources.pictures import PictureFile, Pictures
from indexer.sources.source_rows import RejectedRow, SourceRow, Withdrawal
from indexer.sources.values import (
    read_day,
    read_nice,
    read_text,
    read_texts,
    read_us_design,
    read_vienna,
)
from indexer.texts import showable
from models.errors import UnreadableImage
from models.vienna import ViennaCode, ViennaTree

FILE = "image_file"
OPERATION = "operation"
_FIRST = ("id", "image")
_OTHERS = (one.column for one in MARK_FIELDS if one.column not in _FIRST)
COLUMNS = (*_FIRST, *_OTHERS, FILE)  # what an export has
_KNOWN = frozenset((*COLUMNS, OPERATION))
_READERS: Mapping[FieldKind, tuple[str, Callable[[str], Any]]] = {
    FieldKind.DAY: ("day", read_day),
    FieldKind.NICE: ("Nice class", read_nice),
    FieldKind.VIENNA: ("Vienna code", read_vienna),
    FieldKind.US_DESIGN: ("design search code", read_us_design),
}
# What programs write into a cell of nothing.
_NOTHING = frozenset(("#N/A", "NULL", "nan", "NaN", "NaT", "<NA>", "0000-00-00"))
_EXCELS_TEXT = re.compile(r'="(.*)"|\'(?=[0-9]+$)', re.DOTALL)  # ="0123", or '0123
_LOST_DIGITS = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+[0-9]+", re.ASCII)
_MANY = 5  # how many examples a warning names
_COUNTED = 1000  # different values that are counted


@dataclass(frozen=True, slots=True)
class _Fault:
    """What could not be read: in a few words, and as a sentence that says why."""

    what: str
    sentence: str


class FieldReader:
    """Reads rows into records and remembers what deserves one warning for the whole source."""

    def __init__(self, pictures: Pictures, *, strict: bool = False) -> None:
        """Read for a source.

        Args:
            pictures: where its pictures are.
            strict: reject a row of which anything cannot be read.
        """
        self.pictures = pictures
        self._strict = strict
        self._tree = ViennaTree.load()
        self._unlisted: set[ViennaCode] = set()
        self._left_out: Counter[str] = Counter()
        self._nothing: Counter[str] = Counter()
        self._first: dict[str, str] = {}  # the mark that a value was first left out of

    def row(
        self, position: int, cells: Mapping[str, object]
    ) -> SourceRow | Withdrawal | RejectedRow:
        """One row of a table as a mark to be, or the reasons why it is none.

        A row without `image` is a mark without picture. Where a table has the column
        `image_file`, as an export of MarkLens has, that names the file and `image` is kept as
        what the office called it. `operation` may say ``delete``: the mark is withdrawn.

        Args:
            position: the line it begins on.
            cells: column name to text; JSON sources may also hand numbers and arrays. Of a
                column that is not there a mark of the register keeps what it has.
        """
        fields = cells
        if FILE not in cells:  # an export of MarkLens holds what it says, a mark called NULL too
            fields = {column: self.plain(column, cell) for column, cell in cells.items()}
        try:
            if FILE not in cells:
                _refuse_lost_digits(cells.get("id"))
            if _is_deletion(fields.get(OPERATION)):
                return Withdrawal(position, _mark_id(fields.get("id")))
            not_given = frozenset(one.name for one in MARK_FIELDS if one.column not in fields)
            says_nothing = "image" not in fields and FILE not in fields
            find = partial(self._picture, fields)
            return self.mark(position, fields, find, not_given, keeps_picture=says_nothing)
        except BadRecord as fault:
            return RejectedRow(position, *self.shown(fields), str(fault))

    def mark(
        self,
        position: int,
        fields: Mapping[str, object],
        find_picture: Callable[[MarkRecord], PictureFile | UnreadableImage | None],
        not_given: frozenset[str],
        *,
        keeps_picture: bool,
    ) -> SourceRow:
        """A mark to be of a row, or of an office's record.

        Args:
            position: of the row.
            fields: column name to text, number or array.
            find_picture: its picture; an error where it cannot be had, None without.
            not_given: fields of the record that the source says nothing of.
            keeps_picture: whether it says nothing of the picture.

        Raises:
            BadRecord: the id is none; or, of a strict reader, anything else cannot be read.
        """
        values, faults, unread = self._values(fields)
        if faults and (self._strict or "id" in unread):
            raise BadRecord("; ".join(fault.sentence for fault in faults))
        record = MarkRecord(**values)
        # Where nothing else is known there would be no mark without its picture.
        is_all = record == MarkRecord(record.id, image_name=record.image_name)
        picture = find_picture(record)
        if isinstance(picture, UnreadableImage) and (self._strict or is_all):
            raise BadRecord(str(picture))
        self._note(record, faults)
        return SourceRow(
            position,
            record,
            picture,
            keeps_picture=keeps_picture or "image_name" in unread,
            needs_picture=self._strict or is_all,
            left_out=not_given | unread,
        )

    def _picture(
        self, fields: Mapping[str, object], record: MarkRecord
    ) -> PictureFile | UnreadableImage | None:
        try:
            file = read_text(fields[FILE], FILE) if FILE in fields else record.image_name
            return self.pictures.named(file) if file else None
        except BadRecord as fault:
            return UnreadableImage(str(fault))

    def check_columns(self, table: str, names: Sequence[str]) -> list[str]:
        """Warnings on a table's columns, as `column_name` has them.

        Raises:
            SourceError: without them no row says anything of a mark; or one is there twice.
        """
        for name in repeated(names):
            raise SourceError(f"{table} has two columns {name!r}; leave one")
        known = _KNOWN.intersection(names)
        missing = [name for name in ("id", "image") if name not in known]
        if "id" in missing or known == {"id"}:
            found = ", ".join(names)[:200]
            raise SourceError(
                f"{table} has no column {missing[0]!r} in its header; it has: {found}; known are "
                f"{', '.join((*COLUMNS, OPERATION))}, of which id and one more are needed"
            )
        warnings = []
        if not known & {"image", FILE, OPERATION}:
            warnings.append(
                f"{table} has no column 'image': new marks get no picture, known ones keep theirs"
            )
        unknown = unknown_columns(names)
        if unknown:
            warnings.append(f"columns left out: {', '.join(unknown)}"[:500])
        return warnings

    @staticmethod
    def shown(fields: Mapping[str, object]) -> tuple[str | None, str | None]:
        """Id and image of a faulty row, as far as they can be read."""
        return _shown(fields.get("id")), _shown(fields.get("image"))

    def warnings(self) -> list[str]:
        """What was left out, and what was kept although it looks odd."""
        warnings = []
        if self._left_out:
            named = (
                f"{what} ({n} times, first in {self._first[what]})"
                for what, n in self._left_out.most_common()
            )
            total = sum(self._left_out.values())
            warnings.append(f"{total} values not understood, left out: {examples(named)}")
        if self._nothing:
            named = (f"{what} ({n} times)" for what, n in self._nothing.most_common())
            warnings.append(f"cells read as empty: {examples(named)}")
        if self._unlisted:
            warnings.append(
                f"{len(self._unlisted)} Vienna codes are not in the edition MarkLens ships "
                f"and were kept as they are: {examples(map(str, sorted(self._unlisted)))}"
            )
        return warnings

    def plain(self, column: str, cell: object) -> object:
        """A cell without what spreadsheets and data frames write around it, or for nothing."""
        if not isinstance(cell, str):
            return cell
        text = cell.strip()
        guarded = _EXCELS_TEXT.match(text)
        if guarded is not None and (guarded[1] is not None or column == "id"):
            return text[1:] if guarded[1] is None else guarded[1]
        if text in _NOTHING and column != "id":
            self._nothing[f"{column} {text}"] += 1
            return None
        return cell

    def _values(
        self, fields: Mapping[str, object]
    ) -> tuple[dict[str, Any], list[_Fault], frozenset[str]]:
        """The values that can be read, what cannot, and the fields of which nothing can."""
        values: dict[str, Any] = {}
        faults: list[_Fault] = []
        unread = set()
        for one in MARK_FIELDS:
            values[one.name], wrong = _value(one, fields.get(one.column))
            if wrong and not values[one.name]:
                unread.add(one.name)
            faults += wrong
        return values, faults, frozenset(unread)

    def _note(self, record: MarkRecord, faults: Sequence[_Fault]) -> None:
        """Count what was left out of a mark, and its codes of other editions.

        Offices carry codes that later editions dropped. Losing the mark over one would be worse
        than an unknown code, which prefix filters still find.
        """
        for fault in faults:
            if len(self._left_out) < _COUNTED or fault.what in self._left_out:
                self._left_out[fault.what] += 1
                self._first.setdefault(fault.what, record.id)
        self._unlisted.update(code for code in record.vienna if code not in self._tree)


def _value(one: MarkField, cell: object) -> tuple[Any, list[_Fault]]:
    """What a field holds, as far as it can be read; ``()`` or None for nothing."""
    try:
        if one.kind is FieldKind.ID:
            return _mark_id(cell), []
        if not one.kind.is_list:
            text = read_text(cell, one.column)
            texts = [] if text is None else [text]
        else:
            texts = read_texts(cell, one.kind, one.column)
    except BadRecord as fault:
        return () if one.kind.is_list else None, [_Fault(str(fault), str(fault))]
    kind, read = _READERS.get(one.kind, ("", str))
    values, faults = [], []
    for text in texts:
        try:
            values.append(read(text))
        except BadRecord as fault:
            faults.append(_Fault(f"{kind} {text[:40]!r}", f"{one.column} {fault}"))
    if one.kind.is_list:
        return tuple(values), faults
    return values[0] if values else None, faults


def _shown(value: object) -> str | None:
    """A field as the rejects file can show it: whatever can be read of a faulty row."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return showable(str(value).strip()[:200]) or None
    return None


def _mark_id(value: object) -> str:
    text = read_text(value, "id")
    if text is None:
        raise BadRecord("id is empty")
    return MarkRecord(text).id  # or it says what is wrong with it


def _refuse_lost_digits(value: object) -> None:
    if isinstance(value, str) and _LOST_DIGITS.fullmatch(value.strip()):
        raise BadRecord(
            f"id {value.strip()!r} has lost digits in a spreadsheet: give its column the format "
            "text"
        )


def _is_deletion(value: object) -> bool:
    """Whether a row takes its mark out of the register, as ST.66 says it."""
    word = (read_text(value, OPERATION) or "insert").lower()
    if word not in ("insert", "update", "delete"):
        raise BadRecord(f"{OPERATION} {word[:40]!r} is none of insert, update and delete")
    return word == "delete"


def examples(texts: Iterable[str]) -> str:
    """The first few of some texts, and how many more there are."""
    names = list(texts)
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


def column_name(text: str) -> str:
    """A column's name, or a key, whatever its case."""
    return text.strip().lower()


def is_journal(names: Iterable[str]) -> bool:
    """Whether a table's rows say what happened to marks one after the other.

    There a mark may be withdrawn and registered again; elsewhere a second row of it is a mistake.
    """
    return OPERATION in names


def repeated(names: Iterable[str]) -> list[str]:
    """Those of a table's columns that mean something here and stand there more than once."""
    return [name for name, count in Counter(names).items() if count > 1 and name in _KNOWN]


def unknown_columns(names: Iterable[str]) -> list[str]:
    """Those of a table's columns that mean nothing here, each once."""
    return [name for name in dict.fromkeys(names) if name and name not in _KNOWN]
