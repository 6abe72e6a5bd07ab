from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index.filters import FilterColumns
from indexer.index.row_sets import RowSet, RowSetCache
from indexer.marks import Change, CodeSource, StoredPrediction
from indexer.query import Filter
from models.vienna import ViennaCode


def code(text: str) -> ViennaCode:
    return ViennaCode.parse(text)


def predicted(text: str, probability: float, confident: bool) -> StoredPrediction:
    return StoredPrediction(code(text), probability, confident)


MARKS = [
    Change(
        id="eagle",
        number=1,
        sequence=1,
        deleted=False,
        assigned=(code("03.07.01"), code("24.01")),
        predicted=(predicted("03", 0.9, True), predicted("03.07", 0.6, True)),
        nice=(25, 35),
        status="registered",
        office="EM",
        filed=date(2020, 2, 29),
        registered=date(2021, 3, 1),
    ),
    Change(
        id="star",
        number=2,
        sequence=2,
        deleted=False,
        assigned=(code("01.01.02"),),
        predicted=(predicted("01.01", 0.7, False), predicted("24", 0.3, True)),
        nice=(9,),
        status="expired",
        office="US",
        filed=date(2021, 1, 1),
        registered=date(2021, 2, 28),
    ),
    Change(id="bare", number=3, sequence=3, deleted=False),
    Change(id="three", number=4, sequence=4, deleted=False, assigned=(code("03"),), office="EM"),
    Change(id="four", number=5, sequence=5, deleted=False, assigned=(code("04.01"),), nice=(35,)),
]
COLUMNS = FilterColumns.of(MARKS)
ALL = {mark.id for mark in MARKS}


def passing(**wanted: object) -> set[str]:
    rows = COLUMNS.allowed(Filter(**wanted)).rows()
    return {MARKS[row].id for row in rows}


def test_an_empty_filter_allows_every_mark() -> None:
    assert passing() == ALL


def test_a_category_finds_everything_below_it_and_nothing_beside() -> None:
    assert passing(vienna_any=(code("03"),), vienna_source="assigned") == {"eagle", "three"}
    assert passing(vienna_any=(code("03.07"),), vienna_source="assigned") == {"eagle"}
    assert passing(vienna_any=(code("03.07.01"),), vienna_source="assigned") == {"eagle"}
    assert passing(vienna_any=(code("03.07.02"),), vienna_source="assigned") == set()


def test_a_section_does_not_find_marks_that_bear_only_its_category() -> None:
    assert "three" not in passing(vienna_any=(code("03.07"),))


def test_all_needs_every_code_and_none_forbids_each() -> None:
    both = (code("03"), code("24"))
    assert passing(vienna_all=both, vienna_source="assigned") == {"eagle"}
    assert passing(vienna_none=both, vienna_source="assigned") == {"star", "bare", "four"}
    assert passing(vienna_none=both) == {"bare", "four"}


def test_predicted_codes_count_when_confident_or_probable_enough() -> None:
    def found(text: str, least: float | None) -> set[str]:
        return passing(vienna_any=(code(text),), vienna_source="predicted", min_probability=least)

    assert found("01.01", None) == set()
    assert found("01.01", 0.7) == {"star"}
    assert found("01", 0.7) == {"star"}, "a division's probability counts for its category"
    assert found("01.01", 0.71) == set()
    assert found("24", None) == {"star"}, "confident below one half, by the code's own threshold"
    assert found("24", 0.31) == set()


def test_either_takes_assigned_and_predicted_codes_together() -> None:
    assert passing(vienna_all=(code("01"), code("24"))) == {"star"}
    assert passing(vienna_any=(code("24"),)) == {"eagle", "star"}


def test_nice_status_and_office_ask_for_any_of_their_values() -> None:
    assert passing(nice=frozenset({35, 9})) == {"eagle", "star", "four"}
    assert passing(status=frozenset({"registered", "filed"})) == {"eagle"}
    assert passing(office=frozenset({"EM"})) == {"eagle", "three"}
    assert passing(office=frozenset({"XX"})) == set()


def test_dates_include_both_ends_and_leave_out_marks_without_one() -> None:
    assert passing(filed_from=date(2020, 2, 29)) == {"eagle", "star"}
    assert passing(filed_to=date(2020, 2, 29)) == {"eagle"}
    assert passing(filed_from=date(2020, 3, 1), filed_to=date(2020, 12, 31)) == set()
    assert passing(filed_to=date.max) == {"eagle", "star"}
    assert passing(registered_from=date(2021, 3, 1)) == {"eagle"}
    assert passing(registered_to=date(2021, 2, 28)) == {"star"}
    assert passing(filed_to=date(2020, 12, 31), registered_to=date(2021, 2, 28)) == set()


