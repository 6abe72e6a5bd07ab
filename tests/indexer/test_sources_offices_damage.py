"""Offices' XML files that are cut off, damaged or meant to do harm: one sentence, little memory."""

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import BrokenSource, SourceError
from indexer.sources import RejectedRow, SourceRow, open_source
from indexer.sources.office_files import OfficeFiles
from indexer.sources.offices import OFFICES
from indexer.sources.pictures import FolderPictures
from indexer.sources.xml_records import read_records

DATA = Path(__file__).parents[1] / "data"
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("prologue", [BOMB, OUTSIDE])
def test_a_file_that_declares_entities_is_refused_in_one_sentence(
    tmp_path: Path, prologue: str, st66: Any
) -> None:
    file = tmp_path / "bomb.xml"
    file.write_text(prologue + st66.document([st66.mark(1, "X").replace(">X<", ">&c;<")]))
    with pytest.raises(SourceError, match=r"bomb\.xml declares the XML entity 'a': refused"):
        open_source(file)


def test_a_bomb_among_good_files_costs_itself_only(tmp_path: Path, st66: Any) -> None:
    st66.write(tmp_path / "1.xml", [st66.mark(1)])
    (tmp_path / "2.xml").write_text(BOMB + st66.document([st66.mark(2)]))
    st66.write(tmp_path / "3.xml", [st66.mark(3)])
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


def test_a_record_too_large_to_be_one_mark_is_rejected_and_reading_goes_on(
    tmp_path: Path, st66: Any
) -> None:
    huge = st66.mark(1, more="<x/>" * 200_001)
    first, second = open_source(st66.write(tmp_path / "marks.xml", [huge, st66.mark(2)]))
    assert isinstance(first, RejectedRow)
    assert "too large" in first.reason
    assert isinstance(second, SourceRow)


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress])
@pytest.mark.parametrize("share", [0.3, 0.55, 0.9])
def test_a_file_cut_off_in_its_middle_keeps_what_stood_before(
    tmp_path: Path, pack: Callable[[bytes], bytes], share: float, st66: Any
) -> None:
    marks = [st66.mark(n, f"mark {n} {n * 7919}") for n in range(5_000)]
    content = pack(st66.document(marks).encode())
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


def test_memory_does_not_grow_with_the_file(tmp_path: Path, st66: Any) -> None:
    opening, ending = st66.document(["|"]).split("|")

    def peak(n: int) -> int:
        file = tmp_path / f"{n}.xml.gz"
        with gzip.open(file, "wt", compresslevel=1) as stream:
            stream.write(opening)
            stream.writelines(st66.mark(at, f"mark {at}", more="<a/>" * 20) for at in range(n))
            stream.write(ending)
        source = open_source(file)
        tracemalloc.start()
        assert sum(1 for _ in source) == n
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)  # what is loaded once
    assert peak(4_000) < 2 * peak(400)


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
        source = OfficeFiles(file, FolderPictures(tmp_path), OFFICES[name[:-4]])
        rows = list(source)
    except SourceError:
        return
    positions = [row.position for row in rows]
    assert positions == list(range(1, len(rows) + 1))


def test_bytes_of_another_encoding_than_the_declared_one_are_told_so(tmp_path: Path) -> None:
    content = '<?xml version="1.0" encoding="UTF-8"?>\n<r><t>Löwe</t></r>'.encode("latin-1")
    stream = io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]
    with pytest.raises(BrokenSource, match=r"line 2: .* not of the encoding that it declares"):
        list(read_records(stream, frozenset({"t"}), "marks.xml"))


def test_a_break_is_told_with_its_line(tmp_path: Path) -> None:
    stream = io.BufferedReader(io.BytesIO(b"<r>\n<TradeMark/>\n<TradeMark>"))  # type: ignore[arg-type]
    found = read_records(stream, frozenset({"TradeMark"}), "marks.xml")
    assert next(found).line == 2
    with pytest.raises(BrokenSource, match=r"marks\.xml breaks off at line 3"):
        next(found)
