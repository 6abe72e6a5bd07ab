import codecs
import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import SourceError
from indexer.marks import MARK_FIELDS, MarkRecord
from indexer.sources import RejectedRow, SourceRow, open_source
from models.errors import UnreadableImage
from models.vienna import ViennaCode

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "marks.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write_file


def _records(path: Path, format: str = "auto") -> list[MarkRecord]:
    rows = list(open_source(path, format=format))
    assert [row for row in rows if isinstance(row, RejectedRow)] == []
    return [row.record for row in rows if isinstance(row, SourceRow)]


def _rejects(path: Path, *, strict: bool = True) -> list[tuple[int, str | None, str]]:
    rows = list(open_source(path, strict=strict))
    return [(row.position, row.id, row.reason) for row in rows if isinstance(row, RejectedRow)]


def _ids(path: Path) -> list[tuple[int, str]]:
    rows = list(open_source(path, strict=True))
    return [(row.position, row.record.id) for row in rows if isinstance(row, SourceRow)]


FULL = MarkRecord(
    id="EM-1",
    text="Löwe & Söhne",
    owner="Löwe GmbH",
    office="EM",
    status="registered",
    filed=date(2019, 1, 7),
    registered=date(2019, 6, 21),
    nice=(9, 25),
    vienna=(ViennaCode(3, 1, 8), ViennaCode(27, 5, 1)),
    image_name="pics/1.png",
)
FULL_CSV = (
    "vienna,id,image,text,owner,office,status,filed,registered,nice\n"
    "27.05.01;3.1.8,EM-1,pics/1.png,Löwe & Söhne,Löwe GmbH,EM,Registered,"
    "2019-01-07,2019-06-21T00:00:00,25;9\n"
)


def test_a_csv_row_becomes_a_record_with_every_column(write: Write) -> None:
    assert _records(write(FULL_CSV)) == [FULL]


def test_a_jsonl_row_becomes_the_same_record(write: Write) -> None:
    row = {
        "id": "EM-1",
        "image": "pics/1.png",
        "text": "Löwe & Söhne",
        "owner": "Löwe GmbH",
        "office": "EM",
        "status": "Registered",
        "filed": "2019-01-07",
        "registered": "2019-06-21",
        "nice": [25, "9"],
        "vienna": ["27.05.01", "A 3.1.8"],
    }
    assert _records(write(json.dumps(row), "marks.jsonl")) == [FULL]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_export_is_understood(
    write: Write, encoding: str, delimiter: str, newline: str
) -> None:
    lines = [["id", "image", "text"], ["1", "1.png", "Müller, Köln"], ["2", "2.png", "b;c"]]
    content = newline.join(delimiter.join(f'"{cell}"' for cell in line) for line in lines)
    records = _records(write(content, encoding=encoding))
    assert [record.text for record in records] == ["Müller, Köln", "b;c"]


def test_one_byte_that_is_not_utf8_costs_its_row_only(write: Write) -> None:
    content = "id,image,text\n1,1.png,Müller\n2,2.png,M".encode() + b"\xfcller\n"
    path = write(content + "3,3.png,Größe\n".encode())
    assert _ids(path) == [(2, "1"), (4, "3")]
    assert _rejects(path) == [(3, "2", "text holds a character that is not UTF-8")]


def test_empty_lines_blank_rows_and_excels_first_line_are_passed_over(write: Write) -> None:
    assert _ids(write("sep=;\nid;image\n\n1;1.png\n;\n2;2.png\n")) == [(4, "1"), (6, "2")]


def test_a_cell_may_hold_line_breaks_and_positions_stay_line_numbers(write: Write) -> None:
    path = write('id,image,text\n1,1.png,"two\nlines"\n2,2.png,one\n')
    assert _ids(path) == [(2, "1"), (4, "2")]


def test_a_quotation_that_never_closes_costs_its_line_and_no_other(write: Write) -> None:
    many = "".join(f"{n},{n}.png,x\n" for n in range(3, 300))
    path = write(f'id,image,text\n1,1.png,x\n2,2.png,"open\n{many}')
    assert [position for position, _, _ in _rejects(path)] == [3]
    assert len(_ids(path)) == 298


