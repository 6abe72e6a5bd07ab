"""Tables, names and records as Excel, pandas, macOS, old programs and TSDR write them."""

import shutil
import unicodedata
import zipfile
from datetime import date
from pathlib import Path

import pytest

from indexer.errors import SourceError
from indexer.marks import MarkRecord
from indexer.sources import MarkSource, RejectedRow, Row, SourceRow, open_source
from models.errors import BadViennaCode, UnreadableImage
from models.vienna import ViennaCode, split_codes

CASES = Path(__file__).parents[1] / "data" / "cases"
DAY = date(2020, 1, 31)
PICTURE = (CASES / "ring.png").read_bytes()


def read(source: MarkSource) -> tuple[list[MarkRecord], list[str]]:
    """The marks of a source, none rejected, and its warnings."""
    rows = list(source)
    assert not [row for row in rows if isinstance(row, RejectedRow)]
    return [row.record for row in rows if isinstance(row, SourceRow)], source.warnings


def marks_of(rows: list[Row]) -> dict[str, SourceRow]:
    return {row.record.id: row for row in rows if isinstance(row, SourceRow)}


def test_what_excel_makes_of_a_table_is_read_where_it_can_mean_one_thing_only() -> None:
    source = open_source(CASES / "excel.csv")
    rows = list(source)
    rejected = [(row.id, row.reason) for row in rows if isinstance(row, RejectedRow)]
    assert [name for name, _ in rejected] == ["1,82288E+07", "EM 18228803", "2019/12345"]
    assert "lost digits in a spreadsheet" in rejected[0][1]
    found = {
        name: (row.record.text, row.record.filed, row.record.nice)
        for name, row in marks_of(rows).items()
    }
    assert found == {
        "018228800": ("x", DAY, (25,)),
        "018228801": ("x", DAY, (25,)),
        "T1": ("x", DAY, (25,)),
        "T2": ("x", DAY, (25,)),
        "T3": ("x", DAY, (25,)),
        "T4": ("x", DAY, ()),  # 3-5 may be two classes, or three
        "T5": (None, None, ()),
        "T6": (None, None, ()),
        "T7": (None, None, ()),
        "T8": ("x", None, (25,)),
        "T9": ("x", DAY, (25, 35)),
        "T10": ("x", DAY, (25, 35)),
        "T11": ("x", DAY, (25, 35)),
    }
    assert "1 values not understood, left out: Nice class '3-5' (1 times, first in T4)" in (
        source.warnings
    )
    assert any(one.startswith("cells read as empty: text #N/A") for one in source.warnings)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        *((text, DAY) for text in ("31.01.2020", "31/01/2020", "01/31/2020", "31. January 2020")),
        *((text, DAY) for text in ("2020/01/31", "20200131", "Jan 31, 2020", "31 jan 2020")),
        *((text, DAY) for text in ("31.01.2020 00:00:00", "31/01/2020 00:00", "31-Jan-2020 9:30")),
        *((text, DAY) for text in ("1/31/2020 12:00:00 AM", "Jan 31, 2020, 10:00 AM")),
        *(
            (text, DAY)
            for text in ("2020-01-31T00:00:00.000+0100", "20200131 00:00", "2020-01-31Z")
        ),
        ("01/02/2020 00:00", None),
        ("31.01.2020 - 05.02.2020", None),
        ("2020-01-31 - 2020-02-05", None),
        ("01/02/2020", None),  # the first of February, or the second of January
        ("43861", None),  # days since 1900, or since 1904
        ("31.13.2020", None),
        ("202001", None),
        ("31 Foo 2020", None),
    ],
)
def test_a_day_that_could_be_two_is_left_out(tmp_path: Path, text: str, day: date | None) -> None:
    table = tmp_path / "days.csv"
    table.write_text(f'id,text,filed\n1,x,"{text}"\n')
    (record,), warnings = read(open_source(table))
    assert record.filed == day
    assert (day is None) == any(f"day '{text}'" in one for one in warnings)


