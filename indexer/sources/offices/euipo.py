"""The EUIPO's bulk files: schema EM-TM-TradeMark, whose elements are those of ST.66.

Parties are given by number only (their names come in files of applicants), so marks have no owner
here; pictures are named by addresses such as ``file://018/222/018222701/000162457972.JPG``.
"""

from dataclasses import replace
from xml.etree.ElementTree import Element

from indexer.sources.office_record import OfficeFormat, OfficeRecord
from indexer.sources.offices import st66
from indexer.sources.xml_records import XmlHead


def _read(mark: Element) -> OfficeRecord:
    record = st66.read(mark)
    return record if record.office else replace(record, office="EM")


def _claims(head: XmlHead) -> bool:
    spaces = ("euipo.europa.eu/trademark", "oami.europa.eu/trademark")
    is_empty = head.is_delivery("Transaction", *spaces)
    return is_empty or (
        "TradeMark" in head.names and head.has_namespace("euipo.europa.eu", "oami.europa.eu")
    )


FORMAT = OfficeFormat("euipo", "EUIPO EM-TM-TradeMark", frozenset({"TradeMark"}), _claims, _read)
