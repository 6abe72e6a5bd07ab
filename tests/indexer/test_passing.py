import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.index.passing import (
    Bits,
    Named,
    Passing,
    any_of,
    bits_of,
    both,
    counted,
    none_of,
    passing_of,
    rows_in,
    without,
)

COUNT = 43  # no multiple of eight
some_rows = st.frozensets(st.integers(0, COUNT - 1))


@st.composite
def told(draw: st.DrawFn) -> tuple[set[int], Passing]:
    """Rows, and the same by name or as bits."""
    named = Named(np.array(sorted(draw(some_rows)), np.int64))
    passing = draw(st.sampled_from([named, bits_of(named, COUNT)]))
    return set(named.rows.tolist()), passing


def check(passing: Passing, expected: set[int]) -> None:
    assert rows_in(passing).tolist() == sorted(expected)
    assert rows_in(passing).dtype == np.int64
    assert counted(passing) == len(expected)
    bits = bits_of(passing, COUNT)
    assert np.flatnonzero(bits.mask()).tolist() == sorted(expected)
    assert np.flatnonzero(bits.hold(np.arange(COUNT))).tolist() == sorted(expected)


@given(one=told(), other=told())
def test_rows_of_both_and_of_either_are_those_of_sets(one, other) -> None:
    (these, passing), (those, beside) = one, other
    check(any_of([passing, beside]), these | those)
    check(any_of([beside]), those)
    check(none_of(beside, COUNT), set(range(COUNT)) - those)
    check(passing, these)
    check(both(passing, beside), these & those)
    check(beside, those)


@given(one=st.one_of(st.none(), told()), forbidden=some_rows)
def test_rows_left_out_do_not_pass_and_what_passed_before_stays_as_it_was(one, forbidden) -> None:
    rows, passing = (set(range(COUNT)), None) if one is None else one
    check(without(passing, sorted(forbidden), COUNT), rows - forbidden)
    if passing is not None:
        check(passing, rows)


@given(rows=st.lists(st.integers(0, COUNT - 1)))
@pytest.mark.parametrize("named", [0.0, 0.1, 4.0])
def test_rows_in_any_order_and_several_times_pass_once(named: float, rows) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("indexer.index.passing._NAMED", named)
        passing = passing_of(np.array(rows, np.int32), COUNT)
    assert isinstance(passing, Named) == (len(rows) <= named * COUNT)
    check(passing, set(rows))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.09, 0.1, 0.11, 0.5, 1.0])
@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_rows_of_bits_are_found_however_many_pass(count: int, share: float) -> None:
    mask = np.random.default_rng(count).random(count) < share
    assert rows_in(Bits.of(mask)).tolist() == [row for row, passes in enumerate(mask) if passes]
    assert counted(Bits.of(mask)) == mask.sum()


@given(rows=some_rows, start=st.integers(0, COUNT // 8), length=st.integers(1, COUNT))
def test_a_run_of_whole_bytes_has_a_row_that_passes_or_none(rows, start: int, length: int) -> None:
    bits = bits_of(Named(np.array(sorted(rows), np.int64)), COUNT)
    stop = min(8 * start + 8 * length, COUNT)
    assert bits.any_between(8 * start, stop) == any(8 * start <= row < stop for row in rows)
