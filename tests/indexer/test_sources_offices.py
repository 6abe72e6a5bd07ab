"""Offices' XML files. The EUIPO's records are real; the others are built from the published
standards, since no real sample was at hand (tests/data/NOTICE)."""

import gzip
import io
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import BrokenSource, SourceError
from indexer.marks import MarkRecord
from indexer.sources import FORMATS, RejectedRow, Row, SourceRow, Withdrawal, open_source
from indexer.sources.fields import vienna_code
from indexer.sources.office_files import OfficeFiles
from indexer.sources.offices import OFFICES
from indexer.sources.pictures import FolderPictures
from indexer.sources.xml_records import read_head, read_records
from models.errors import BadViennaCode
from models.vienna import ViennaCode

DATA = Path(__file__).parents[1] / "data"
EUIPO = DATA / "euipo"


def codes(*texts: str) -> tuple[ViennaCode, ...]:
    return tuple(ViennaCode.parse(text) for text in texts)


def records(path: Path, images: Path | None = None) -> list[MarkRecord]:
    rows = list(open_source(path, images))
    assert not [row for row in rows if isinstance(row, RejectedRow)]
    return [row.record for row in rows if isinstance(row, SourceRow)]


def transaction(marks: str) -> str:
    """A whole ST.66 document around some `TradeMark` elements."""
    return (
        '<Transaction xmlns="http://www.wipo.int/standards/XMLSchema/trademarks">'
        f"<TradeMarkDetails>\n{marks}\n</TradeMarkDetails></Transaction>"
    )


def trade_mark(number: object, inner: str = "", operation: str = "Insert") -> str:
    return (
        f'<TradeMark operationCode="{operation}">'
        "<RegistrationOfficeCode>XX</RegistrationOfficeCode>"
        f"<ApplicationNumber>{number}</ApplicationNumber>{inner}</TradeMark>\n"
    )


def words(text: str) -> str:
    return (
        "<WordMarkSpecification><MarkVerbalElementText>"
        f"{escape(text)}</MarkVerbalElementText></WordMarkSpecification>"
    )


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
    assert source.warnings == ["1 values not understood, left out: Vienna code 'lion' (1 times)"]


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


def test_a_reference_cannot_reach_out_of_the_picture_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "in").mkdir()
    for name in ("../secret.png", "file:///../secret.png", str(tmp_path / "secret.png")):
        uri = f"<MarkImage><MarkImageURI>{name}</MarkImageURI></MarkImage>"
        image = f"<MarkImageDetails>{uri}</MarkImageDetails>"
        file = tmp_path / "marks.xml"
        file.write_text(transaction(trade_mark(1, image)))
        (row,) = open_source(file, tmp_path / "in")
        assert isinstance(row, SourceRow)
        assert row.picture is None


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("prologue", [BOMB, OUTSIDE])
def test_a_file_that_declares_entities_is_refused_in_one_sentence(
    tmp_path: Path, prologue: str
) -> None:
    file = tmp_path / "bomb.xml"
    file.write_text(prologue + transaction(trade_mark(1, words("X")).replace("X<", "&c;<")))
    with pytest.raises(SourceError, match=r"bomb\.xml declares the XML entity 'a': refused"):
        open_source(file)


def test_a_bomb_among_good_files_costs_itself_only(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_text(transaction(trade_mark(1)))
    (tmp_path / "2.xml").write_text(BOMB + transaction(trade_mark(2)))
    (tmp_path / "3.xml").write_text(transaction(trade_mark(3)))
    source = open_source(tmp_path)
    rows = list(source)
    assert [row.record.id for row in rows if isinstance(row, SourceRow)] == ["XX-1", "XX-3"]
    assert [row.position for row in rows] == [1, 2, 3]
    assert "declares the XML entity" in source.broken[0]


def test_elements_without_end_are_refused_before_memory_runs_out() -> None:
    stream = io.BufferedReader(io.BytesIO(b"<a>" * 10_000))  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="500 deep"):
        list(read_records(stream, frozenset({"TradeMark"}), "deep.xml"))


@pytest.mark.parametrize("opening", [b"<r><!-- ", b"<r a='", b"<r><TradeMark a='"])
def test_a_tag_or_comment_without_end_is_refused_before_memory_runs_out(opening: bytes) -> None:
    stream = io.BufferedReader(io.BytesIO(opening + b"x" * 20 * 2**20))  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="a tag or a comment without end"):
        list(read_records(stream, frozenset({"TradeMark"}), "endless.xml"))


