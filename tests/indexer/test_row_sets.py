"""Row sets, sparse and dense, against Python's sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.index.row_sets import RowSet

SIZE = 43  # no multiple of eight
some_rows = st.frozensets(st.integers(0, SIZE - 1))


@st.composite
def row_sets(draw: st.DrawFn) -> tuple[set[int], RowSet]:
    """Rows, and the same as a sparse or a dense set."""
    rows = draw(some_rows)
    sparse = RowSet(SIZE, np.array(sorted(rows), np.int64), None)
    return set(rows), draw(st.sampled_from([sparse, sparse.dense()]))


def check(found: RowSet, expected: set[int]) -> None:
    assert found.rows().tolist() == sorted(expected)
    assert found.rows().dtype == np.int64
    assert len(found) == len(expected)
    for one in (found, found.dense()):
        assert np.flatnonzero(one.mask()).tolist() == sorted(expected)
        assert np.flatnonzero(one.contains(np.arange(SIZE))).tolist() == sorted(expected)
        assert np.array_equal(one.bits, np.packbits(one.mask(), bitorder="little"))


@given(one=row_sets(), other=row_sets())
def test_both_either_and_not_are_those_of_sets(one, other) -> None:
    (these, left), (those, right) = one, other
    check(RowSet.union([left, right]), these | those)
    check(RowSet.union([right]), those)
    check(~right, set(range(SIZE)) - those)
    check(left, these)
    check(left & right, these & those)
    check(right, those)


@given(one=row_sets(), removed=some_rows)
def test_a_set_without_some_rows_leaves_the_first_as_it_was(one, removed) -> None:
    rows, row_set = one
    check(row_set.without(np.array(sorted(removed), np.int64)), rows - removed)
    check(row_set, rows)


def test_all_rows_are_all_rows() -> None:
    check(RowSet.all(SIZE), set(range(SIZE)))
    check(~RowSet.all(SIZE), set())


@given(rows=st.lists(st.integers(0, SIZE - 1)))
@pytest.mark.parametrize("share", [0.0, 0.1, 4.0])
def test_rows_in_any_order_and_several_times_count_once(share: float, rows) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.index.row_sets._SPARSE", share)
        found = RowSet.of_rows(SIZE, *(np.array(part, np.int32) for part in (rows[:3], rows[3:])))
    assert found.is_sparse == (len(rows) <= share * SIZE)
    check(found, set(rows))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.09, 0.1, 0.11, 0.5, 1.0])
@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_rows_of_a_mask_are_found_however_many_there_are(size: int, share: float) -> None:
    mask = np.random.default_rng(size).random(size) < share
    found = RowSet.of_mask(mask)
    assert found.rows().tolist() == [row for row, is_in in enumerate(mask) if is_in]
    assert len(found) == mask.sum()


@given(one=row_sets(), start=st.integers(0, SIZE // 8), length=st.integers(1, SIZE))
def test_a_span_of_whole_bytes_meets_a_set_or_does_not(one, start: int, length: int) -> None:
    rows, row_set = one
    stop = min(8 * start + 8 * length, SIZE)
    assert row_set.may_meet(8 * start, stop) == any(8 * start <= row < stop for row in rows)
