"""WIPO Standard ST.96: `Trademark` components, versions 1 to 8.

Source: WIPO, "Standard ST.96, Recommendation for the processing of intellectual property
information using XML", Annex III, components of Trademark and Common.
"""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from indexer.sources.office_record import OfficeFormat, OfficeRecord, first, joined, texts
from indexer.sources.offices import uspto
from indexer.sources.offices.st66 import image_files
from indexer.sources.xml_records import XmlHead

_PARTIES = ("HolderBag/Holder", "ApplicantBag/Applicant", "Applicant")
_REPRODUCTION = "MarkRepresentation/MarkReproduction"
_IMAGE = f"{_REPRODUCTION}/MarkImageBag/MarkImage"
_WORDS = (f"{_REPRODUCTION}/WordMarkSpecification", "MarkRepresentation")
_CODES = "MarkImageClassification/FigurativeElementClassificationBag/ViennaClassificationBag"
_US_CODES = "NationalDesignSearchCodeBag/NationalDesignSearchCode/NationalDesignCode"
_NUMBER = (
    "ApplicationNumber/ApplicationNumberText",
    "ApplicationNumber",
    "RegistrationNumber/RegistrationNumberText",
    "RegistrationNumber",
    "InternationalRegistrationNumber",
    "ST13ApplicationNumber",
)


def _read(mark: Element) -> OfficeRecord:
    name = first(mark, f"{_IMAGE}/FileName", f"{_IMAGE}/MarkImageURI")
    owners = (found for path in _PARTIES if (found := [*_parties(mark, path)]))
    record = OfficeRecord(
        first(mark, *_NUMBER),
        first(mark, "RegistrationOfficeCode", "ApplicationNumber/IPOfficeCode"),
        {
            "text": _words(mark),
            "owner": joined((name for _, name in next(owners, ())), "; "),
            "status": first(mark, "MarkCurrentStatusCode"),
            "filed": first(mark, "ApplicationDate"),
            "registered": first(mark, "RegistrationDate"),
            "nice": [*_nice(mark)],
            "vienna": [*_vienna(mark)],
            "image": name,
        },
        files=image_files(name),
        is_withdrawn=_operation(mark) in ("delete", "withdraw"),
        is_update=_operation(mark) in ("update", "amend"),
    )
    if record.office != "US":
        return record
    parties = (party for path in _PARTIES for party in _parties(mark, path))
    return uspto.read_wipo_record(record, parties, texts(mark, f"{_IMAGE}/{_US_CODES}"))


def _operation(mark: Element) -> str:
    return (mark.get("operationCategory") or mark.get("operationCode") or "").lower()


def _words(mark: Element) -> str | None:
    for kind in ("MarkVerbalElementText", "MarkSignificantVerbalElementText"):
        for place in _WORDS:
            found = joined(texts(mark, f"{place}/{kind}"), " ")
            if found:
                return found
    return None


def _vienna(mark: Element) -> Iterator[str]:
    """Codes; offices write them whole into the category, or into three elements."""
    for image in mark.iterfind(_IMAGE):
        for one in image.iterfind(f"{_CODES}/ViennaClassification"):
            levels = ("ViennaCategory", "ViennaDivision", "ViennaSection")
            parts = [part for level in levels if (part := first(one, level))]
            whole = [part for part in parts if not part.isdigit()]
            yield whole[-1] if whole else ".".join(parts)


def _nice(mark: Element) -> Iterator[str]:
    for goods in mark.iterfind("GoodsServicesBag/GoodsServices"):
        for path in (
            "ClassDescriptionBag/ClassDescription/ClassNumber",
            "GoodsServicesClassificationBag/GoodsServicesClassification/ClassNumber",
        ):
            yield from texts(goods, path)
    yield from texts(mark, "GoodsServices/ClassNumber")


def _parties(mark: Element, path: str) -> Iterator[tuple[str | None, str]]:
    """Sequence number, which at the USPTO is the type of party, and name of each."""
    for party in mark.iterfind(path):
        name = _name(party)
        if name:
            yield party.get("sequenceNumber"), name


def _name(party: Element) -> str:
    for name in party.iter("Name"):
        person = "PersonName/PersonStructuredName"
        return (
            first(name, "OrganizationName/OrganizationStandardName", "EntityName")
            or first(name, "PersonName/PersonFullName")
            or joined((first(name, f"{person}/FirstName"), first(name, f"{person}/LastName")), " ")
            or ""
        )
    return first(party, "OrganizationStandardName", "EntityName") or ""


def _claims(head: XmlHead) -> bool:
    is_empty = head.is_delivery("TrademarkTransaction", "ST96/Trademark")
    is_old = "TradeMark" in head.names and head.has_namespace("ST96")
    return "Trademark" in head.names or is_old or is_empty


FORMAT = OfficeFormat("st96", "WIPO ST.96", frozenset({"Trademark", "TradeMark"}), _claims, _read)