def test_a_record_too_large_to_be_one_mark_is_rejected_and_reading_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "marks.xml"
    huge = trade_mark(1, "<x/>" * 200_001)
    file.write_text(transaction(huge + trade_mark(2)))
    first, second = open_source(file)
    assert isinstance(first, RejectedRow)
    assert "too large" in first.reason
    assert isinstance(second, SourceRow)


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress])
@pytest.mark.parametrize("share", [0.3, 0.55, 0.9])
def test_a_file_cut_off_in_its_middle_keeps_what_stood_before(
    tmp_path: Path, pack: Callable[[bytes], bytes], share: float
) -> None:
    marks = "".join(trade_mark(n, words(f"mark {n} {n * 7919}")) for n in range(5_000))
    content = pack(transaction(marks).encode())
    file = tmp_path / "marks.xml"
    file.write_bytes(content[: int(len(content) * share)])
    source = open_source(file)
    rows = list(source)
    kept = [row for row in rows if isinstance(row, SourceRow)]
    assert len(kept) > 5_000 * (share - 0.15)
    assert [row.record.id for row in kept] == [f"XX-{n}" for n in range(len(kept))]
    (sentence,) = source.broken
    assert "marks.xml" in sentence
    assert isinstance(rows[-1], RejectedRow)
    assert rows[-1].reason == sentence


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        file = tmp_path / f"{n}.xml.gz"
        with gzip.open(file, "wt", compresslevel=1) as stream:
            stream.write(transaction("").removesuffix("\n</TradeMarkDetails></Transaction>"))
            stream.writelines(trade_mark(at, words(f"mark {at}") + "<a/>" * 20) for at in range(n))
            stream.write("</TradeMarkDetails></Transaction>")
        source = open_source(file)
        tracemalloc.start()
        assert sum(1 for _ in source) == n
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # what is loaded once
    assert peak(4_000) < 2 * peak(400)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_every_encoding_an_xml_file_declares_is_read(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "marks.xml"
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>{transaction(trade_mark(1, words("Größe")))}'
    )
    file.write_bytes(text.encode(encoding))
    source = open_source(file)
    assert [record.text for record in records_of(source)] == ["Größe"]
    assert source.last_position == 1


@pytest.mark.parametrize(
    "text",
    ["26.04.01", "26.4.1", "260401", "26/4/1", "26-04-01", "26 4 1", "26.04.01.", "A 26.4.1",
     "VC 26.04.01", "CFE 26.4.1", "(7) 26.4.1", "VCL(7) 26.4.1", " 26. 4. 1 ", "A26.04.01",
     "26.04.01 (2)", "26.4.1(8)", "CFE(7) 26.04.01. (2)"],
)  # fmt: skip
def test_vienna_codes_are_read_in_all_the_spellings_offices_use(text: str) -> None:
    assert vienna_code(text) == ViennaCode(26, 4, 1)


@pytest.mark.parametrize("text", ["", "lion", "26.4.1.1", "26..4", "(7)", "26040", "-26"])
def test_what_is_no_vienna_code_is_not_made_one(text: str) -> None:
    with pytest.raises(BadViennaCode):
        vienna_code(text)


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
def test_whatever_words_a_file_holds_arrive_as_they_stand(tmp_path: Path, texts: list[str]) -> None:
    file = tmp_path / "marks.xml"
    marks = "".join(trade_mark(n, words(text)) for n, text in enumerate(texts))
    file.write_text(transaction(marks), encoding="utf-8")
    read = records_of(OfficeFiles(file, _no_pictures(tmp_path)))
    assert [record.text for record in read] == [text.strip() or None for text in texts]


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_bytes_never_end_a_run_with_anything_but_a_sentence(
    tmp_path: Path, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["st66.xml", "st96.xml", "uspto.xml"]))
    content = bytearray((DATA / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    file = tmp_path / "damaged.xml"
    file.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        source = OfficeFiles(file, _no_pictures(tmp_path), OFFICES[name[:-4]])
        rows = list(source)
    except SourceError:
        return
    positions = [row.position for row in rows]
    assert positions == list(range(1, len(rows) + 1))


def _no_pictures(folder: Path) -> FolderPictures:
    return FolderPictures(folder)


def test_a_break_is_told_with_its_line(tmp_path: Path) -> None:
    stream = io.BufferedReader(io.BytesIO(b"<r>\n<TradeMark/>\n<TradeMark>"))  # type: ignore[arg-type]
    found = read_records(stream, frozenset({"TradeMark"}), "marks.xml")
    assert next(found).line == 2
    with pytest.raises(BrokenSource, match=r"marks\.xml breaks off at line 3"):
        next(found)
