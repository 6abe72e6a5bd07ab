"""The one place where a table's texts become a `MarkRecord`, the same for every table format."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from indexer.errors import BadRecord, SourceError
from indexer.marks import MARK_FIELDS, FieldKind, MarkRecord, is_mark_id
from indexer.sources.pictures import Pictures
from indexer.sources.source_rows import RejectedRow, SourceRow, Withdrawal
from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree

_SEPARATORS = re.compile(r"[;,|\r\n]")
_ONE_CODE = r"A?(?:[0-9]{1,2}(?:\.[0-9]{1,2}){1,2}|[0-9]{6})"
_CODES_IN_A_ROW = re.compile(rf"{_ONE_CODE}(?:\s+{_ONE_CODE})+", re.ASCII)
# What may stand before a code: the classification's edition, its French initials.
_EDITION = re.compile(r"^(?:(?:VCL|CFE)\s*)?(?:\([0-9]{1,2}\))?\s*", re.IGNORECASE)
_EDITION_BEHIND = re.compile(r"(?<=[0-9.])\s*\([0-9]{1,2}\)$", re.ASCII)
_BETWEEN_NUMBERS = re.compile(r"(?<=[0-9])\s*[./\-\s]\s*(?=[0-9])")
_MANY = 5  # how many examples a warning names


class FieldReader:
    """Reads rows into records and remembers what deserves one warning for the whole source."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._tree = ViennaTree.load()
        self._unlisted: set[ViennaCode] = set()

    def row(
        self, position: int, fields: Mapping[str, object]
    ) -> SourceRow | Withdrawal | RejectedRow:
        """One row of a table as a mark to be, or the reasons why it is none.

        A row without `image` is a mark without picture. Where a table has the column
        `image_file`, as an export of MarkLens has, that names the file and `image` is kept as
        what the office called it. `operation` may say ``delete``: the mark is withdrawn.

        Args:
            position: the line it begins on.
            fields: column name to text; JSON sources may also hand numbers and arrays. Of a
                column that is not there a mark of the register keeps what it has.
        """
        try:
            if _is_deletion(fields.get(OPERATION)):
                return Withdrawal(position, _mark_id(fields.get("id")))
            record = self.record(fields)
            file = _text(fields[FILE], FILE) if FILE in fields else record.image_name
            return SourceRow(
                position,
                record,
                self._pictures.named(file) if file else None,
                is_sent_once="image" not in fields and FILE not in fields,
                left_out=frozenset(one.name for one in MARK_FIELDS if one.column not in fields),
            )
        except BadRecord as fault:
            return RejectedRow(position, *self.shown(fields), str(fault))

    @staticmethod
    def shown(fields: Mapping[str, object]) -> tuple[str | None, str | None]:
        """Id and image of a faulty row, as far as they can be read."""
        return _shown(fields.get("id")), _shown(fields.get("image"))

    def record(self, fields: Mapping[str, object]) -> MarkRecord:
        """The record, or one `BadRecord` naming every fault of the row, not only the first."""
        values: dict[str, Any] = {}
        faults: list[str] = []
        for one in MARK_FIELDS:
            try:
                parse = _PARSERS[one.kind]
                values[one.name] = parse(fields.get(one.column), one.column)
            except BadRecord as fault:
                faults.append(str(fault))
        if not faults:
            faults.extend(self._check_codes(values["vienna"]))
        if faults:
            raise BadRecord("; ".join(faults))
        return MarkRecord(**values)

    def warnings(self) -> list[str]:
        """What was kept although it looks odd."""
        if not self._unlisted:
            return []
        return [
            f"{len(self._unlisted)} Vienna codes are not in the edition MarkLens ships "
            f"and were kept as they are: {examples(map(str, sorted(self._unlisted)))}"
        ]

    def _check_codes(self, codes: tuple[ViennaCode, ...]) -> list[str]:
        """Faults for codes of no category at all; older editions' codes are only noted.

        Offices carry codes that later editions dropped. Losing the mark over one would be worse
        than an unknown code, which prefix filters still find; a category 47 can only be a slip.
        """
        faults = []
        for code in codes:
            if ViennaCode(code.category) not in self._tree:
                faults.append(f"vienna {code} is in no category of the Vienna Classification")
            elif code not in self._tree:
                self._unlisted.add(code)
        return faults


