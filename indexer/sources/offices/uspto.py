"""The USPTO's Trademark Daily XML (TDXF), applications: one `case-file` a mark.

Source: USPTO, "Trademark Applications Documentation", version 2.0. Every file holds whole case
files, so a later one replaces an earlier one. Pictures come apart, named by serial number.

Design search codes are the USPTO's own scheme and kept as such. Their categories 01 to 28 are
those of the Vienna Classification, after which they were made; below the category the two differ
(a heart is 02.11.01 here and 02.09.01 there), and category 29 holds something else. So the
category, and only that, becomes a Vienna code.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from xml.etree.ElementTree import Element

from indexer.sources.office_record import OfficeFormat, OfficeRecord, first, joined, texts
from indexer.sources.xml_records import XmlHead
from models.images.picture_folder import SUFFIXES

_DESIGN = re.compile(r"[0-9]{6}", re.ASCII)
_SHARED_CATEGORIES = range(1, 29)
_ABANDONED, _CANCELLED, _EXPIRED = range(600, 620), range(710, 720), (900,)
_PICTURED = ("2", "3", "5")  # first digit of the drawing code: there is a drawing to look at


def _read(case: Element) -> OfficeRecord:
    header = case.find("case-file-header")
    serial = first(case, "serial-number")
    drawing = first(header, "mark-drawing-code") or ""
    codes = [
        code
        for path in ("code", "design-search-code")
        for code in texts(case, f"design-searches/design-search/{path}")
    ]
    has_picture = serial is not None and drawing.startswith(_PICTURED)
    is_published = _has_day(header, "published-for-opposition-date")
    is_registered = _has_day(header, "registration-date")
    return OfficeRecord(
        serial,
        "US",
        {
            "text": first(header, "mark-identification"),
            "owner": latest_owners(
                (first(owner, "party-type"), first(owner, "party-name"))
                for owner in case.iterfind("case-file-owners/case-file-owner")
            ),
            "status": status(
                first(header, "status-code"),
                is_registered=is_registered,
                is_published=is_published,
            ),
            "filed": first(header, "filing-date"),
            "registered": first(header, "registration-date"),
            "nice": [*texts(case, "classifications/classification/international-code")],
            **design_codes(codes),
            "image": f"{serial}.jpg" if has_picture else None,
        },
        files=tuple(f"{serial}{suffix}" for suffix in SUFFIXES) if has_picture else (),
    )


def design_codes(codes: Iterable[str]) -> dict[str, list[str]]:
    """The fields for design search codes: themselves, and their categories as Vienna codes."""
    plain = [code.replace(".", "") for code in codes]
    shared = (
        code[:2]
        for code in plain
        if _DESIGN.fullmatch(code) and int(code[:2]) in _SHARED_CATEGORIES
    )
    return {"vienna": [*dict.fromkeys(shared)], "us_design": plain}


def latest_owners(parties: Iterable[tuple[str | None, str | None]]) -> str | None:
    """The names of the latest owners: each kind of party replaces those of lower numbers.

    Args:
        parties: type and name of each. Types count up: 10 is the applicant, 20 the owner at
            publication, 30 the one at registration, 31 and more are those after that.
    """
    known = [(int(kind) if kind and kind.isdigit() else 0, name) for kind, name in parties if name]
    latest = max((kind for kind, _ in known), default=0)
    return joined(tuple(name for kind, name in known if kind == latest), "; ")


def status(code: str | None, *, is_registered: bool, is_published: bool) -> str:
    """The state of a mark in a word; the USPTO's hundreds of status codes say much more."""
    number = int(code) if code and code.isascii() and code.isdigit() else 0
    if number in _ABANDONED:
        return "abandoned"
    if number in _CANCELLED:
        return "cancelled"
    if number in _EXPIRED:
        return "expired"
    if is_registered:
        return "registered"
    return "published" if is_published else "pending"


def read_wipo_record(
    record: OfficeRecord, parties: Iterable[tuple[str | None, str | None]], codes: Iterable[str]
) -> OfficeRecord:
    """Apply the USPTO's own rules to a US record in a WIPO format, as TSDR publishes them.

    Args:
        record: as other offices' records are read.
        parties: type and name of each party; TSDR lists all that ever owned the mark.
        codes: design search codes.
    """
    code, vienna = record.fields["status"], record.fields["vienna"] or ()
    own = design_codes(codes)
    fields = {**record.fields, **own, "owner": latest_owners(parties)}
    fields["vienna"] = [*vienna, *own["vienna"]]
    if isinstance(code, str) and code.isdigit():
        is_registered = bool(record.fields["registered"])
        fields["status"] = status(code, is_registered=is_registered, is_published=False)
    return replace(record, fields=fields)


def _has_day(header: Element | None, name: str) -> bool:
    return bool((first(header, name) or "").strip("0"))


def _claims(head: XmlHead) -> bool:
    return head.root.startswith("trademark-applications") or "case-file" in head.names


FORMAT = OfficeFormat("uspto", "USPTO TDXF applications", frozenset({"case-file"}), _claims, _read)
