"""Marks listed by a filter alone, in SQL."""

from datetime import date

import pytest

from indexer.marks import EncodedMark, MarkRecord
from indexer.pages import Page
from indexer.query import FILTER_FIELDS, Filter
from indexer.register import Register, listing
from indexer.register.database import observe_statements
from models.vienna import PredictedCode, ViennaCode

LION, PLANT, STAR = (ViennaCode.parse(text) for text in ("03.01.01", "05.03.11", "01.01.02"))


@pytest.fixture
def filled(register: Register) -> Register:
    """Marks a to c; c has no picture, and nothing but an id."""
    first = MarkRecord(
        *("a", "LÖWE 50%", "Lion Ltd", "EM", "registered", date(2019, 1, 7), date(2019, 8, 1)),
        nice=(25, 30),
        vienna=(LION, PLANT),
    )
    second = MarkRecord(
        *("b", "star", "Star Ltd", "Benelux, BOIP", "opposed, pending", date(2021, 5, 5)), nice=(9,)
    )
    seen = (PredictedCode(LION, 0.9), PredictedCode(STAR, 0.3))
    with_codes = EncodedMark(second, "2", predicted=seen, confident=frozenset({LION}))
    register.add([EncodedMark(first, "1"), with_codes, EncodedMark(MarkRecord("c"), "3")])
    return register


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Filter(), "abc"),
        (Filter(vienna_any=(ViennaCode(3),)), "ab"),
        (Filter(vienna_any=(ViennaCode(3),), vienna_source="assigned"), "a"),
        (Filter(vienna_any=(STAR,)), ""),
        (Filter(vienna_any=(STAR,), min_probability=0.2), "b"),
        (Filter(vienna_any=(PLANT, STAR)), "a"),
        (Filter(vienna_all=(LION, PLANT)), "a"),
        (Filter(vienna_none=(PLANT, STAR)), "bc"),
        (Filter(nice=frozenset({9, 30})), "ab"),
        (Filter(status=frozenset({"Opposed, pending"})), "b"),
        (Filter(office=frozenset({"EM", "Benelux, BOIP"})), "ab"),
        (Filter(office=frozenset({"Benelux"})), ""),
        (Filter(filed_from=date(2019, 1, 7)), "ab"),
        (Filter(filed_from=date(2019, 1, 8)), "b"),
        (Filter(filed_to=date(2019, 1, 7)), "a"),
        (Filter(filed_from=date(2019, 1, 8), filed_to=date(2021, 5, 4)), ""),
        (Filter(registered_from=date(2019, 8, 1)), "a"),
        (Filter(registered_from=date(2019, 8, 2)), ""),
        (Filter(filed_to=date(2021, 5, 5), registered_to=date(2019, 8, 1)), "a"),
        (Filter(text="löwe 50%"), "a"),
        (Filter(vienna_any=(LION,), text="star", nice=frozenset({9})), "b"),
    ],
)
@pytest.mark.parametrize("rare", [0, 2_000])
def test_a_filter_lists_the_marks_that_pass_it(
    filled: Register, wanted: Filter, ids: str, rare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few marks with a code are looked up by it, of many one after the other is tried."""
    monkeypatch.setattr(listing, "_RARE", rare)
    marks, total = filled.find(wanted, Page(10))
    assert "".join(mark.record.id for mark in marks) == ids
    assert total == len(ids)


def test_whether_a_code_is_rare_is_looked_up_once_for_a_page_and_its_total(
    filled: Register,
) -> None:
    statements: list[float | None] = []
    observe_statements(filled._engine, statements.append)
    counts = []
    for wanted in (Filter(nice=frozenset({9})), Filter(vienna_any=(LION,))):
        statements.clear()
        filled.find(wanted, Page(10))
        counts.append(len(statements))
    assert counts[1] == counts[0] + 1


def test_every_field_that_restricts_is_understood(filled: Register) -> None:
    values = {"first_day": date(2030, 1, 1), "last_day": date(1990, 1, 1), "text": "nowhere"}
    lists = {"classes": frozenset({45}), "words": frozenset({"nowhere"})}
    for one in FILTER_FIELDS:
        if one.restricts:
            value = {**values, **lists}.get(one.kind, (ViennaCode(29),))
            found = filled.find(Filter(**{one.name: value}), Page(10))[1]
            assert found == (3 if one.kind == "no_code" else 0), one.name


def test_a_page_begins_after_the_marks_before_it(filled: Register) -> None:
    pages = [filled.find(Filter(), Page(2, offset)) for offset in (0, 2, 4)]
    assert [[mark.record.id for mark in marks] for marks, _ in pages] == [["a", "b"], ["c"], []]
    assert {total for _, total in pages} == {3}