def test_numbers_that_pandas_writes_are_read_but_for_codes() -> None:
    source = open_source(CASES / "num.jsonl")
    found = {name: row.record for name, row in marks_of(list(source)).items()}
    assert set(found) == {"j1", "j2", "j3", "j4", "18228800", "j6", "j7", "j8"}
    assert [found[name].vienna for name in ("j1", "j2", "j3")] == [(), (), ()]
    assert [found[name].nice for name in ("j1", "j2", "j4", "j8")] == [(25,), (25,), (25,), ()]
    assert found["j4"].vienna == (ViennaCode(26, 4, 1),)
    assert (found["j4"].filed, found["j7"].filed) == (DAY, DAY)
    assert (found["j6"].text, found["j8"].text) == (None, None)
    assert "vienna 5.1 is a number: write codes as texts" in source.warnings[-2]


def test_a_data_frame_saved_as_parquet_is_read() -> None:
    pytest.importorskip("pyarrow")
    (full, empty), _ = read(open_source(CASES / "num.parquet"))
    assert full == MarkRecord(
        "p1", "a", filed=DAY, nice=(25,), vienna=(ViennaCode(26, 4, 1),), image_name="ring.png"
    )
    assert empty == MarkRecord("p2", image_name="ring.png")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("marks.xlsx", "an Excel workbook"), ("old.xls", "an Excel"), ("html.xls", "a web page")],
)
@pytest.mark.parametrize("format", ["auto", "csv"])
def test_a_workbook_is_called_one_and_what_to_do_with_it(
    tmp_path: Path, name: str, kind: str, format: str
) -> None:
    with pytest.raises(SourceError, match=rf"{name} is {kind}.* save it as CSV"):
        open_source(CASES / name, format=format)
    shutil.copy(CASES / name, tmp_path)
    with pytest.raises(SourceError, match=rf"holds {name}, but no table"):
        open_source(tmp_path)


CODES = {
    **dict.fromkeys(
        ("v01", "v02", "v03", "v05", "v06", "v07", "v08", "v09", "v10", "v11", "v12", "v20"),
        "26.04.01",
    ),
    **dict.fromkeys(("v21", "v22", "v23", "v26", "v27", "v31"), "26.04.01"),
    **dict.fromkeys(("v04", "v24", "v28", "v29", "v30", "v32", "v33", "v35"), "26.04.01 27.05.01"),
    "v13": "26.04.01 26.04.04 27.05.01",
    "v14": "26.04.01 26.04.04",  # B27.05.01 is none
    "v16": "26.10",
    "v17": "05.03.13",
    "v18": "05.03.13 27.05.01",
    "v34": "26.01.01 26.01.18 27.05.01",
    **dict.fromkeys(("v15", "v19", "v25"), ""),
}


def test_vienna_codes_are_read_in_every_spelling_that_can_mean_one_thing_only() -> None:
    records, warnings = read(open_source(CASES / "vienna.csv"))
    assert {one.id: " ".join(map(str, one.vienna)) for one in records} == CODES
    (left_out,) = [one for one in warnings if "left out" in one]
    for text in ("B27.05.01", "26.04.2001", "5,3,13", "26.4.1-26.4.4"):
        assert f"Vienna code {text!r}" in left_out


@pytest.mark.parametrize(
    "text",
    ["5,3,13", "3,5", "5,3,", "26.4.1-26.4.4", "26.04.2001", "26.4.1;x",
     "26.4.1, 18", "260401,2,18", "27.5.1 26.4.1, 18", "26.4.1、18", "[26.4.1, 18]", "26.4.1, A18"],
)  # fmt: skip
def test_codes_that_cannot_be_told_are_refused_by_quoting_them(text: str) -> None:
    with pytest.raises(BadViennaCode, match=r"' is not a Vienna code"):
        [ViennaCode.parse(one) for one in split_codes(text)]


@pytest.mark.parametrize(
    "text", ["26.4.1;18", "18, 26.4.1", '["26.4.1", "18"]', "['26.4.1','18']", "26.4.1\n18"]
)
def test_a_category_beside_a_section_is_told_from_a_shortened_code(text: str) -> None:
    found = {ViennaCode.parse(one) for one in split_codes(text)}
    assert found == {ViennaCode(26, 4, 1), ViennaCode(18)}


