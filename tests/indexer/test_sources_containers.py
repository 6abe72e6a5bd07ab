"""Tables and XML in the folders, zip files and encodings that people and offices send them in."""

import gzip
import zipfile
from pathlib import Path

import pytest

from indexer.errors import SourceError
from indexer.sources import RejectedRow, Row, SourceRow, open_source

CSV = "id,image,text\n1,1.png,Löwe\n"
TSV = CSV.replace(",", "\t")
JSONL = '{"id": "1", "image": "1.png", "text": "Löwe"}\n'


def document(*texts: str, encoding: str) -> str:
    """An ST.66 document that declares an encoding, of a mark for each text."""
    marks = (
        f"<TradeMark><ApplicationNumber>{n}</ApplicationNumber><WordMarkSpecification>"
        f"<MarkVerbalElementText>{text}</MarkVerbalElementText></WordMarkSpecification>"
        "</TradeMark>\n"
        for n, text in enumerate(texts)
    )
    return (
        f'<?xml version="1.0" encoding="{encoding}"?>\n'
        '<Transaction xmlns="http://www.wipo.int/standards/XMLSchema/trademarks">'
        f"<TradeMarkDetails>\n{''.join(marks)}</TradeMarkDetails></Transaction>"
    )


def texts_of(rows: list[Row]) -> list[str | None]:
    return [row.record.text for row in rows if isinstance(row, SourceRow)]


@pytest.mark.parametrize(
    ("name", "content"),
    [("marks.csv", CSV), ("marks.tsv", TSV), ("marks.jsonl", JSONL)],
)
@pytest.mark.parametrize("folder", ["", "october/", "a\\"])
def test_a_zipped_table_finds_the_pictures_beside_it(
    tmp_path: Path, name: str, content: str, folder: str
) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(folder + name, content)
        archive.writestr(folder + "1.png", b"picture")
        archive.writestr("other/1.png", b"another")
    (row,) = open_source(path)
    assert isinstance(row, SourceRow)
    assert row.read_picture() == b"picture"


def test_a_zipped_table_finds_pictures_by_their_path_from_the_root_too(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tables/marks.csv", CSV)
        archive.writestr("1.png", b"picture")
    (row,) = open_source(path)
    assert isinstance(row, SourceRow)
    assert row.read_picture() == b"picture"


@pytest.mark.parametrize("name", ["marks.tsv", "marks.csv.gz", "marks.tsv.gz", "marks.jsonl.gz"])
def test_a_folder_is_read_by_its_table_however_it_is_written(tmp_path: Path, name: str) -> None:
    content = {"csv": CSV, "tsv": TSV, "jsonl": JSONL}[name.split(".")[1]].encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    (tmp_path / "1.png").write_bytes(b"picture")
    (row,) = open_source(tmp_path)
    assert isinstance(row, SourceRow)
    assert (row.record.id, row.record.text, row.read_picture()) == ("1", "Löwe", b"picture")


def test_json_lines_in_utf16_are_refused_by_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(JSONL, "utf-16")
    with pytest.raises(SourceError, match=r"marks\.jsonl is UTF-16; JSON Lines are UTF-8"):
        open_source(path)


@pytest.mark.parametrize("encoding", ["Shift_JIS", "EUC-JP", "GB18030", "Big5"])
def test_encodings_of_several_bytes_a_letter_are_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "marks.xml"
    texts = ["花山", "plain", *["山花" * 2_000] * 20]  # more than is read at once
    path.write_bytes(document(*texts, encoding=encoding).encode(encoding))
    source = open_source(path)
    assert texts_of(list(source)) == texts
    assert source.last_position == 22


@pytest.mark.parametrize("encoding", ["utf-16", "UTF-16LE"])
def test_utf8_that_calls_itself_utf16_as_dotnet_writes_it_is_read(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "marks.xml"
    path.write_text(document("Löwe \ufffd", encoding=encoding), "utf-8")
    assert texts_of(list(open_source(path))) == ["Löwe \ufffd"]


@pytest.mark.parametrize("encoding", ["klingon", "hex", "idna", "ISO-10646-UCS-2"])
def test_an_encoding_that_nobody_knows_is_one_sentence(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "marks.xml"
    path.write_text(document("lion", encoding=encoding), "utf-8")
    with pytest.raises(SourceError, match=r"marks\.xml cannot be decoded"):
        open_source(path)


def test_bytes_that_are_not_of_the_declared_encoding_keep_the_marks_before_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "marks.xml"
    whole = document("花", "山", "川", encoding="Shift_JIS").encode("shift_jis")
    path.write_bytes(whole.replace("山".encode("shift_jis"), b"\x8e\x01"))
    source = open_source(path)
    first, broken = source
    assert texts_of([first]) == ["花"]
    assert isinstance(broken, RejectedRow)
    assert source.broken == [broken.reason]
    assert "holds bytes at line 4 that are not shift_jis" in broken.reason


@pytest.mark.parametrize("packed", ["bare", "gz", "zip"])
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_json_lines_without_a_line_are_a_table_of_no_marks(
    tmp_path: Path, packed: str, content: bytes
) -> None:
    path = tmp_path / ("marks.jsonl" if packed == "bare" else f"marks.jsonl.{packed}")
    if packed == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("marks.jsonl", content)
    else:
        path.write_bytes(gzip.compress(content) if packed == "gz" else content)
    source = open_source(path)
    assert list(source) == []
    assert source.warnings == [f"{path.name} is empty: it holds no marks"]
    assert source.broken == []


@pytest.mark.parametrize("name", ["marks.csv", "marks.xml", "marks", "marks.txt"])
def test_other_empty_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(SourceError, match="is empty"):
        open_source(tmp_path / name)


def test_a_text_beside_a_zipped_table_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "marks.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.txt", "Marks of 2024, one a line\n")
        archive.writestr("marks.csv", "id,text\n1,LION\n")
    (row,) = open_source(path)
    assert isinstance(row, SourceRow)
    assert row.record.text == "LION"


@pytest.mark.parametrize(
    ("names", "held"),
    [
        ((), "no file"),
        (("delivery.zip",), "delivery.zip"),
        (tuple(f"{n}.png" for n in range(5)), "0.png, 1.png, 2.png and 2 more"),
    ],
)
def test_a_zip_without_table_or_xml_is_refused_by_what_it_holds(
    tmp_path: Path, names: tuple[str, ...], held: str
) -> None:
    path = tmp_path / "daily.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"PK\x03\x04" if name.endswith("zip") else b"\x89PNG\r\n\0\0\0")
    with pytest.raises(SourceError, match=rf"daily\.zip: it holds {held}; known .* unpack it"):
        open_source(path)


def test_a_link_to_nothing_in_a_folder_of_pictures_is_a_rejected_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "gone")
    source = open_source(tmp_path)
    assert (source.state.size, source.state) == (1, open_source(tmp_path).state)
