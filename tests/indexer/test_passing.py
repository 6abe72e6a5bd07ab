import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.passing import (
    Named,
    Passing,
    any_of,
    both,
    counted,
    mask_of,
    passing_of,
    rows_in,
    without,
)

COUNT = 40
some_rows = st.frozensets(st.integers(0, COUNT - 1))


@st.composite
def told(draw: st.DrawFn) -> tuple[set[int], Passing]:
    """Rows, and the same as names or as a mask."""
    rows = np.array(sorted(draw(some_rows)), np.int64)
    passing: Passing = Named(rows)
    return set(rows.tolist()), passing if draw(st.booleans()) else mask_of(passing, COUNT).copy()


def check(passing: Passing, expected: set[int]) -> None:
    assert rows_in(passing).tolist() == sorted(expected)
    assert rows_in(passing).dtype == np.int64
    assert np.flatnonzero(mask_of(passing, COUNT)).tolist() == sorted(expected)
    assert counted(passing) == len(expected)


@given(one=told(), other=told())
def test_rows_of_both_and_of_either_are_those_of_sets(one, other) -> None:
    (these, passing), (those, beside) = one, other
    check(any_of([passing, beside]), these | those)
    check(any_of([beside]), those)
    check(passing, these)
    check(both(passing, beside), these & those)
    check(beside, those)


@given(one=st.one_of(st.none(), told()), forbidden=some_rows)
def test_rows_left_out_do_not_pass_and_what_passed_before_stays_as_it_was(one, forbidden) -> None:
    rows, passing = (set(range(COUNT)), None) if one is None else one
    check(without(passing, sorted(forbidden), COUNT), rows - forbidden)
    if passing is not None:
        check(passing, rows)


@given(parts=st.lists(st.lists(st.integers(0, COUNT - 1)), min_size=1, max_size=3))
@pytest.mark.parametrize("named", [0.0, 0.1, 4.0])
def test_rows_in_any_order_and_several_times_pass_once(named: float, parts) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.passing._NAMED", named)
        passing = passing_of([np.array(part, np.int32) for part in parts], COUNT)
    is_few = sum(map(len, parts)) <= named * COUNT
    assert isinstance(passing, Named) == is_few
    check(passing, {row for part in parts for row in part})
