"""The one place where a table's texts become a `MarkRecord`, the same for every table format."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from indexer.errors import BadRecord
from indexer.marks import MarkRecord
from indexer.sources.rows import RejectedRow, SourceRow, picture_path
from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree

_SEPARATORS = re.compile(r"[;,|]")
_MANY = 5  # how many examples a warning names


class FieldReader:
    """Reads rows into records and remembers what deserves one warning for the whole source."""

    def __init__(self, pictures: Path) -> None:
        self._pictures = pictures
        self._tree = ViennaTree.load()
        self._unlisted: set[ViennaCode] = set()

    def row(self, position: int, fields: Mapping[str, object]) -> SourceRow | RejectedRow:
        """One row of a table as a mark to be, or the reasons why it is none.

        Args:
            position: the line it begins on.
            fields: column name to text; JSON sources may also hand numbers and arrays.
        """
        try:
            record = self._record(fields)
            return SourceRow(position, record, picture_path(self._pictures, record.image_name))
        except BadRecord as fault:
            name = _shown(fields.get("image"))
            return RejectedRow(position, _shown(fields.get("id")), name, str(fault))

    def _record(self, fields: Mapping[str, object]) -> MarkRecord:
        """The record, or one `BadRecord` naming every fault of the row, not only the first."""
        values: dict[str, Any] = {}
        faults: list[str] = []
        for column, (name, parse) in _PARSERS.items():
            try:
                values[name] = parse(fields.get(column), column)
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
            f"and were kept as they are: {_examples(map(str, sorted(self._unlisted)))}"
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


def _status(value: object, column: str) -> str | None:
    text = _text(value, column)
    return text.lower() if text else None


def _date(value: object, column: str) -> date | None:
    text = _text(value, column)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        raise BadRecord(f"{column} {text!r} is not a date like 2024-01-31") from error


def _list(value: object, column: str) -> list[str]:
    """The parts of `a;b` (also `,` and `|`), or of a JSON array."""
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


def _vienna(value: object, column: str) -> tuple[ViennaCode, ...]:
    try:
        return tuple(ViennaCode.parse(text) for text in _list(value, column))
    except BadViennaCode as error:
        raise BadRecord(f"{column}: {error}") from error


def _kind(value: object) -> str:
    names = {bool: "true or false", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _examples(texts: Iterable[str]) -> str:
    names = list(texts)
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


_Parse = Callable[[object, str], Any]

# column of the table → (field of MarkRecord, reader)
_PARSERS: Mapping[str, tuple[str, _Parse]] = {
    "id": ("id", _required),
    "image": ("image_name", _required),
    "text": ("text", _text),
    "owner": ("owner", _text),
    "office": ("office", _text),
    "status": ("status", _status),
    "filed": ("filed", _date),
    "registered": ("registered", _date),
    "nice": ("nice", _nice),
    "vienna": ("vienna", _vienna),
}
REQUIRED = ("id", "image")
COLUMNS = tuple(_PARSERS)
