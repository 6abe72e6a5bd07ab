from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from indexer.errors import BadRecord
from indexer.ingest import mark_digest
from indexer.marks import MARK_FIELDS, EncodedMark, MarkRecord
from indexer.sources import SourceRow
from indexer.sources.field_reader import FieldReader
from indexer.sources.pictures import FolderPictures
from models.vienna import PredictedCode, ViennaCode

SUN, TREE = ViennaCode.parse("01.03"), ViennaCode.parse("05.01")


@pytest.mark.parametrize("good", ["1", "EM018000001", "a" * 128, "Ünïcode-№7", "a%b_c\\d?#", "..."])
def test_an_id_may_hold_any_printable_character(good: str) -> None:
    assert MarkRecord(good).id == good


@pytest.mark.parametrize(
    "bad",
    ["", "a" * 129, "a b", "a\tb", "a/b", "a\x00", "\ud800", "a\u00a0b", "\u200b", ".", ".."],
)
def test_an_id_that_an_address_or_a_database_would_break_is_refused(bad: str) -> None:
    with pytest.raises(BadRecord, match=r"^id "):
        MarkRecord(bad)


@pytest.mark.parametrize("number", [0, 46, -1])
def test_a_nice_class_that_does_not_exist_is_refused_by_its_number(number: int) -> None:
    with pytest.raises(BadRecord, match=rf"Nice class {number} does not exist"):
        MarkRecord("a", nice=(25, number))


@pytest.mark.parametrize("name", ["text", "owner", "office", "status", "image_name"])
@pytest.mark.parametrize("bad", ["x\x00y", "x\udc80y", "x" * 10_001])
def test_a_text_that_cannot_be_stored_is_refused_by_its_field(name: str, bad: str) -> None:
    with pytest.raises(BadRecord, match=f"^{name} h"):
        MarkRecord("a", **{name: bad})


@pytest.mark.parametrize("name", ["text", "owner", "office", "status", "image_name"])
def test_blanks_around_a_text_are_no_part_of_it(name: str) -> None:
    assert MarkRecord("a", **{name: "\u3000 lead \n"}) == MarkRecord("a", **{name: "lead"})
    assert MarkRecord("a", **{name: " \t"}) == MarkRecord("a")


@pytest.mark.parametrize("category", [30, 97])
def test_a_code_of_no_category_is_refused_and_those_of_other_editions_are_not(
    category: int,
) -> None:
    known = (ViennaCode(29, 99), ViennaCode(99, 1))
    assert MarkRecord("a", vienna=known).vienna == known
    with pytest.raises(BadRecord, match=rf"^{category}\.01 is in no category"):
        MarkRecord("a", vienna=(*known, ViennaCode(category, 1)))


def test_lists_come_out_sorted_and_without_doubles() -> None:
    record = MarkRecord("a", nice=(25, 3, 25), vienna=(TREE, SUN, TREE))
    assert record.nice == (3, 25)
    assert record.vienna == (SUN, TREE)


def test_records_that_say_the_same_are_equal_however_they_were_ordered() -> None:
    one = MarkRecord("a", status="Registered", nice=(1, 2), filed=date(2020, 1, 2))
    other = MarkRecord("a", status="registered", nice=(2, 1), filed=date(2020, 1, 2))
    assert one == other
    assert hash(one) == hash(other)


@pytest.mark.parametrize("probability", [-0.01, 1.01, float("nan")])
def test_a_probability_outside_0_to_1_is_refused(probability: float) -> None:
    with pytest.raises(BadRecord, match=r"probability of 01\.03"):
        EncodedMark(MarkRecord("a"), "d", predicted=(PredictedCode(SUN, probability),))


def test_a_code_predicted_twice_is_refused() -> None:
    twice = (PredictedCode(SUN, 0.2), PredictedCode(SUN, 0.3))
    with pytest.raises(BadRecord, match="twice"):
        EncodedMark(MarkRecord("a"), "d", predicted=twice)


FULL = MarkRecord(
    "EM-1",
    "LION CAFE",
    owner="Lion Cafe GmbH",
    office="EM",
    status="Registered",
    filed=date(2019, 1, 7),
    registered=date(2019, 6, 21),
    nice=(43, 30),
    vienna=(ViennaCode(3, 1, 1), ViennaCode(27)),
    image_name="a/b.png",
)


@pytest.mark.parametrize(
    ("record", "with_picture", "without"),
    [
        (
            MarkRecord("EM-1"),
            "a9ea711f76ef4147d129cedcd7162522144d27381337e0a8aa13d4dc5b6d4d95",
            "246ccb1e1bb1d7d1be5631c206c51d815ddc34400965dbab32adf4236fd72766",
        ),
        (
            FULL,
            "ac9d6acfbdef8af3e3195c76ffdd3cd48a3815bc619325d2a36f32c4fcc913dc",
            "ef69fa8135bb7dbd4cf06080152800f866e434fbd7bb1c27294022fd27a832c5",
        ),
        (
            replace(FULL, us_design=("26.01.21", "03.01.17")),
            "8d9bafbf1ac37dbb34265f71b075cc9a9ac0253c34e9f17cb0859efdfdd41eea",
            "adf9a94370416925dcd89ff070f2dbaa4bdb21ef0f610249c630e26902dd3fd8",
        ),
    ],
)
def test_registers_of_before_find_their_marks_unchanged(
    record: MarkRecord, with_picture: str, without: str
) -> None:
    """Digests as the first release wrote them: another one would rewrite every mark."""
    assert mark_digest(record, "ab" * 32, "net") == with_picture
    assert mark_digest(record, None, "net") == without


def test_every_field_of_a_mark_is_described_and_has_an_example_that_reads_back() -> None:
    values = {one.column: one.example for one in MARK_FIELDS}
    row = FieldReader(FolderPictures(Path()), strict=True).row(1, values)
    assert isinstance(row, SourceRow)
    assert {one.column: one.as_json(row.record) for one in MARK_FIELDS} == values
    assert all(one.title and one.description.endswith(".") for one in MARK_FIELDS)