WANTED = [
    Filter(vienna_any=(code("03"), code("01.01"))),
    Filter(vienna_none=(code("24"),), vienna_source="assigned"),
    Filter(vienna_all=(code("03.07"),), vienna_source="predicted", min_probability=0.5),
    Filter(nice=frozenset({35})),
    Filter(status=frozenset({"expired"}), office=frozenset({"US", "EM"})),
    Filter(filed_from=date(2020, 6, 1)),
]


@pytest.mark.parametrize("wanted", WANTED)
def test_merged_columns_answer_like_columns_made_at_once(wanted: Filter) -> None:
    other = FilterColumns.of([replace(MARKS[1], status="opposed"), MARKS[0], MARKS[2]])
    empty = FilterColumns.of([])
    merged = FilterColumns.merged(
        [(COLUMNS, np.array([0, 3, 4])), (empty, np.zeros(0, np.int64)), (other, np.array([0, 2]))]
    )
    expected = FilterColumns.of(
        [MARKS[0], MARKS[3], MARKS[4], replace(MARKS[1], status="opposed"), MARKS[2]]
    )
    assert len(merged) == 5
    assert merged.allowed(wanted).rows().tolist() == expected.allowed(wanted).rows().tolist()


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("columns", [COLUMNS, FilterColumns.of([])], ids=["five", "empty"])
def test_columns_survive_becoming_arrays(columns: FilterColumns, wanted: Filter) -> None:
    again = FilterColumns.from_arrays(columns.arrays())
    assert again.allowed(wanted).rows().tolist() == columns.allowed(wanted).rows().tolist()


@pytest.mark.parametrize("sparse", [0, 1])
def test_rows_of_common_codes_are_cached_and_stay_right(
    monkeypatch: pytest.MonkeyPatch, sparse: float
) -> None:
    monkeypatch.setattr("indexer.index.filters._SMALL", 0)
    monkeypatch.setattr("indexer.index.row_sets._SPARSE", sparse)
    monkeypatch.setattr("indexer.index.filters._CACHED", 2)  # so that some are forgotten again
    columns = FilterColumns.of(MARKS)
    codes = [ViennaCode.parse(text) for text in ("03", "03.01", "27", "27.05", "29", "26.01")]
    sources: tuple[CodeSource, ...] = ("assigned", "predicted", "either")
    for source in sources * 2:
        for one in codes * 2:
            for least in (None, 0.4):
                wanted = Filter(vienna_any=(one,), vienna_source=source, min_probability=least)
                expected = FilterColumns.of(MARKS).allowed(wanted).rows().tolist()
                for _ in range(2):
                    assert columns.allowed(wanted).rows().tolist() == expected
    assert len(columns._cache) == (0 if sparse else 2)


CODES = st.frozensets(st.sampled_from(("03", "03.01", "27", "27.05", "29", "26.01")), max_size=2)


@settings(deadline=None)
@given(
    any_=CODES,
    all_=CODES,
    none=CODES,
    nice=st.frozensets(st.sampled_from((9, 25, 35)), max_size=2),
    status=st.frozensets(st.sampled_from(("registered", "expired")), max_size=2),
    since=st.one_of(st.none(), st.just(date(2020, 2, 29))),
    until=st.one_of(st.none(), st.just(date(2021, 12, 31))),
)
def test_filters_of_several_parts_pass_the_same_rows_cached_or_not(
    any_, all_, none, nice, status, since, until
) -> None:
    wanted = Filter(
        vienna_any=tuple(map(code, sorted(any_))),
        vienna_all=tuple(map(code, sorted(all_))),
        vienna_none=tuple(map(code, sorted(none))),
        nice=nice,
        status=status,
        filed_from=since,
        filed_to=until,
    )
    expected = FilterColumns.of(MARKS).allowed(wanted).rows().tolist()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.index.filters._SMALL", 0)
        columns = FilterColumns.of(MARKS)
        for _ in range(2):
            assert columns.allowed(wanted).rows().tolist() == expected


def test_what_is_asked_for_again_stays_cached_and_what_was_asked_longest_ago_goes() -> None:
    cache = RowSetCache(3, 0)
    rows = {name: RowSet.of_mask(np.arange(13) % (at + 2) == 0) for at, name in enumerate("abcdef")}
    for name in "abc":
        cache.put(name, rows[name])
    for name in "def":
        popular = cache.get("a")
        assert popular is rows["a"]
        cache.put(name, rows[name])
    assert [name for name in rows if cache.get(name) is not None] == ["a", "e", "f"]
    cache.put("e", rows["b"])
    assert cache.get("e") is rows["b"]
    assert len(cache) == 3


def test_threads_that_share_a_cache_get_what_they_asked_for() -> None:
    cache = RowSetCache(4, 0)

    def ask(seed: int) -> bool:
        for number in np.random.default_rng(seed).integers(0, 12, 2_000).tolist():
            expected = np.arange(64) % (number + 1) == 0
            found = cache.get(number)
            if found is None:
                cache.put(number, RowSet.of_mask(expected))
            elif not np.array_equal(found.mask(), expected):
                return False
        return len(cache) <= 4

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(4)))
