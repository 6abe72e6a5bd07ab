"""An office that registered nothing that week sends a delivery all the same: 0 marks, no error."""

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import SourceError
from indexer.sources import open_source

DATA = Path(__file__).parents[1] / "data"
RECORD = re.compile(r"<((?:\w+:)?(?:TradeMark|Trademark|case-file))(?=[\s>]).*</\1\s*>", re.DOTALL)
WHOLE = {
    "euipo": DATA / "euipo" / "018222197.xml",
    "st66": DATA / "st66.xml",
    "st96": DATA / "st96.xml",
    "uspto": DATA / "uspto.xml",
}


def without_marks(format: str) -> str:
    """A delivery with the elements around its marks and none of the marks."""
    text, removed = RECORD.subn("", WHOLE[format].read_text("utf-8"))
    assert removed == 1
    return text


@pytest.mark.parametrize("format", WHOLE)
@pytest.mark.parametrize("packed", [False, True])
def test_a_delivery_without_marks_is_recognised_and_holds_none(
    tmp_path: Path, format: str, packed: bool
) -> None:
    content = without_marks(format).encode()
    path = tmp_path / ("week.xml.gz" if packed else "week.xml")
    path.write_bytes(gzip.compress(content) if packed else content)
    source = open_source(path)
    assert list(source) == []
    assert (source.last_position, source.broken) == (0, [])
    assert source.warnings == [f"{path.name} holds no marks"]
    assert list(open_source(path, format=format)) == []


def test_only_the_header_is_enough_to_know_st66_by(tmp_path: Path) -> None:
    path = tmp_path / "week.xml"
    path.write_text('<t:Transaction xmlns:t="http://www.wipo.int/standards/XMLSchema/trademarks"/>')
    assert list(open_source(path)) == []


def test_indexing_a_delivery_without_marks_changes_nothing(office: Any, tmp_path: Path) -> None:
    path = tmp_path / "week.xml"
    path.write_text(without_marks("st66"))
    report = office.ingest_file(path)
    assert office.counts(report) == (0, 0, 0, 0, 0)
    assert report.broken == ()


def test_an_empty_delivery_among_others_is_no_reason_for_a_warning(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_text(without_marks("st66"))
    (tmp_path / "2.xml").write_bytes(WHOLE["st66"].read_bytes())
    source = open_source(tmp_path)
    assert list(source)
    assert not [one for one in source.warnings if "holds no marks" in one or "left out: 1" in one]


@pytest.mark.parametrize("name", ["ApplicantDetails", "DesignDetails", "HagueExpressTransaction"])
@pytest.mark.parametrize("space", ["http://euipo.europa.eu/trademark/data", "ST66"])
def test_deliveries_of_persons_and_designs_are_not_taken_for_marks(
    tmp_path: Path, name: str, space: str
) -> None:
    space = space.replace("ST66", "http://www.wipo.int/standards/XMLSchema/trademarks")
    path = tmp_path / "others.xml"
    path.write_text(f'<Transaction xmlns="{space}"><{name}>x</{name}></Transaction>')
    with pytest.raises(SourceError, match="cannot tell what"):
        open_source(path)
