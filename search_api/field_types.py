"""Types of the fields that people type: texts, codes, classes, days, and lists of them."""

import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from indexer.marks import NICE_CLASSES
from indexer.query import MAX_K
from models.vienna import split_codes

_MOST_VALUES = 200  # of a list
_LONGEST_LIST = 20_000  # characters, before it is divided
_BLANK = re.compile(r"[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # Unicode's Zs


def split_list(texts: Iterable[str]) -> list[str]:
    """Read a field that may be repeated, hold commas or semicolons, or both."""
    return stripped(part for text in texts for part in re.split(r"[,;]", text))


def stripped(texts: Iterable[str]) -> list[str]:
    """Those of some texts that are not blank, without the blanks around them."""
    return [part for text in texts if (part := text.strip())]


def _listed(value: Any) -> Any:
    """Take what came from a form as a list; anything else is pydantic's to judge."""
    return [value] if isinstance(value, str) else value


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _split(value: Any) -> Any:
    value = _listed(value)
    return _few(split_list(_short(value))) if _is_texts(value) else value


def _divided(value: Any) -> Any:
    """Divide codes as tables' are: ``5,3,13`` is one text, which is no code."""
    value = _listed(value)
    if _is_texts(value):
        return _few([code for text in _short(value) for code in split_codes(text)])
    return value


def _repeated(value: Any) -> Any:
    """Keep commas: an office may be called "Benelux, BOIP"."""
    value = _listed(value)
    return _few(stripped(value)) if _is_texts(value) else value


def _shortlisted(value: Any) -> Any:
    value = _listed(value)
    return _few(stripped(value), MAX_K) if _is_texts(value) else value


def _short(texts: list[str]) -> list[str]:
    """Refuse a list that is too long to be divided while others wait."""
    if sum(map(len, texts)) > _LONGEST_LIST:
        raise ValueError(f"is longer than {_LONGEST_LIST} characters")
    return texts


def _few(texts: list[str], most: int = _MOST_VALUES) -> list[str]:
    """Refuse too many values at once, rather than each of them by itself."""
    if len(texts) > most:
        raise ValueError(f"has {len(texts)} values; {most} may be sent")
    return texts


def _nice_class(value: Any) -> Any:
    if isinstance(value, str):
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 4 else 0
        if number not in NICE_CLASSES:
            raise ValueError(f"{value[:40]!r} is not a Nice class; they go from 1 to 45")
        return number
    return value


def with_plain_blanks(text: str) -> str:
    """A text with a plain blank for each no-break, narrow or wide one."""
    return _BLANK.sub(" ", text)


def _printable(text: str) -> str:
    """Refuse control characters: PostgreSQL cannot hold some, and no name has any."""
    text = with_plain_blanks(text)
    if not text.isprintable():
        raise ValueError("contains a control character")
    return text


def _day(value: Any) -> Any:
    """Read ISO 8601 only: pydantic would also take 0 for the first day of 1970."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError("is not a date like 2024-01-31") from error
    return value


Absent = SkipJsonSchema[None]  # left out; a form cannot send null, so its schema must not allow it
Text = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]
Codes = Annotated[list[Text], BeforeValidator(_divided), Field(max_length=_MOST_VALUES)]
Words = Annotated[list[Text], BeforeValidator(_repeated), Field(max_length=_MOST_VALUES)]
Shortlist = Annotated[list[Text], BeforeValidator(_shortlisted), Field(max_length=MAX_K)]
NiceClasses = Annotated[
    list[Annotated[int, Field(ge=1, le=45), BeforeValidator(_nice_class)]],
    BeforeValidator(_split),
    Field(max_length=_MOST_VALUES),
]
Day = Annotated[date, BeforeValidator(_day)]
