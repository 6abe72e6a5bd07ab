"""The USPTO's Trademark Daily XML (TDXF), applications: one `case-file` a mark.

Source: USPTO, "Trademark Applications Documentation", version 2.0. Every file holds whole case
files, so a later one replaces an earlier one. Pictures come apart, named by serial number.

Design search codes are the USPTO's own scheme and kept as such. Their categories 01 to 28 are
those of the Vienna Classification, after which they were made; below the category the two differ
(a heart is 02.11.01 here and 02.09.01 there), and category 29 holds something else. So the
category, and only that, becomes a Vienna code.
"""

import re
from xml.etree.ElementTree import Element

from indexer.sources.office_record import OfficeFormat, OfficeRecord, first, joined, texts
from indexer.sources.pictures import SUFFIXES
from indexer.sources.xml_records import XmlHead

_DESIGN = re.compile(r"[0-9]{6}", re.ASCII)
_SHARED_CATEGORIES = range(1, 29)
_ABANDONED, _CANCELLED, _EXPIRED = range(600, 620), range(710, 720), (900,)
_PICTURED = ("2", "3", "5")  # first digit of the drawing code: there is a drawing to look at


def _read(case: Element) -> OfficeRecord:
    header = case.find("case-file-header")
    serial = first(case, "serial-number")
    drawing = first(header, "mark-drawing-code") or ""
    codes = [
        code.replace(".", "")
        for path in ("code", "design-search-code")
        for code in texts(case, f"design-searches/design-search/{path}")
    ]
    has_picture = serial is not None and drawing.startswith(_PICTURED)
    return OfficeRecord(
        number=serial,
        office="US",
        text=first(header, "mark-identification"),
        owner=_owner(case),
        status=_status(header),
        filed=first(header, "filing-date"),
        registered=first(header, "registration-date"),
        nice=tuple(texts(case, "classifications/classification/international-code")),
        vienna=tuple(dict.fromkeys(code[:2] for code in codes if _is_shared(code))),
        us_design=tuple(codes),
        image=f"{serial}.jpg" if has_picture else None,
        files=tuple(f"{serial}{suffix}" for suffix in SUFFIXES) if has_picture else (),
    )


def _is_shared(code: str) -> bool:
    return _DESIGN.fullmatch(code) is not None and int(code[:2]) in _SHARED_CATEGORIES


def _owner(case: Element) -> str | None:
    """The latest owners: entries count up, and each of a later kind of party replaces those before.

    The first two digits of the party type say when it owned the mark: 10 as applicant, 20 at
    publication, 30 at registration, 40 and more by later assignment.
    """
    owners = case.findall("case-file-owners/case-file-owner")
    latest = max((_when(owner) for owner in owners), default=0)
    names = (first(owner, "party-name") for owner in owners if _when(owner) == latest)
    return joined(tuple(names), "; ")


def _when(owner: Element) -> int:
    kind = first(owner, "party-type") or ""
    return int(kind[:1]) if kind[:1].isdigit() else 0


def _status(header: Element | None) -> str | None:
    """The state of a mark in a word; the USPTO's hundreds of status codes say much more."""
    text = first(header, "status-code") or ""
    code = int(text) if text.isascii() and text.isdigit() else 0
    if code in _ABANDONED:
        return "abandoned"
    if code in _CANCELLED:
        return "cancelled"
    if code in _EXPIRED:
        return "expired"
    if _has_day(header, "registration-date"):
        return "registered"
    return "published" if _has_day(header, "published-for-opposition-date") else "pending"


def _has_day(header: Element | None, name: str) -> bool:
    return bool((first(header, name) or "").strip("0"))


def _claims(head: XmlHead) -> bool:
    return head.root.startswith("trademark-applications") or "case-file" in head.names


FORMAT = OfficeFormat("uspto", "USPTO TDXF applications", frozenset({"case-file"}), _claims, _read)
