"""Reads texts and numbers as sources have them into the values of a mark's fields.

Every spelling that can mean only one thing is read, whoever wrote it: an office, Excel, pandas.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, timedelta

from indexer.errors import BadRecord
from indexer.marks import MAX_TEXT, NICE_CLASSES, FieldKind
from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree, split_codes

_SEPARATORS = re.compile(r"[;,|/+\r\n]")
_CLASS = re.compile(
    r"(?:(?:class(?:es)?|cl\.?|IC|NCL)\s*)?([0-9]{1,3})(?:[.,]0+)?", re.I | re.ASCII
)
_CLASSES_IN_A_ROW = re.compile(r"[0-9]{1,3}(?:\s+[0-9]{1,3})+", re.ASCII)
_DESIGN_CODE = re.compile(r"[0-9]{6}|[0-9]{2}\.[0-9]{2}\.[0-9]{2}", re.ASCII)

# Behind a day: a time, its zone and what a program adds; or the zone alone. Another day is neither.
_TIME = r"(?:(?:T|,?\s+(?=[0-9]{1,2}[:h]))[0-9].*|\s*(?:Z|[+-][0-9]{2}:?[0-9]{2}))?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})([./-])([0-9]{{1,2}})\2([0-9]{{1,2}}){_TIME}", re.ASCII)
_PACKED = re.compile(rf"([0-9]{{4}})([0-9]{{2}})([0-9]{{2}}){_TIME}", re.ASCII)
_YEAR_LAST = re.compile(rf"([0-9]{{1,2}})([./-])([0-9]{{1,2}})\2([0-9]{{4}}){_TIME}", re.ASCII)
_DAY_NAMED_MONTH = re.compile(
    rf"([0-9]{{1,2}})[.\s-]*([A-Z]{{3,9}})[.,\s-]*([0-9]{{4}}){_TIME}", re.I | re.ASCII
)
_MONTH_NAMED_DAY = re.compile(
    rf"([A-Z]{{3,9}})\.?\s*([0-9]{{1,2}}),?\s+([0-9]{{4}}){_TIME}", re.I | re.ASCII
)
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_DAY_MS = 86_400_000
_EARLIEST_MS = 10**10  # less than that is no time in milliseconds, but a day written in one number


def read_text(value: object, column: str) -> str | None:
    """A trimmed text, or None where there is none; a whole number loses its ``.0``.

    Raises:
        BadRecord: it is no text, or one that a database cannot hold.
    """
    if value is None or value != value:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        names = {bool: "true or false", list: "a list", dict: "an object"}
        kind = names.get(type(value), type(value).__name__)
        raise BadRecord(f"{column} is {kind}, a text is expected")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if "\0" in text:
        # PostgreSQL cannot hold it, SQLite cuts there: refuse it while the row can be named.
        raise BadRecord(f"{column} holds a zero character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadRecord(f"{column} holds a character that is not UTF-8") from error
    if len(text) > MAX_TEXT:
        raise BadRecord(f"{column} has {len(text)} characters, more than {MAX_TEXT}")
    return text or None


def read_texts(value: object, kind: FieldKind, column: str) -> list[str]:
    """The texts of single values in a cell like ``a;b``, or in an array.

    Raises:
        BadRecord: there are no texts in it.
    """
    if isinstance(value, list):
        return [text for one in value for text in read_texts(_no_list(one, column), kind, column)]
    is_code = kind in (FieldKind.VIENNA, FieldKind.US_DESIGN)
    if is_code and isinstance(value, int | float) and value == value:
        raise BadRecord(
            f"{column} {value} is a number: write codes as texts, since 5.1 and 5.10 are one number"
        )
    text = read_text(value, column) or ""
    if kind is FieldKind.VIENNA:
        return split_codes(text)
    if kind is FieldKind.NICE and _CLASS.fullmatch(text):  # "25,0" is one
        return [text]
    if text.startswith("[") and text.endswith("]"):  # a list as JSON or Python writes it
        text = re.sub(r"[\[\]\"']", "", text)
    parts = [part.strip() for part in _SEPARATORS.split(text)]
    return [
        one
        for part in parts
        for one in (part.split() if _CLASSES_IN_A_ROW.fullmatch(part) else [part])
        if one
    ]


def _no_list(value: object, column: str) -> object:
    if isinstance(value, list):
        raise BadRecord(f"{column} is a list of lists, a text is expected")
    return value


def read_nice(text: str) -> int:
    """A Nice class: ``25``, ``025``, ``25.0``, ``Class 25`` or ``IC 025``.

    Raises:
        BadRecord: it is none.
    """
    found = _CLASS.fullmatch(text)
    if found is None or int(found[1]) not in NICE_CLASSES:
        raise BadRecord(f"{text!r} is not a Nice class (1 to 45)")
    return int(found[1])


def read_vienna(text: str) -> ViennaCode:
    """A Vienna code, of whatever edition.

    Raises:
        BadRecord: it is none, or of no category; a code that only this edition lacks passes.
    """
    try:
        code = ViennaCode.parse(text)
    except BadViennaCode as error:
        raise BadRecord(str(error)) from error
    if not ViennaTree.load().has_category_of(code):
        raise BadRecord(f"{text!r} is in no category of the Vienna Classification")
    return code


def read_us_design(text: str) -> str:
    """A USPTO design search code, as ``26.01.21``.

    Raises:
        BadRecord: it is none.
    """
    if not _DESIGN_CODE.fullmatch(text):
        raise BadRecord(f"{text!r} is not a USPTO design search code such as 26.01.21")
    plain = text.replace(".", "")
    return f"{plain[:2]}.{plain[2:4]}.{plain[4:]}"


def read_day(text: str) -> date | None:
    """A day, whatever the order of its parts if only one makes a date; None for 0 (no day).

    ``2020-01-31`` and ``20200131``, perhaps with time and zone; ``31.01.2020``; ``31/01/2020`` and
    ``01/31/2020``, but not ``01/02/2020``; ``31 January 2020``, ``31-Jan-2020``, ``Jan 31, 2020``;
    milliseconds since 1970 where they are a whole day, as pandas writes them.

    Raises:
        BadRecord: it is no day, or could be two.
    """
    plain = unicodedata.normalize("NFKC", text)
    if not plain.strip("0-/."):
        return None
    for shape, parts in _DAYS.items():
        found = shape.fullmatch(plain)
        if found is not None:
            try:
                return date(*parts(*found.groups()))
            except ValueError:
                break
    with suppress(ValueError, OverflowError):  # beyond the year 9999, or Python's longest number
        if re.fullmatch("-?[0-9]+", plain) and abs(int(plain)) > _EARLIEST_MS:
            days, rest = divmod(int(plain), _DAY_MS)
            if rest == 0:
                return date(1970, 1, 1) + timedelta(days)
    raise BadRecord(f"{text[:40]!r} is not a date like 2024-01-31")


_Parts = tuple[int, int, int]  # year, month, day


def _year_last(first: str, sign: str, second: str, year: str) -> _Parts:
    one, two = int(first), int(second)
    if sign == "." or one > 12 or one == two:  # points stand behind a day
        return int(year), two, one
    if two > 12:
        return int(year), one, two
    raise ValueError("the month cannot be told from the day")


def _named(day: str, name: str, year: str) -> _Parts:
    wanted = name.lower()
    month = [wanted in (one, one[:3], one[:4]) for one in _MONTHS].index(True)
    return int(year), month + 1, int(day)


_DAYS: Mapping[re.Pattern[str], Callable[..., _Parts]] = {
    _YEAR_FIRST: lambda year, _, month, day: (int(year), int(month), int(day)),
    _PACKED: lambda year, month, day: (int(year), int(month), int(day)),
    _YEAR_LAST: _year_last,
    _DAY_NAMED_MONTH: _named,
    _MONTH_NAMED_DAY: lambda name, day, year: _named(day, name, year),
}