def test_of_a_list_with_a_shortened_code_the_whole_ones_are_kept(tmp_path: Path) -> None:
    table = tmp_path / "marks.csv"
    table.write_text('id,text,vienna,nice\n1,x,"26.4.1, 18; 3.1","[""9"", ""25""]"\n')
    (record,), warnings = read(open_source(table))
    assert record.vienna == (ViennaCode(3, 1), ViennaCode(26, 4, 1))
    assert record.nice == (9, 25)
    assert any("Vienna code '26.4.1, 18'" in one for one in warnings)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "Żubr Śląski"),
        ("cp1251", "Шоколад Фабрика"),
        ("cp1253", "Ελληνικός Καφές"),
        ("cp1254", "Güneş Işığı"),
        ("mac_roman", "Müller Gebäck"),
    ],
)
def test_an_encoding_that_cannot_be_told_can_be_named(encoding: str, text: str) -> None:
    (record,), warnings = read(open_source(CASES / f"{encoding}.csv", encoding=encoding))
    assert (record.text, warnings) == (text, [])


def test_an_encoding_is_of_csv_tables_and_one_that_python_knows(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no encoding 'klingon'"):
        open_source(CASES / "cp1250.csv", encoding="klingon")
    with pytest.raises(SourceError, match="no encoding 'base64'"):
        open_source(CASES / "cp1250.csv", encoding="base64")
    for path in (CASES / "num.jsonl", CASES / "us-st96.xml"):
        with pytest.raises(SourceError, match="an encoding is for CSV tables only"):
            open_source(path, encoding="cp1250")
    for encoding in ("utf-8", "utf-16-le"):
        table = tmp_path / "marks.csv"
        table.write_bytes("id,text\n1,Größe\n".encode(encoding))
        (record,), _ = read(open_source(table, encoding=encoding))
        assert record.text == "Größe"


class UnflaggedName(zipfile.ZipInfo):
    """A member of a zip file whose name is UTF-8 and not said to be, as macOS writes it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - of zipfile's
        return self.filename.encode(), self.flag_bits


@pytest.fixture(params=["folder", "zip", "macOS zip"])
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Pictures in a folder, or a zip file."""
    names = (unicodedata.normalize("NFD", "Müller-Gebäck.png"), "ring.png", "sub/Two.Parts.png")
    folder = tmp_path / "pictures"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PICTURE)
    if request.param == "folder":
        return folder
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            kind = zipfile.ZipInfo if request.param == "zip" else UnflaggedName
            archive.writestr(kind(name), PICTURE)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("Müller-Gebäck.png", "MÜLLER-GEBÄCK.PNG", "müller-gebäck", "ring.png", "RING.PNG"),
        *("ring", "ring.jpg", "./ring.png", " ring.png ", "SUB/two.parts.png", "sub\\Two.Parts"),
    ],
)
def test_a_picture_is_found_however_its_name_is_spelt(
    tmp_path: Path, pictures: Path, name: str
) -> None:
    table = tmp_path / "marks.csv"
    table.write_text(f"id,image,text\n1,{name},x\n", "utf-8")
    (row,) = open_source(table, pictures)
    assert isinstance(row, SourceRow)
    assert row.read_picture() == PICTURE


@pytest.mark.parametrize("name", ["rin.png", "ring.png?v=2", "other/ring.png", "two.parts.png"])
def test_another_picture_is_not_taken_for_it(tmp_path: Path, pictures: Path, name: str) -> None:
    table = tmp_path / "marks.csv"
    table.write_text(f"id,image,text\n1,{name},x\n", "utf-8")
    (row,) = open_source(table, pictures)
    assert isinstance(row, SourceRow)
    with pytest.raises(UnreadableImage, match="no such picture"):
        row.read_picture()


def test_where_two_pictures_could_be_meant_none_is(tmp_path: Path) -> None:
    for name in ("ring.png", "ring.gif"):
        (tmp_path / name).write_bytes(PICTURE)
    (tmp_path / "marks.csv").write_text("id,image,text\n1,ring,x\n2,ring.gif,x\n")
    both, one = open_source(tmp_path)
    assert isinstance(both, SourceRow)
    with pytest.raises(UnreadableImage, match="no such picture"):
        both.read_picture()
    assert isinstance(one, SourceRow)
    assert one.read_picture() == PICTURE


