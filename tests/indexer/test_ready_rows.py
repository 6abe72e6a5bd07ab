"""Rows of common codes and classes, made ready when a segment is saved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.index.filters import FilterColumns
from indexer.index.passing import Passing, rows_in
from indexer.index.ready_rows import ReadyRows
from indexer.marks import Change, StoredPrediction
from indexer.query import Filter
from models.vienna import ViennaCode

CODES = tuple(
    map(ViennaCode.parse, ("03", "03.01", "03.01.08", "26", "26.04", "26.04.01", "27.05"))
)

marks = st.builds(
    lambda assigned, seen, nice: Change(
        id="mark",
        sequence=1,
        deleted=False,
        assigned=tuple(sorted(assigned)),
        predicted=tuple(StoredPrediction(code, 0.5, sure) for code, sure in seen.items()),
        nice=tuple(sorted(nice)),
    ),
    st.frozensets(st.sampled_from(CODES), max_size=3),
    st.dictionaries(st.sampled_from(CODES), st.booleans(), max_size=3),
    st.frozensets(st.sampled_from((9, 25, 35)), max_size=2),
)
filters = st.builds(
    Filter,
    vienna_any=st.lists(st.sampled_from(CODES), max_size=2).map(tuple),
    vienna_none=st.lists(st.sampled_from(CODES), max_size=1).map(tuple),
    vienna_source=st.sampled_from(("assigned", "predicted", "either")),
    min_probability=st.sampled_from((None, 0.4, 0.6)),
    nice=st.frozensets(st.sampled_from((9, 25, 35)), max_size=2),
)


def rows(passing: Passing) -> list[int]:
    return [int(row) for row in rows_in(passing)]


@given(changes=st.lists(marks, max_size=20), wanted=filters)
@pytest.mark.parametrize("many", [0.0, 0.2])
def test_rows_that_were_made_ready_are_those_that_would_be_sought(many, changes, wanted) -> None:
    expected = rows(FilterColumns.of(changes).allowed(wanted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.index.ready_rows._LEAST", 0)
        patch.setattr("indexer.index.ready_rows._MANY", many)
        saved = FilterColumns.of(changes)
        restored = FilterColumns.from_arrays(saved.arrays())
    assert rows(saved.allowed(wanted)) == rows(restored.allowed(wanted)) == expected


def test_what_many_rows_bear_is_made_ready_and_the_rest_sought() -> None:
    keys = np.repeat(np.array([30_108, 260_101, 260_402], np.int32), (10, 900, 600))
    borne = np.concatenate([np.arange(10), np.arange(900), np.arange(400, 1_000)]).astype(np.int32)
    ready = ReadyRows()
    ready.make("assigned", keys, borne, 10_000, (1, 100, 10_000))
    assert ready.get("assigned", 30_000, 40_000) is None
    for first, stop, expected in (
        (260_000, 270_000, range(1_000)),
        (260_100, 260_200, range(900)),
        (260_402, 260_403, range(400, 1_000)),
    ):
        found = ready.get("assigned", first, stop)
        assert found is not None
        assert rows(found) == list(expected)
        assert ready.get("predicted", first, stop) is None
    assert len(ready) == 5


def test_few_rows_are_not_worth_it() -> None:
    ready = ReadyRows()
    ready.make("nice", np.full(9_000, 9, np.int32), np.arange(9_000, dtype=np.int32), 9_000, (1,))
    assert len(ready) == 0


def test_rows_of_another_register_are_refused() -> None:
    ready = ReadyRows()
    ready.make("nice", np.full(900, 9, np.int32), np.arange(900, dtype=np.int32), 10_000, (1,))
    with pytest.raises(ValueError, match="do not fit"):
        ReadyRows.restored(ready.arrays(), 10_016)


def test_a_snapshot_of_an_earlier_build_has_none_and_is_searched_all_the_same() -> None:
    columns = FilterColumns.of([Change(id="a", sequence=1, deleted=False, assigned=CODES[:1])])
    arrays = {name: one for name, one in columns.arrays().items() if not name.startswith("ready")}
    restored = FilterColumns.from_arrays(arrays)
    assert rows(restored.allowed(Filter(vienna_any=CODES[:1]))) == [0]