def test_a_quotation_that_ends_in_a_later_row_loses_neither(write: Write) -> None:
    path = write('id,image,text\n1,"1.png,x\n2,2.png,"y"\n3,3.png,z\n')
    assert [position for position, _, _ in _rejects(path)] == [2]
    assert _ids(path) == [(3, "2"), (4, "3")]


def test_a_row_that_does_not_fit_its_header_is_rejected_with_its_line(write: Write) -> None:
    path = write("id,image,text\n1,1.png\n2,2.png,a,b\n3,3.png,c,\n")
    assert _rejects(path) == [
        (2, "1", "the row has 2 cells, the header 3"),
        (3, "2", "the row has 4 cells, the header 3"),
    ]
    assert _ids(path) == [(4, "3")]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            "name,image\n1,1.png\n",
            "marks.csv has no column 'id' in its header; it has: name, image",
        ),
        ("id,file\n1,1.png\n", "no column 'image'"),
        ("id,image,id\n1,1.png,2\n", "two columns 'id'"),
        ("id," + "a" * 200_000 + "\n1,b\n", "marks.csv, line 1: broken header"),
        ("", "is empty"),
        ("\n\n", "is empty"),
        (b"\x89PNG\r\n\0\0\0", "cannot tell what marks.csv is"),
        (b"id,image\n\0\0\0", "is not a text file"),
    ],
)
def test_a_table_without_use_is_refused_at_once(
    write: Write, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence):
        open_source(write(content))


def test_a_table_without_pictures_is_read_for_its_words_and_codes(write: Write) -> None:
    source = open_source(write("id;text;vienna\n1;LION;03.01.08\n"))
    (row,) = source
    assert isinstance(row, SourceRow)
    assert (row.record.text, row.picture) == ("LION", None)
    assert source.warnings == [
        "marks.csv has no column 'image': new marks get no picture, known ones keep theirs"
    ]


@pytest.mark.parametrize("between", [";", ",", "|", "\n", "\r\n", " ", "; "])
def test_lists_of_codes_are_read_however_they_are_separated(write: Write, between: str) -> None:
    spellings = ["05.03.13", "A5.3.13", "260401", "27.05.01"]
    path = write(f'id\tvienna\n1\t"{between.join(spellings)}"\n')
    (record,) = _records(path)
    assert [str(code) for code in record.vienna] == ["05.03.13", "26.04.01", "27.05.01"]


def test_unknown_columns_are_named_in_one_warning(write: Write) -> None:
    source = open_source(write("id,image,colour,price\n1,1.png,red,5\n2,2.png,blue,6\n"))
    assert len(list(source)) == 2
    assert source.warnings == ["columns left out: colour, price"]


def test_codes_of_other_editions_are_kept_with_a_warning(write: Write) -> None:
    source = open_source(write("id,image,vienna\n1,1.png,03.01;03.77.99\n"))
    (row,) = source
    assert isinstance(row, SourceRow)
    assert row.record.vienna == (ViennaCode(3, 1), ViennaCode(3, 77, 99))
    assert "03.77.99" in source.warnings[0]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "", "id is empty"),
        ("id", "a b", "white space"),
        ("id", "a/b", "'/'"),
        ("id", "x" * 129, "1 to 128"),
        ("image", "../x.png", "leads out of the picture folder"),
        ("image", "a/../../x.png", "leads out of the picture folder"),
        ("image", "..\\x.png", "leads out of the picture folder"),
        ("image", "/etc/passwd", "is an absolute path"),
        ("image", "C:\\x.png", "is an absolute path"),
        ("image", "\\\\server\\share\\x.png", "is an absolute path"),
        ("filed", "01/02/2024", "filed '01/02/2024' is not a date like 2024-01-31"),
        ("filed", "2024-02-30", "is not a date"),
        ("filed", 1577836800000000000, "filed '1577836800000000000' is not a date"),  # nanoseconds
        ("filed", "-86400000000000000", "is not a date"),
        ("filed", "9" * 5000, "is not a date"),
        ("nice", "46", "'46' is not a Nice class"),
        ("nice", "9;x", "'x' is not a Nice class"),
        ("vienna", "lion", "vienna"),
        ("vienna", "45.01", "no category of the Vienna Classification"),
    ],
)
def test_a_bad_field_rejects_its_row_of_a_strict_reading_and_says_why(
    write: Write, column: str, value: str | int, reason: str
) -> None:
    row = {"id": "1", "image": "1.png", column: value}
    path = write(json.dumps(row) + '\n{"id": "2", "image": "2.png"}\n', "marks.jsonl")
    ((position, _, said),) = _rejects(path)
    assert (position, _ids(path)) == (1, [(2, "2")])
    assert reason in said


