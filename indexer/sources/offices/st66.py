"""WIPO Standard ST.66: trade-mark transactions, as national offices and ROMARIN publish them.

Source: WIPO, "Standard ST.66, Recommendation for processing of trademark information using XML",
schema ST66. An element `TradeMark` is one mark; its `operationCode` says Insert, Update or Delete.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from indexer.sources.office_record import OfficeFormat, OfficeRecord, first, joined, texts
from indexer.sources.offices import uspto
from indexer.sources.xml_records import XmlHead

_PARTIES = ("HolderDetails/Holder", "ApplicantDetails/Applicant")
_IMAGE = "MarkImageDetails/MarkImage"


def read(mark: Element) -> OfficeRecord:
    """Read one `TradeMark`, of ST.66 or of the EUIPO's schema, which took its names from there."""
    images = [
        one for one in mark.iterfind(_IMAGE) if first(one, "MarkImageFilename", "MarkImageURI")
    ]
    image = images[0] if images else None
    name = first(image, "MarkImageURI", "MarkImageFilename")
    operation = (mark.get("operationCode") or "").lower()
    owners = (found for path in _PARTIES if (found := [*_parties(mark, path)]))
    record = OfficeRecord(
        first(mark, "ApplicationNumber", "RegistrationNumber"),
        first(mark, "RegistrationOfficeCode", "ReceivingOfficeCode"),
        {
            "text": joined(texts(mark, "WordMarkSpecification/MarkVerbalElementText"), " ")
            or joined(texts(mark, "WordMarkSpecification/MarkSignificantVerbalElement"), " "),
            "owner": joined((name for _, name in next(owners, ())), "; "),
            "status": first(mark, "MarkCurrentStatusCode"),
            "filed": first(mark, "ApplicationDate"),
            "registered": first(mark, "RegistrationDate"),
            "nice": [*_nice(mark)],
            "vienna": [code for is_vienna, code in _codes(mark) if is_vienna],
            "image": name,
        },
        files=image_files(name, first(image, "MarkImageFilename"), _with_format(image)),
        is_withdrawn=operation == "delete",
        is_update=operation == "update",
    )
    if record.office != "US":
        return record
    parties = (party for path in _PARTIES for party in _parties(mark, path))
    own = (code for is_vienna, code in _codes(mark) if not is_vienna)
    return uspto.read_wipo_record(record, parties, own)


def image_files(*names: str | None) -> tuple[str, ...]:
    """Where a picture may lie: each name's whole path, then its last part alone."""
    paths = [_path(name) for name in names if name]
    last = [path.rpartition("/")[2] for path in paths]
    return tuple(dict.fromkeys(path for path in (*paths, *last) if path))


def _path(name: str) -> str:
    """A picture's path, without a scheme and host, and without what leads out of a folder."""
    _, scheme, rest = name.partition("://")
    if scheme and not name.lower().startswith("file:"):
        rest = rest.partition("/")[2]
    parts = (rest if scheme else name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..") and ":" not in part)


def _with_format(image: Element | None) -> str | None:
    """The picture's number with its format as suffix: how bulk downloads often call it."""
    number, kind = first(image, "MarkImageIdentifier"), first(image, "MarkImageFileFormat")
    return f"{number}.{kind.lower()}" if number and kind and kind.isalnum() else None


def _codes(mark: Element) -> Iterator[tuple[bool, str]]:
    """Codes of figurative elements: whether they are Vienna codes or an office's own, and each."""
    for image in mark.iterfind(_IMAGE):
        for category in image.iterfind("MarkImageCategory"):
            kind = (first(category, "CategoryKind") or "vienna").lower()
            for code in texts(category, "CategoryCodeDetails/CategoryCode"):
                yield "vienna" in kind or "cfe" in kind, code


def _nice(mark: Element) -> Iterator[str]:
    for goods in mark.iterfind("GoodsServicesDetails/GoodsServices"):
        if (first(goods, "ClassificationKindCode") or "nice").lower() == "nice":
            yield from texts(goods, "ClassDescriptionDetails/ClassDescription/ClassNumber")


def _parties(mark: Element, path: str) -> Iterator[tuple[str | None, str]]:
    """Sequence number, which at the USPTO is the type of party, and name of each."""
    for party in mark.iterfind(path):
        name = _name(party)
        if name:
            yield first(party, "HolderSequenceNumber", "ApplicantSequenceNumber"), name


def _name(party: Element) -> str:
    """A party's name, however the office split it; empty where only its number is given."""
    for formatted in party.iter("FormattedName"):
        organization = first(formatted, "OrganizationName")
        person = joined((first(formatted, "FirstName"), first(formatted, "LastName")), " ")
        return organization or person or ""
    for free in party.iter("FreeFormatNameDetails"):
        lines = texts(free, "FreeFormatNameLine")
        return joined(lines, " ") or ""
    return first(party, "ApplicantName", "HolderName") or ""


def _claims(head: XmlHead) -> bool:
    is_other = head.has_namespace("euipo.europa.eu", "oami.europa.eu", "ST96")
    is_empty = head.is_delivery("Transaction", "XMLSchema/trademarks", "XMLSchema/wo-trademarks")
    return ("TradeMark" in head.names or is_empty) and not is_other


FORMAT = OfficeFormat("st66", "WIPO ST.66", frozenset({"TradeMark"}), _claims, read)