def _shown(value: object) -> str | None:
    """A field as the rejects file can show it: whatever can be read of a faulty row."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text = str(value).strip()[:200]
        return text.encode("utf-8", "replace").decode() or None
    return None


def _text(value: object, column: str) -> str | None:
    """A trimmed text, or None where there is none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRecord(f"{column} is {_kind(value)}, a text is expected")
    text = str(value).strip()
    if "\0" in text:
        # PostgreSQL cannot hold it, SQLite cuts there: refuse it while the row can be named.
        raise BadRecord(f"{column} holds a zero character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRecord(f"{column} holds a character that is not UTF-8") from error
    return text or None


def _required(value: object, column: str) -> str:
    text = _text(value, column)
    if text is None:
        raise BadRecord(f"{column} is empty")
    return text


def _mark_id(value: object) -> str:
    text = _required(value, "id")
    if not is_mark_id(text):
        raise BadRecord(f"id {text[:200]!r} is no id that a mark can have")
    return text


def _is_deletion(value: object) -> bool:
    """Whether a row takes its mark out of the register, as ST.66 says it."""
    word = (_text(value, OPERATION) or "insert").lower()
    if word not in ("insert", "update", "delete"):
        raise BadRecord(f"{OPERATION} {word[:40]!r} is none of insert, update and delete")
    return word == "delete"


def _date(value: object, column: str) -> date | None:
    text = _text(value, column)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        raise BadRecord(f"{column} {text!r} is not a date like 2024-01-31") from error


def _list(value: object, column: str) -> list[str]:
    """The parts of `a;b` (also `,`, `|` and line breaks), or of a JSON array."""
    if isinstance(value, list):
        texts = [_text(part, column) for part in value]
    else:
        texts = [part.strip() for part in _SEPARATORS.split(_text(value, column) or "")]
    return [text for text in texts if text]


def _nice(value: object, column: str) -> tuple[int, ...]:
    classes = []
    for text in _list(value, column):
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= 45):
            raise BadRecord(f"{column} {text!r} is not a Nice class (1 to 45)")
        classes.append(int(text))
    return tuple(classes)


def vienna_code(text: str) -> ViennaCode:
    """Read a code in any spelling found in offices' files, besides those of `ViennaCode`.

    Also ``26/04/01``, ``26-4-1``, ``26 4 1``, ``26.04.01.``, ``(7) 26.4.1``, ``26.4.1 (7)``,
    ``VCL(7) 26.4.1`` and ``CFE 26.4.1``.

    Raises:
        BadViennaCode: it is no code.
    """
    bare = _EDITION_BEHIND.sub("", _EDITION.sub("", text.strip()))
    return ViennaCode.parse(_BETWEEN_NUMBERS.sub(".", bare).rstrip(". "))


def _vienna(value: object, column: str) -> tuple[ViennaCode, ...]:
    try:
        return tuple(
            vienna_code(code)
            for text in _list(value, column)
            for code in (text.split() if _CODES_IN_A_ROW.fullmatch(text) else [text])
        )
    except BadViennaCode as error:
        raise BadRecord(f"{column}: {error}") from error


def _us_design(value: object, column: str) -> tuple[str, ...]:
    texts = [text.replace(".", "") for text in _list(value, column)]
    return tuple(f"{text[:2]}.{text[2:4]}.{text[4:]}" for text in texts)


def _kind(value: object) -> str:
    names = {bool: "true or false", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def examples(texts: Iterable[str]) -> str:
    """The first few of some texts, and how many more there are."""
    names = list(texts)
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


_Parse = Callable[[object, str], Any]

_PARSERS: Mapping[FieldKind, _Parse] = {
    FieldKind.ID: _required,
    FieldKind.TEXT: _text,
    FieldKind.WORD: _text,
    FieldKind.DAY: _date,
    FieldKind.NICE: _nice,
    FieldKind.VIENNA: _vienna,
    FieldKind.US_DESIGN: _us_design,
}
FILE = "image_file"
OPERATION = "operation"
COLUMNS = (*(one.column for one in MARK_FIELDS), FILE)  # what an export has
_KNOWN = frozenset((*COLUMNS, OPERATION))


def unknown_columns(names: Iterable[str]) -> list[str]:
    """Those of a table's columns that mean nothing here, each once."""
    return [name for name in dict.fromkeys(names) if name and name not in _KNOWN]


def check_columns(table: str, names: Sequence[str]) -> list[str]:
    """Warnings on a table's columns.

    Raises:
        SourceError: without them no row says anything of a mark.
    """
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
