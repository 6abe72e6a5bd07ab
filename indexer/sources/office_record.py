"""What a file in `indexer/sources/offices/` defines: an office's format, and records of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from indexer.sources.xml_records import XmlHead


@dataclass(frozen=True, slots=True)
class OfficeRecord:
    """A mark as an office's file has it.

    Attributes:
        number: the application number, which with the office's code makes the mark's id.
        office: the office's code (WIPO ST.3), such as ``EM``.
        fields: what else the file says of it, like a table's row: by the column of `MARK_FIELDS`,
            as texts or lists of texts.
        files: where to look for its picture below ``--images``, best first.
        is_withdrawn: the file says that the mark leaves the register.
        is_update: it says that a mark changes: offices may send no more than what has changed, such
            as its status, so that what the record says nothing of stays as it is.
    """

    number: str | None
    office: str | None
    fields: Mapping[str, str | list[str] | None]
    files: tuple[str, ...] = ()
    is_withdrawn: bool = False
    is_update: bool = False


@dataclass(frozen=True, slots=True)
class OfficeFormat:
    """An XML format of an office.

    Attributes:
        name: what ``--format`` calls it.
        title: what people call it.
        records: names of the elements that hold one mark each, without prefixes.
        claims: whether a document's head is of this format; of no document may two say so.
        read: one such element → the record.
    """

    name: str
    title: str
    records: frozenset[str]
    claims: Callable[[XmlHead], bool]
    read: Callable[[Element], OfficeRecord]


def first(element: Element | None, *paths: str) -> str | None:
    """The first text, trimmed, that stands at one of these paths; None without."""
    for path in paths:
        for text in texts(element, path):
            return text
    return None


def texts(element: Element | None, path: str) -> Iterator[str]:
    """The texts at a path, trimmed, empty ones left out."""
    for found in () if element is None else element.iterfind(path):
        text = (found.text or "").strip()
        if text:
            yield text


def joined(parts: Iterator[str] | tuple[str | None, ...], between: str) -> str | None:
    """Texts in one, each once; None without any."""
    return between.join(dict.fromkeys(part for part in parts if part)) or None
