"""Damaged .gz and .zip files: nothing of them is read, since what they hold may be wrong."""

import gzip
import zipfile
from pathlib import Path

import pytest

from indexer.errors import SourceError
from indexer.sources import RejectedRow, SourceRow, open_source

ROWS = 3_000
TABLE = "id,text\n" + "".join(f"m{n},word {n}\n" for n in range(ROWS))
XML = Path(__file__).parent.parent / "data" / "st66.xml"


def flipped(path: Path, at: int) -> Path:
    """The file with one bit of one byte turned."""
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)
    return path


def zipped(path: Path, content: bytes, name: str, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("at", [2_000, 5_000])
def test_a_bit_turned_in_a_zipped_table_refuses_it_before_a_mark_is_read(
    tmp_path: Path, method: int, at: int
) -> None:
    path = flipped(zipped(tmp_path / "marks.zip", TABLE.encode(), "marks.csv", method), at)
    with pytest.raises(SourceError, match=r"marks\.zip/marks\.csv is damaged: .* nothing of it"):
        open_source(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("content", [b"id,text\n1,LION\n2,CAT\n", XML.read_bytes()])
def test_a_bit_turned_in_a_small_member_refuses_it_too(
    tmp_path: Path, content: bytes, method: int
) -> None:
    name = "marks.xml" if content.startswith(b"<") else "marks.csv"
    path = flipped(zipped(tmp_path / "daily.zip", content, name, method), 39 + 12)
    with pytest.raises(SourceError, match=rf"daily\.zip/{name} is damaged: .* nothing of it"):
        open_source(path)


def test_a_bit_turned_in_a_gzipped_table_refuses_it(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv.gz"
    path.write_bytes(gzip.compress(TABLE.encode()))
    with pytest.raises(SourceError, match=r"marks\.csv\.gz is damaged: .* fetch it again"):
        open_source(flipped(path, 5_000))


def test_a_gzipped_table_that_is_cut_off_is_read_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv.gz"
    content = gzip.compress(TABLE.encode())
    path.write_bytes(content[: len(content) // 2])
    source = open_source(path)
    rows = [row for row in source if isinstance(row, SourceRow)]
    assert 0 < len(rows) < ROWS
    assert all(row.record.text == f"word {at}" for at, row in enumerate(rows))
    assert "cut off" in source.broken[0]


def test_a_damaged_delivery_keeps_no_other_from_being_read(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_bytes(XML.read_bytes())
    zipped(tmp_path / "2.zip", XML.read_bytes(), "2.xml")
    whole = (tmp_path / "2.zip").read_bytes()
    (tmp_path / "3.zip").write_bytes(whole[: len(whole) // 2])
    flipped(zipped(tmp_path / "4.zip", XML.read_bytes(), "4.xml"), len(whole) // 2)
    source = open_source(tmp_path)
    rows = list(source)
    broken = [row.reason for row in rows if isinstance(row, RejectedRow) and row.id is None]
    assert source.broken == broken[-2:]
    assert "3.zip is a damaged or cut-off zip file" in source.broken[0]
    assert "4.zip/4.xml is damaged: Bad CRC-32" in source.broken[1]
    assert sum(isinstance(row, SourceRow) for row in rows) == 2 * sum(
        isinstance(row, SourceRow) for row in open_source(XML)
    )


def test_an_encrypted_member_is_told_by_what_it_is(tmp_path: Path) -> None:
    path = zipped(tmp_path / "marks.zip", TABLE.encode(), "marks.csv")
    content = bytearray(path.read_bytes())
    content[6] |= 1  # flags in the member's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"marks\.zip/marks\.csv is encrypted: unpack it"):
        open_source(path)


def test_a_json_array_is_told_by_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "marks.json").write_text('[{"id": "a", "text": "b"}]')
    with pytest.raises(SourceError, match="is a JSON array: write it as JSON Lines"):
        open_source(tmp_path / "marks.json")


def test_tables_of_other_names_are_not_passed_over_for_the_pictures_beside_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "2024-01.csv").write_text(TABLE)
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(SourceError, match=r"holds 2024-01\.csv, but no table that is called marks"):
        open_source(tmp_path)
    assert len(list(open_source(tmp_path, format="folder"))) == 1


def test_files_that_are_left_out_are_named(tmp_path: Path) -> None:
    (tmp_path / "1.xml").write_bytes(XML.read_bytes())
    (tmp_path / "404.xml").write_text("<html>not found</html>")
    source = open_source(tmp_path)
    list(source)
    assert any("left out: 1 (404.xml)" in warning for warning in source.warnings)
