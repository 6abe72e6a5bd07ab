"""Offices' XML files. The EUIPO's records are real; the others are built from the published
standards, since no real sample was at hand (tests/data/NOTICE)."""

import gzip
import re
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.marks import MarkRecord
from indexer.sources import FORMATS, RejectedRow, Row, SourceRow, Withdrawal, open_source
from indexer.sources.office_files import OfficeFiles
from indexer.sources.offices import OFFICES
from indexer.sources.pictures import FolderPictures
from indexer.sources.xml_records import read_head
from models.errors import UnreadableImage
from models.vienna import ViennaCode

DATA = Path(__file__).parents[1] / "data"
EUIPO = DATA / "euipo"


def codes(*texts: str) -> tuple[ViennaCode, ...]:
    return tuple(ViennaCode.parse(text) for text in texts)


def records(path: Path, images: Path | None = None) -> list[MarkRecord]:
    rows = list(open_source(path, images))
    assert not [row for row in rows if isinstance(row, RejectedRow)]
    return [row.record for row in rows if isinstance(row, SourceRow)]


def test_real_euipo_records_are_read_with_all_their_fields() -> None:
    found = {record.id: record for record in records(EUIPO)}
    assert found["EM-018226300"] == MarkRecord(
        id="EM-018226300",
        text="novaclear+ VOLUMA",
        office="EM",
        status="registered",
        filed=date(2020, 4, 16),
        registered=date(2020, 8, 5),
        nice=(3, 5),
        vienna=codes(
            "24.17.07", "26.04.01", "26.04.02", "26.04.04", "26.04.08", "26.04.09", "26.04.22",
            "29.01.08", "29.01.97",
        ),
        image_name="file://018/226/018226300/000162318753.JPG",
    )  # fmt: skip
    assert found["EM-018224977"].status == "application published"
    assert found["EM-018225926"].text is None
    assert found["EM-018222197"] == MarkRecord(
        id="EM-018222197",
        text="TERRA S NOVA",
        office="EM",
        status="registered",
        filed=date(2020, 4, 8),
        registered=date(2020, 8, 5),
        nice=(1,),
    )


def test_a_built_st66_file_is_read_with_all_its_fields(tmp_path: Path) -> None:
    (tmp_path / "lev.png").write_bytes(b"picture")
    source = open_source(DATA / "st66.xml", tmp_path)
    full, plain, gone, nameless = list(source)
    assert isinstance(full, SourceRow)
    assert full.record == MarkRecord(
        id="CZ-2019-000123",
        text="Zlatý Lev",
        owner="Jana Nováková",
        office="CZ",
        status="registered",
        filed=date(2019, 3, 4),
        registered=date(2019, 9, 30),
        nice=(9, 42),
        vienna=codes("03.01.02", "24.01.13", "26.04.01", "27.05.01"),
        image_name="lev.png",
    )
    assert full.read_picture() == b"picture"
    assert isinstance(plain, SourceRow)
    assert (plain.record.status, plain.picture) == ("application withdrawn", None)
    assert gone == Withdrawal(3, "CZ-777")
    assert nameless == RejectedRow(4, None, None, "st66.xml, line 84: it has no application number")
    (warning,) = source.warnings
    assert warning.endswith("left out: Vienna code 'lion' (1 times, first in CZ-2019-000123)")


def test_a_built_st96_file_is_read_with_all_its_fields() -> None:
    full, gone = open_source(DATA / "st96.xml")
    assert isinstance(full, SourceRow)
    assert full.record == MarkRecord(
        id="NZ-1234567",
        text="SILVER FERN & CO",
        owner="Fern Limited; Aroha Smith",
        office="NZ",
        status="registered",
        filed=date(2022, 5, 6),
        registered=date(2022, 12, 1),
        nice=(3, 35),
        vienna=codes("05.03.13", "26.01", "27.05.01"),
        image_name="1234567.PNG",
    )
    assert gone == Withdrawal(2, "NZ-999")


def test_a_built_uspto_file_keeps_design_codes_as_their_own_scheme() -> None:
    source = open_source(DATA / "uspto.xml")
    first, second = [row.record for row in source if isinstance(row, SourceRow)]
    assert first == MarkRecord(
        id="US-90000001",
        text="HEART OF TEXAS",
        owner="Registrant LLC",
        office="US",
        status="registered",
        filed=date(2020, 6, 15),
        registered=date(2021, 7, 20),
        nice=(25,),
        # Categories only, and none for 29, which is colours in Vienna and something else here.
        vienna=codes("02", "26"),
        us_design=("02.11.01", "26.01.21", "29.01.04"),
        image_name="90000001.jpg",
    )
    assert (second.status, second.registered, second.image_name) == ("abandoned", None, None)
    assert "Nice class '200'" in source.warnings[-1]


@pytest.mark.parametrize(
    ("name", "format"), [("st66", "st66"), ("st96", "st96"), ("uspto", "uspto")]
)
def test_exactly_one_format_claims_a_file_whatever_it_is_called(
    tmp_path: Path, name: str, format: str
) -> None:
    content = (DATA / f"{name}.xml").read_bytes()
    head = read_head(content, "x")
    assert head is not None
    assert [one.name for one in OFFICES.values() if one.claims(head)] == [format]
    other = tmp_path / "download.csv"
    other.write_bytes(content)
    assert records_of(open_source(other)) == records_of(open_source(other, format=format))