@pytest.mark.parametrize(
    ("column", "value", "kept", "what"),
    [
        ("image", "../x.png", "../x.png", None),
        ("filed", "01/02/2024", None, "day '01/02/2024'"),
        ("nice", "46", [], "Nice class '46'"),
        ("nice", "9;x", [9], "Nice class 'x'"),
        ("vienna", ["lion", "3.1"], ["03.01"], "Vienna code 'lion'"),
        ("vienna", "45.01", [], "Vienna code '45.01'"),
        ("us_design", "2.1", [], "design search code '2.1'"),
        ("owner", "a\0b", None, "owner holds a zero character"),
        ("owner", {}, None, "owner is an object"),
    ],
)
def test_a_bad_value_is_left_out_of_its_mark_and_both_are_named(
    write: Write, column: str, value: object, kept: object, what: str | None
) -> None:
    row = {"id": "m1", "text": "LION", column: value}
    source = open_source(write(json.dumps(row), "marks.jsonl"))
    (found,) = source
    assert isinstance(found, SourceRow)
    (field,) = (one for one in MARK_FIELDS if one.column == column)
    assert (found.record.text, field.as_json(found.record)) == ("LION", kept)
    if what is None:
        with pytest.raises(UnreadableImage, match="leads out of the picture folder"):
            found.read_picture()
    else:
        # Where nothing of a field can be read, a mark of the register keeps its own.
        assert (field.name in found.left_out) == (not kept)
        assert f"1 values not understood, left out: {what}" in source.warnings[-1]
        assert "first in m1" in source.warnings[-1]


def test_a_mark_of_a_picture_alone_that_cannot_be_had_is_rejected(write: Write) -> None:
    path = write("id,image,text\n1,../x.png,\n2,../x.png,LION\n")
    assert [row[:2] for row in _rejects(path, strict=False)] == [(2, "1")]


def test_all_faults_of_a_row_are_told_at_once(write: Write) -> None:
    path = write("id,image,filed,nice\n,1.png,soon,99\n")
    ((_, _, reason),) = _rejects(path)
    assert reason == (
        "id is empty; filed 'soon' is not a date like 2024-01-31; "
        "nice '99' is not a Nice class (1 to 45)"
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "1", "image": ', "broken JSON at column"),
        (b'["1", "1.png"]', "not a JSON object"),
        (b'{"id": "1", "image": "\xfc.png"}', "not UTF-8"),
        (b'{"id": "1", "image": "1.png", "text": "\\ud800"}', "text holds a character that is"),
        (b'{"id": "1", "image": "1.png", "text": "a\\u0000b"}', "text holds a zero character"),
        (b'{"id": true, "image": "1.png"}', "id is true or false"),
        (b'{"id": ["1"], "image": "1.png"}', "id is a list"),
        (b'{"id": "1", "image": "1.png", "nice": [[9]]}', "nice is a list"),
        (b"[" * 100_000, "broken JSON"),
    ],
)
def test_a_broken_json_line_is_rejected_with_its_number(
    write: Write, line: bytes, reason: str
) -> None:
    path = write(b'{"id": 0, "image": "0.png"}\n\n' + line + b'\n{"id": "2", "image": "2.png"}')
    path = path.rename(path.with_suffix(".jsonl"))
    ((position, _, said),) = _rejects(path)
    assert position == 3
    assert reason in said
    assert _ids(path) == [(1, "0"), (4, "2")]


def test_progress_knows_the_last_line_before_reading(write: Write) -> None:
    assert open_source(write("id,image\n1,1.png\n2,2.png")).last_position == 3
    assert open_source(write("id,image\r\n1,1.png\r\n")).last_position == 2
    assert open_source(write('{"id": 1}\n{"id": 2}\n', "marks.jsonl")).last_position == 2


