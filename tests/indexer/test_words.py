"""Ids kept as bytes against a list and a dictionary of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index import words
from indexer.index.words import Ids

some_ids = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    unique=True,
    max_size=40,
)


@settings(deadline=None)
@given(kept=some_ids, asked=some_ids)
def test_each_id_is_found_at_its_row_and_no_other_is(kept: list[str], asked: list[str]) -> None:
    ids = Ids.of(kept)
    assert [*ids] == kept
    assert [ids[row] for row in range(len(ids))] == kept
    assert ids.named(np.arange(len(ids))[::-1]) == kept[::-1]
    assert ids.rows_of(kept) == [*range(len(kept))]
    assert ids.rows_of(asked) == [kept.index(word) for word in asked if word in kept]


@settings(deadline=None)
@given(first=some_ids, second=some_ids, seed=st.integers(0, 99))
def test_merged_ids_are_those_of_the_kept_rows_in_order(
    first: list[str], second: list[str], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    first, second = [f"1{word}" for word in first], [f"2{word}" for word in second]
    kept = [np.flatnonzero(rng.random(len(part)) < 0.6) for part in (first, second)]
    merged = Ids.merged([(Ids.of(first), kept[0]), (Ids.of(second), kept[1])])
    expected = [first[row] for row in kept[0]] + [second[row] for row in kept[1]]
    assert [*merged] == expected
    assert merged.rows_of(expected) == [*range(len(expected))]


def test_ids_are_found_across_the_blocks_in_which_they_are_looked_at(monkeypatch) -> None:
    whole = Ids.of(f"m{at}" for at in range(50))
    monkeypatch.setattr(words, "_AT_ONCE", 7)
    pieces = Ids.merged([(whole, np.arange(50))])
    assert [*pieces] == [*whole]
    assert pieces.rows_of(["m49", "m7", "m50", "m0"]) == [49, 7, 0]


def test_ids_that_share_a_hash_are_told_apart(monkeypatch) -> None:
    monkeypatch.setattr(words, "_BASE", np.uint64(0))  # every id has the hash 0
    ids = Ids.of(["EM-1", "EM-2", "EM-3"])
    assert ids.rows_of(["EM-3", "EM-4", "EM-1"]) == [2, 0]


@pytest.mark.parametrize("row", [-1, 2])
def test_a_row_that_is_not_there_is_refused(row: int) -> None:
    with pytest.raises(IndexError, match="among 2"):
        Ids.of(["a", "b"])[row]


@pytest.mark.parametrize("word", ["a\0", "\0", "\ud800"])
def test_what_no_mark_can_be_called_is_nowhere(word: str) -> None:
    ids = Ids.of(["a", "b"])
    assert ids.rows_of([word]) == []
    assert ids.rows_of(["b", word, "a"]) == [1, 0]
