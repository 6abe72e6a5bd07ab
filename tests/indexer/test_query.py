import dataclasses
from datetime import date

import numpy as np
import pytest

from indexer.errors import BadFilter, BadQuery
from indexer.query import FILTER_FIELDS, Filter, SearchQuery
from models.vienna import ViennaCode

EMBEDDING = np.zeros(8, np.float16)


@pytest.mark.parametrize("k", [1, 20, 1000])
def test_one_to_a_thousand_marks_may_be_asked_for(k: int) -> None:
    assert SearchQuery(EMBEDDING, k).k == k


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_other_numbers_of_marks_are_refused(k: int) -> None:
    with pytest.raises(BadQuery, match=rf"^k is {k}; ask for 1 to 1000 marks$"):
        SearchQuery(EMBEDDING, k)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf"), 1e308, 1000.1, 1e-9, 5e-324])
def test_a_weight_that_is_no_share_is_refused_by_its_block(weight: float) -> None:
    with pytest.raises(BadQuery, match="weight of colour"):
        SearchQuery(EMBEDDING, weights={"visual": 1.0, "colour": weight})


@pytest.mark.parametrize("weight", [0.0, 1e-6, 1000.0])
def test_weights_up_to_a_thousand_are_taken(weight: float) -> None:
    assert SearchQuery(EMBEDDING, weights={"colour": weight}).weights == {"colour": weight}


@pytest.mark.parametrize("least", [0.0, 0.5, 1.0, None])
def test_a_least_probability_from_0_to_1_is_taken(least: float | None) -> None:
    assert Filter(min_probability=least).min_probability == least


@pytest.mark.parametrize("least", [-0.1, 1.1, float("nan")])
def test_a_least_probability_outside_is_refused(least: float) -> None:
    with pytest.raises(BadFilter, match="min_probability is"):
        Filter(min_probability=least)


@pytest.mark.parametrize("number", [0, 46])
def test_a_nice_class_that_does_not_exist_is_refused(number: int) -> None:
    with pytest.raises(BadFilter, match=f"Nice class {number} does not exist"):
        Filter(nice=frozenset({25, number}))


def test_dates_upside_down_are_refused_with_both() -> None:
    with pytest.raises(BadFilter, match="2021-01-02 is after filed_to 2021-01-01"):
        Filter(filed_from=date(2021, 1, 2), filed_to=date(2021, 1, 1))


def test_a_single_day_is_a_range() -> None:
    assert not Filter(filed_from=date(2021, 1, 1), filed_to=date(2021, 1, 1)).is_empty


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 1001])
def test_words_that_no_database_can_look_for_are_refused(text: str) -> None:
    with pytest.raises(BadFilter, match=r"^text has"):
        Filter(text=text)


def test_a_source_of_codes_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(BadFilter, match="'guessed'; take assigned, predicted, either"):
        Filter(vienna_source="guessed")  # type: ignore[arg-type]


def test_a_status_matches_in_any_case() -> None:
    assert Filter(status=frozenset({"Registered"})) == Filter(status=frozenset({"registered"}))


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(vienna_any=(ViennaCode(3),)),
        Filter(vienna_all=(ViennaCode(3),)),
        Filter(vienna_none=(ViennaCode(3),)),
        Filter(nice=frozenset({25})),
        Filter(status=frozenset({"filed"})),
        Filter(office=frozenset({"EM"})),
        Filter(filed_from=date(2020, 1, 1)),
        Filter(filed_to=date(2020, 1, 1)),
        Filter(text="acme"),
    ],
)
def test_a_filter_that_restricts_is_not_empty(wanted: Filter) -> None:
    assert not wanted.is_empty


def test_a_filter_that_only_says_how_codes_would_count_is_empty() -> None:
    assert Filter(vienna_source="assigned", min_probability=0.5).is_empty


def test_every_field_of_a_filter_is_described_once() -> None:
    assert [one.name for one in FILTER_FIELDS] == [one.name for one in dataclasses.fields(Filter)]
    assert len({one.flag for one in FILTER_FIELDS}) == len(FILTER_FIELDS)
    for one in FILTER_FIELDS:
        assert one.description.endswith("."), one.name
        assert one.example, one.name
