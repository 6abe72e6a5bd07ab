"""What no table can do: fill the memory, or be cut off without a word."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from indexer.errors import SourceError
from indexer.sources import RejectedRow, SourceRow, open_source
from indexer.sources.source_rows import MAX_LINE

HEADER = b"id,image,text\n"
PIECE = 2**20


def endless(path: Path, before: bytes, after: bytes, mebibytes: int = 40) -> Path:
    """A file with a single line of so many MiB between two texts."""
    with path.open("wb") as file:
        file.write(before)
        for _ in range(mebibytes):
            file.write(b"x" * PIECE)
        file.write(after)
    return path


@pytest.fixture
def peak_mb() -> Iterator[object]:
    """A function: the most memory since the test began, MiB."""
    open_source  # noqa: B018
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("marks.csv", HEADER + b"1,1.png,a\n2,2.png,", b"\n3,3.png,c\n"),
        ("marks.csv", HEADER + b'1,1.png,"a\nb"\n2,2.png,"', b'"\n3,3.png,c\n'),
        ("marks.jsonl", b'{"id": 1}\n{"id": 2, "text": "', b'"}\n{"id": 3}\n'),
    ],
)
def test_a_line_without_end_is_rejected_by_its_number_and_not_held_in_memory(
    tmp_path: Path, name: str, before: bytes, after: bytes, peak_mb: object
) -> None:
    source = open_source(endless(tmp_path / name, before, after))
    first, long, last = source
    assert isinstance(first, SourceRow)
    assert isinstance(long, RejectedRow)
    assert long.position == before.count(b"\n") + 1
    assert "the line is longer than 4 MiB" in long.reason
    assert isinstance(last, SourceRow)
    assert (last.record.id, last.position) == ("3", long.position + 1)
    assert peak_mb() < 30  # type: ignore[operator]


def test_a_line_without_end_within_a_quotation_costs_itself_and_the_line_that_opened_it(
    tmp_path: Path,
) -> None:
    path = endless(tmp_path / "marks.csv", HEADER + b'1,1.png,"a\n', b"\n3,3.png,c\n", 5)
    opened, long, last = open_source(path)
    assert isinstance(opened, RejectedRow)
    assert "never closed" in opened.reason
    assert isinstance(long, RejectedRow)
    assert "longer than 4 MiB" in long.reason
    assert (opened.position, long.position, last.position) == (2, 3, 4)
    assert isinstance(last, SourceRow)


def test_a_header_without_end_is_refused_with_its_line(tmp_path: Path, peak_mb: object) -> None:
    path = endless(tmp_path / "marks.csv", b"\nid,image,", b"\n1,1.png\n")
    with pytest.raises(SourceError, match=r"marks\.csv, line 2: the line is longer than 4 MiB"):
        open_source(path)
    assert peak_mb() < 30  # type: ignore[operator]


def test_the_longest_line_that_is_allowed_is_read(tmp_path: Path) -> None:
    row = {"id": "1", "text": "ü" * 10_000, "x": "x" * (MAX_LINE - 200_000)}
    path = tmp_path / "marks.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (read,) = open_source(path)
    assert isinstance(read, SourceRow)
    assert read.record.text == "ü" * 10_000


def test_a_csv_whose_last_line_has_no_end_is_named_since_it_may_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "marks.csv"
    path.write_bytes(HEADER + b"1,1.png,whole\n2,2.png,who")
    source = open_source(path)
    assert len(list(source)) == 2
    assert source.warnings == [
        "marks.csv has no line end behind its last line, 3: "
        "if the file was cut off there, that line is incomplete"
    ]
    path.write_bytes(HEADER + b"1,1.png,whole\n2,2.p")
    source = open_source(path)
    assert [type(row) for row in source] == [SourceRow, RejectedRow]
    assert source.broken == ["marks.csv ends in the middle of line 3"]
    path.write_bytes(HEADER + b"1,1.png,whole\n")
    source = open_source(path)
    assert len(list(source)) == 1
    assert source.warnings == source.broken == []


@pytest.mark.parametrize(
    "last", ["2,2.png,b,200", "2,2.png,b,9,more", '2,"2.png"x,b,9', ",2.png,b,9"]
)
def test_a_bad_last_row_without_line_end_is_no_sign_of_a_cut_if_it_has_all_its_cells(
    tmp_path: Path, last: str
) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(f"id,image,text,nice\n1,1.png,a,9\n{last}")
    source = open_source(path, strict=True)
    assert [type(row) for row in source] == [SourceRow, RejectedRow]
    assert source.broken == []
    assert "no line end behind its last line, 3" in source.warnings[0]


@pytest.mark.parametrize("last", ["2", "2,2.png", '2,2.png,"b', '2,2.png,"two\nlines', "2,2.png,b"])
def test_a_last_row_that_lacks_cells_or_the_end_of_a_quotation_is_a_cut(
    tmp_path: Path, last: str
) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(f"id,image,text,nice\n1,1.png,a,9\n{last}")
    source = open_source(path)
    assert isinstance(list(source)[-1], RejectedRow)
    assert source.broken == [f"marks.csv ends in the middle of line {3 + last.count(chr(10))}"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_line_end_of_two_bytes_is_seen_wherever_the_file_is_divided(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "marks.csv.gz"
    text = "\ufeffid,image,text\n1,1.png,"
    text += "x" * (2**15 - len(text) - 1) + "\n"
    with gzip.open(path, "wb") as file:
        file.write(text.encode(encoding))
    source = open_source(path, strict=True)
    assert len(list(source)) == 1
    assert source.warnings == source.broken == []


def test_a_parquet_file_of_one_row_group_is_read_piece_by_piece(tmp_path: Path) -> None:
    """Real files often are one row group: read whole, it would take as much as the file holds."""

    def peak_of(rows: int) -> int:
        path = tmp_path / f"{rows}.parquet"
        texts = [f"{n * 7919 % 104729:x} {n:o} {n**3:x}" * 8 for n in range(rows)]
        columns = {"id": [f"m{n}" for n in range(rows)], "text": texts, "owner": texts[::-1]}
        pyarrow.parquet.write_table(
            pyarrow.table(columns), path, row_group_size=rows, use_dictionary=False,
            compression="none", data_page_size=2**16,
        )  # fmt: skip
        assert pyarrow.parquet.ParquetFile(path).num_row_groups == 1
        outside = pyarrow.default_memory_pool()
        pool = pyarrow.proxy_memory_pool(outside)
        pyarrow.set_memory_pool(pool)
        try:
            source = open_source(path)
            count = most_held = 0
            for _ in source:
                count += 1
                most_held = max(most_held, pool.bytes_allocated())
        finally:
            pyarrow.set_memory_pool(outside)
        assert count == rows
        assert pool.bytes_allocated() == 0  # every batch is released
        return pool.max_memory()

    small, large = peak_of(20_000), peak_of(80_000)
    assert (tmp_path / "80000.parquet").stat().st_size > 4 * large
    assert large < 1.5 * small


@pytest.mark.parametrize(
    ("name", "before"), [("marks.csv", HEADER + b"1,1.png,"), ("marks.jsonl", b'{"id": "1"}\n"')]
)
def test_a_file_without_line_ends_is_given_up_rather_than_read_through(
    tmp_path: Path, name: str, before: bytes, peak_mb: object
) -> None:
    path = endless(tmp_path / name, before, b"", 70)
    with path.open("r+b") as file:
        file.truncate(10_000 * PIECE)  # 10 GB, of which the disk holds 70 MB
    with pytest.raises(SourceError, match=rf"{name}, line 2: the line is longer than 64 MiB"):
        open_source(path)
    assert peak_mb() < 30  # type: ignore[operator]


EUIPO = '<Transaction xmlns="http://euipo.europa.eu/trademark/data">\n'
ONE_MARK = "<TradeMark><ApplicationNumber>1</ApplicationNumber></TradeMark>\n"


@pytest.mark.parametrize(
    "before",
    ["<TradeMark><MarkVerbalElementText>", "<More>", '<TradeMark a="', "<TradeMark><!-- "],
    ids=["text of a record", "text between records", "attribute", "comment"],
)
def test_an_xml_file_whose_text_never_ends_is_given_up_with_its_line(
    tmp_path: Path, before: str, peak_mb: object
) -> None:
    begun = (EUIPO + ONE_MARK + before).encode()
    path = endless(tmp_path / "marks.xml", begun, b"\0 this is no XML", 70)
    source = open_source(path)
    assert [type(row) for row in source] == [SourceRow, RejectedRow]
    assert source.broken[0].startswith("marks.xml")
    assert "breaks off" not in source.broken[0]  # it was not read to its end
    assert peak_mb() < 70  # type: ignore[operator]


def test_a_damaged_parquet_file_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "marks.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": ["1"], "text": ["a"]}), path)
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little")  # pyarrow answers its damage with an OSError
    content[-8 - footer : -8] = b"\xff" * footer
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"marks\.parquet is no Parquet file"):
        open_source(path)


@pytest.mark.parametrize(("type", "far"), [("date32", 3_000_000), ("timestamp[s]", 10**12)])
def test_a_day_of_a_parquet_file_after_the_year_9999_costs_its_row_and_not_the_file(
    tmp_path: Path, type: str, far: int
) -> None:
    path = tmp_path / "marks.parquet"
    days = pyarrow.array([0, far, None], pyarrow.type_for_alias(type))
    columns = {"id": ["1", "2", "3"], "text": ["a", "b", "c"], "filed": days}
    pyarrow.parquet.write_table(pyarrow.table(columns), path)
    first, odd, last = open_source(path, strict=True)
    assert isinstance(first, SourceRow)
    assert first.record.filed == date(1970, 1, 1)
    assert isinstance(odd, RejectedRow)
    assert odd.reason.startswith("filed is ")
    assert isinstance(last, SourceRow)


@pytest.mark.parametrize(
    "name", ["x" * 300 + ".png", "ü" * 150 + ".png", "folder/" * 600 + "a.png"]
)
def test_a_picture_name_that_no_file_can_have_rejects_its_row_and_not_the_run(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "marks.csv"
    path.write_text(f"id,image\n1,{name}\n2,2.png\n", "utf-8")
    (tmp_path / "2.png").write_bytes(b"")
    for strict in (False, True):
        rows = list(open_source(path, strict=strict))
        assert len(rows) == 2
        assert isinstance(rows[1], SourceRow)
    assert isinstance(rows[0], RejectedRow)
    assert "longer than a file's name" in rows[0].reason