def records_of(rows: Iterable[Row]) -> list[MarkRecord]:
    return [row.record for row in rows if isinstance(row, SourceRow)]


def test_real_euipo_files_are_claimed_by_the_euipo_alone() -> None:
    for file in sorted(EUIPO.glob("*.xml")):
        head = read_head(file.read_bytes(), file.name)
        assert head is not None
        assert [one.name for one in OFFICES.values() if one.claims(head)] == ["euipo"]


def test_a_st96_mark_may_have_no_number_but_that_of_st13(tmp_path: Path) -> None:
    text = (DATA / "st96.xml").read_text("utf-8")
    number = re.search(r"<(\w+:)?ApplicationNumber>.*?</(\w+:)?ApplicationNumber>", text, re.S)
    assert number is not None
    prefix = number[1] or ""
    other = f"<{prefix}ST13ApplicationNumber>XX5020190001</{prefix}ST13ApplicationNumber>"
    file = tmp_path / "st96.xml"
    file.write_text(text.replace(number[0], other, 1), "utf-8")
    first = next(iter(open_source(file)))
    assert isinstance(first, SourceRow)
    assert first.record.id.endswith("XX5020190001")


def test_every_format_can_be_asked_for_by_its_name() -> None:
    assert {"csv", "jsonl", "parquet", "euipo", "st66", "st96", "uspto"} < set(FORMATS)


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_zips_gzips_and_folders_of_them_give_the_same_marks(tmp_path: Path) -> None:
    files = {file.name: file.read_bytes() for file in sorted(EUIPO.glob("*.xml"))}
    expected = records(EUIPO)
    assert len(expected) == 4
    assert records(zipped(tmp_path / "all.zip", files)) == expected
    folder = tmp_path / "folder"
    (folder / "b").mkdir(parents=True)
    names = sorted(files)
    (folder / "a.xml.gz").write_bytes(gzip.compress(files[names[0]]))
    zipped(
        folder / "b" / "part.zip",
        {"018.xml": files[names[1]], "1/x.xml.gz": gzip.compress(files[names[2]])},
    )
    (folder / "c.xml").write_bytes(files[names[3]])
    (folder / "readme.txt").write_text("hello")
    source = open_source(folder)
    assert sorted(records_of(source), key=lambda record: record.id) == expected
    assert "left out: 1" in source.warnings[0]
    assert source.last_position == 4


@pytest.mark.parametrize("place", ["018/226/018226300/{name}", "{name}", "{lower}"])
@pytest.mark.parametrize("is_zip", [False, True])
def test_pictures_are_found_below_images_by_path_or_name(
    tmp_path: Path, place: str, is_zip: bool
) -> None:
    (name,) = [record.image_name for record in records(EUIPO / "018226300.xml")]
    assert name is not None
    bare = name.rpartition("/")[2]
    where = place.format(name=bare, lower=bare.lower())
    if is_zip:
        images = zipped(tmp_path / "pictures.zip", {where: b"picture"})
    else:
        images = tmp_path / "pictures"
        (images / where).parent.mkdir(parents=True)
        (images / where).write_bytes(b"picture")
    (row,) = open_source(EUIPO / "018226300.xml", images)
    assert isinstance(row, SourceRow)
    assert row.read_picture() == b"picture"


def test_a_reference_cannot_reach_out_of_the_picture_folder(tmp_path: Path, st66: Any) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "in").mkdir()
    for name in ("../secret.png", "file:///../secret.png", str(tmp_path / "secret.png")):
        uri = f"<MarkImage><MarkImageURI>{name}</MarkImageURI></MarkImage>"
        image = f"<MarkImageDetails>{uri}</MarkImageDetails>"
        file = tmp_path / "marks.xml"
        st66.write(file, [st66.mark(1, more=image)])
        (row,) = open_source(file, tmp_path / "in")
        assert isinstance(row, SourceRow)
        with pytest.raises(UnreadableImage, match="no such picture"):
            row.read_picture()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_every_encoding_an_xml_file_declares_is_read(
    tmp_path: Path, encoding: str, st66: Any
) -> None:
    file = tmp_path / "marks.xml"
    declaration = f'<?xml version="1.0" encoding="{encoding}"?>'
    file.write_bytes((declaration + st66.document([st66.mark(1, "Größe")])).encode(encoding))
    source = open_source(file)
    assert [record.text for record in records_of(source)] == ["Größe"]
    assert source.last_position == 1


XML_TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"
    ),
    max_size=40,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(XML_TEXT, max_size=8))
def test_whatever_words_a_file_holds_arrive_as_they_stand(
    tmp_path: Path, texts: list[str], st66: Any
) -> None:
    marks = [st66.mark(n, text) for n, text in enumerate(texts)]
    file = st66.write(tmp_path / "marks.xml", marks)
    read = records_of(OfficeFiles(file, FolderPictures(tmp_path)))
    assert [record.text for record in read] == [text.strip() or None for text in texts]
