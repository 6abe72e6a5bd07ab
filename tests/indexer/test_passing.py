import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.passing import (
    Kept,
    Named,
    any_of,
    both,
    counted,
    mask_of,
    none_of,
    opened,
    packed,
    passing_of,
    places_of,
    rows_in,
    without,
)

COUNT = 43  # no multiple of eight
some_rows = st.frozensets(st.integers(0, COUNT - 1))


@st.composite
def told(draw: st.DrawFn, bits: bool = True) -> tuple[set[int], Kept]:
    """Rows, and the same by name, as a mask or as bits."""
    rows = np.array(sorted(draw(some_rows)), np.int64)
    named = Named(rows)
    forms: list[Kept] = [named, mask_of(named, COUNT).copy()]
    if bits:
        forms.append(packed(named, COUNT))
    return set(rows.tolist()), draw(st.sampled_from(forms))


def check(kept: Kept, expected: set[int]) -> None:
    passing = opened(kept)
    assert rows_in(passing).tolist() == sorted(expected)
    assert rows_in(passing).dtype == np.int64
    assert np.flatnonzero(mask_of(passing, COUNT)).tolist() == sorted(expected)
    assert counted(passing) == len(expected)


@given(one=told(), other=told())
def test_rows_of_both_and_of_either_are_those_of_sets(one, other) -> None:
    (these, passing), (those, beside) = one, other
    check(any_of([passing, beside]), these | those)
    check(any_of([beside]), those)
    check(none_of(beside, COUNT), set(range(COUNT)) - those)
    check(passing, these)
    check(both(passing, beside), these & those)
    check(beside, those)


@given(one=st.one_of(st.none(), told(bits=False)), forbidden=some_rows)
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


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.09, 0.1, 0.11, 0.5, 1.0])
@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_places_of_a_mask_are_found_however_many_pass(count: int, share: float) -> None:
    mask = np.random.default_rng(count).random(count) < share
    assert places_of(mask).tolist() == [row for row, passes in enumerate(mask) if passes]