def test_names_that_lead_elsewhere_are_not_followed() -> None:
    rows = marks_of(list(open_source(CASES / "names.csv")))
    found = []
    for name, row in rows.items():
        try:
            row.read_picture()
            found.append(name)
        except UnreadableImage:
            continue
    assert len(rows) == 11
    assert found == ["n1", "n2", "n3", "n6", "n9"]


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with a link to another one, in which a link leads back."""
    folder, elsewhere = tmp_path / "fold", tmp_path / "elsewhere"
    for path in (folder / "2023", elsewhere / "more"):
        path.mkdir(parents=True)
    for path in ("fold/logo.jfif", "fold/2023/1.png", "elsewhere/more/fish.png"):
        (tmp_path / path).write_bytes(PICTURE)
    (folder / "crown").write_bytes(PICTURE)
    (folder / "linked").symlink_to(elsewhere / "more")
    (elsewhere / "more" / "back").symlink_to(folder)
    return folder


def test_links_to_folders_are_followed_once(linked: Path) -> None:
    source = open_source(linked)
    rows = marks_of(list(source))
    names = {name: row.record.image_name for name, row in rows.items()}
    assert names == {"logo": "logo.jfif", "1": "2023/1.png", "fish": "linked/fish.png"}
    assert source.last_position == 3
    assert source.warnings == ["files that are not pictures, left out: 1 (crown)"]


def test_links_to_folders_of_offices_files_are_followed(linked: Path) -> None:
    shutil.copy(CASES / "us-st96.xml", linked.parent / "elsewhere" / "more")
    assert list(marks_of(list(open_source(linked)))) == ["US-99000123"]


def test_a_record_of_tsdr_tells_its_owner_of_today_its_state_and_design_codes() -> None:
    (record,), _ = read(open_source(CASES / "us-st96.xml"))
    assert record == MarkRecord(
        "US-99000123",
        "TORVO",
        owner="Torvo Today AB",
        office="US",
        status="registered",
        filed=date(2019, 4, 3),
        registered=date(2020, 5, 6),
        nice=(9,),
        vienna=(ViennaCode(3), ViennaCode(26)),
        us_design=("03.01.17", "26.11.21"),
        image_name="torvo.png",
    )


def test_a_us_record_in_st66_is_read_by_the_same_rules(tmp_path: Path) -> None:
    parties = "".join(
        f"<Applicant><ApplicantSequenceNumber>{kind}</ApplicantSequenceNumber>"
        f"<ApplicantName>{name}</ApplicantName></Applicant>"
        for kind, name in ((10, "First Founder AB"), (31, "Torvo Today AB"), (30, "Shelf AB"))
    )
    file = tmp_path / "us.xml"
    file.write_text(
        '<Transaction xmlns="http://www.wipo.int/standards/XMLSchema/trademarks"><TradeMark>'
        "<RegistrationOfficeCode>US</RegistrationOfficeCode>"
        "<ApplicationNumber>99000123</ApplicationNumber>"
        "<RegistrationDate>2020-05-06</RegistrationDate>"
        "<MarkCurrentStatusCode>710</MarkCurrentStatusCode>"
        "<MarkImageDetails><MarkImage><MarkImageFilename>torvo.png</MarkImageFilename>"
        "<MarkImageCategory><CategoryKind>Domestic</CategoryKind><CategoryCodeDetails>"
        "<CategoryCode>26.11.21</CategoryCode></CategoryCodeDetails></MarkImageCategory>"
        "</MarkImage></MarkImageDetails>"
        f"<ApplicantDetails>{parties}</ApplicantDetails></TradeMark></Transaction>"
    )
    (record,), _ = read(open_source(file))
    assert (record.owner, record.status) == ("Torvo Today AB", "cancelled")
    assert (record.vienna, record.us_design) == ((ViennaCode(26),), ("26.11.21",))