def test_pictures_are_found_relative_to_the_folder_given(tmp_path: Path, write: Write) -> None:
    (tmp_path / "pictures" / "deep").mkdir(parents=True)
    (tmp_path / "pictures" / "deep" / "1.png").write_bytes(b"bytes")
    (row,) = open_source(write("id,image\n1,deep\\1.png\n"), images=tmp_path / "pictures")
    assert isinstance(row, SourceRow)
    assert row.read_picture() == b"bytes"


def test_a_missing_picture_a_folder_and_a_pipe_are_unreadable_not_waited_for(
    tmp_path: Path, write: Write
) -> None:
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for row in open_source(write("id,image\n1,none.png\n2,folder.png\n3,pipe.png\n")):
        assert isinstance(row, SourceRow)
        with pytest.raises(UnreadableImage, match="no such picture file"):
            row.read_picture()


def test_a_folder_of_pictures_needs_no_table(tmp_path: Path) -> None:
    for name in ("b.png", "a lion.JPG", "sub/c.svg", ".hidden.png", "notes.txt", "sub/b.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    source = open_source(tmp_path)
    rows = [row for row in source if isinstance(row, SourceRow)]
    assert [(row.position, row.record.id, row.record.image_name) for row in rows] == [
        (1, "a_lion", "a lion.JPG"),
        (2, "b", "b.png"),
        (3, "b", "sub/b.gif"),
        (4, "c", "sub/c.svg"),
    ]
    assert source.last_position == 4
    assert source.warnings == ["files that are not pictures, left out: 1 (notes.txt)"]


@pytest.mark.parametrize("name", ["marks.csv", "marks.jsonl"])
def test_a_folder_with_a_table_is_read_by_its_table(
    tmp_path: Path, write: Write, name: str
) -> None:
    content = "id,image\n7,7.png\n" if name.endswith("csv") else '{"id": 7, "image": "7.png"}'
    write(content, name)
    (row,) = open_source(tmp_path)
    assert isinstance(row, SourceRow)
    assert row.picture == tmp_path / "7.png"


def test_a_folders_state_changes_when_a_picture_does(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    before = open_source(tmp_path).state
    assert open_source(tmp_path).state == before
    (tmp_path / "b.png").write_bytes(b"x")
    assert open_source(tmp_path).state != before


@pytest.mark.parametrize("suffix", ["png", "xml"])
def test_a_folders_state_changes_when_a_file_is_replaced_that_is_not_the_newest(
    tmp_path: Path, st66: Any, suffix: str
) -> None:
    files = [tmp_path / "daily" / f"{n}.{suffix}" for n in range(2)]
    files[0].parent.mkdir()
    for at, file in enumerate(files):
        st66.write(file, [st66.mark(at, "LION")])
        os.utime(file, ns=(0, at))
    before = open_source(tmp_path).state
    assert open_source(tmp_path / "daily" / "..").state == before
    st66.write(files[0], [st66.mark(2, "LION")])  # of the same size
    os.utime(files[0], ns=(0, 0))
    os.utime(files[0], ns=(0, 1))
    assert open_source(tmp_path).state != before


def test_wrong_places_are_one_plain_sentence(tmp_path: Path, write: Write) -> None:
    table = write("id,image\n1,1.png\n", "list.xls")
    book = write(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "book.xls")
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "nowhere.csv")
    with pytest.raises(SourceError, match=r"picture folder .* does not exist"):
        open_source(table, images=tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"book\.xls is an Excel workbook: .* save it as CSV"):
        open_source(book)
    assert len(list(open_source(table))) == len(list(open_source(table, format="csv"))) == 1
    with pytest.raises(SourceError, match="not a folder of pictures"):
        open_source(table, format="folder")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no picture"):
        open_source(tmp_path / "empty")
    write("id,image\n")
    write("", "marks.jsonl")
    with pytest.raises(SourceError, match="name the one to read"):
        open_source(tmp_path)


def test_an_encoding_mark_alone_does_not_break_the_header(write: Write) -> None:
    assert _ids(write(codecs.BOM_UTF8 + b"id,image\n1,1.png\n")) == [(2, "1")]
