"""Exact search with short forms against a scan of all vectors, on data that suit it and do not."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index.row_sets import RowSet
from indexer.index.vectors import CpuBuilder
from indexer.index.vectors.faiss_exact import FaissExactIndex, FaissShortIndex
from indexer.index.vectors.faiss_ivf import FaissIvfIndex
from indexer.index.vectors.index import Nearest
from indexer.index.vectors.short import ShortForms

DIMENSION = 70
BLOCKS = (slice(0, 40), slice(40, 60), slice(60, 70))
WITH_SHORT = CpuBuilder(most_plain=500)


def unit_blocks(vectors: np.ndarray) -> np.ndarray:
    for block in BLOCKS:
        lengths = np.linalg.norm(vectors[:, block], axis=1, keepdims=True)
        vectors[:, block] /= np.maximum(lengths, 1e-9)
    return vectors


def clustered(rng: np.random.Generator, n: int) -> np.ndarray:
    centres = rng.standard_normal((max(1, n // 30), 12)) @ rng.standard_normal((12, DIMENSION))
    vectors = centres[rng.integers(len(centres), size=n)]
    return unit_blocks(vectors + 0.4 * rng.standard_normal((n, DIMENSION)))


def duplicates(rng: np.random.Generator, n: int) -> np.ndarray:
    return clustered(rng, 40)[rng.integers(40, size=n)]


def with_outliers(rng: np.random.Generator, n: int) -> np.ndarray:
    """Few vectors are unlike all others, and in no sample: their short forms say little."""
    vectors, some = clustered(rng, n), rng.integers(n, size=max(1, n // 200))
    vectors[some] = 3 * rng.standard_normal((len(some), DIMENSION))
    return vectors


def half_zeros(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = clustered(rng, n)
    vectors[rng.random(n) < 0.5] = 0
    vectors[rng.random(n) < 0.3, BLOCKS[1]] = 0
    return vectors


def few_values(rng: np.random.Generator, n: int) -> np.ndarray:
    """Many scores tie."""
    return rng.integers(-1, 2, (n, DIMENSION)) / 4


def flat(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = clustered(rng, n)
    vectors[:, -3:] = 0
    return vectors


def constant(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.tile(rng.standard_normal(DIMENSION), (n, 1))


def zeros(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.zeros((n, DIMENSION))


def random(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal((n, DIMENSION)) * 10 ** rng.uniform(-3, 3)


Data = Callable[[np.random.Generator, int], np.ndarray]
DATA: tuple[Data, ...] = (
    clustered, duplicates, with_outliers, half_zeros, few_values, flat, constant, zeros, random,
)  # fmt: skip
QUERIES = (
    "nearly beside",
    "a row",
    "a row, weighted",
    "one block",
    "random",
    "beside",
    "zeros",
    "huge",
    "tiny",
)


def query_of(kind: str, rng: np.random.Generator, vectors: np.ndarray, short: ShortForms):
    row = vectors[rng.integers(len(vectors))].astype(np.float64)
    if kind == "a row, weighted":
        for block in BLOCKS:
            row[block] *= rng.choice([0, 0.02, 1])
    elif kind == "one block":
        chosen = BLOCKS[rng.integers(len(BLOCKS))]
        row[np.setdiff1d(np.arange(DIMENSION), np.arange(DIMENSION)[chosen])] = 0
    elif kind == "random":
        row = rng.standard_normal(DIMENSION)
    elif kind == "beside":  # orthogonal to all directions: short forms say nothing
        along = np.linalg.qr(short.directions.astype(np.float64))[0]
        row = rng.standard_normal(DIMENSION)
        row -= along @ (along.T @ row)
    elif kind == "nearly beside":  # its products with the directions are too small for float32
        row *= 1e-40
        row[-1] = 1
    return (row * {"zeros": 0, "huge": 1e6, "tiny": 1e-12}.get(kind, 1)).astype(np.float32)


def assert_exact(
    nearest: Nearest, vectors: np.ndarray, query: np.ndarray, allowed: np.ndarray, k: int
) -> None:
    """The k best by brute force; which of equal scores, to float32 rounding, is left open."""
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1).max() * np.linalg.norm(query)
    rounding = 1e-5 * lengths + 1e-30
    assert len(np.unique(nearest.rows)) == len(nearest.rows) == k
    assert allowed[nearest.rows].all()
    assert (np.diff(nearest.scores) <= 0).all()
    np.testing.assert_allclose(nearest.scores, scores[nearest.rows], rtol=0, atol=rounding)
    missed = np.setdiff1d(np.flatnonzero(allowed), nearest.rows)
    assert (scores[missed] <= nearest.scores[-1] + rounding).all()


def assert_same(nearest: Nearest, plain: Nearest) -> None:
    np.testing.assert_array_equal(nearest.scores, plain.scores)
    np.testing.assert_array_equal(nearest.rows, plain.rows)


@settings(max_examples=300, deadline=None)
@given(
    data=st.sampled_from(DATA),
    kind=st.sampled_from(QUERIES),
    n=st.integers(1, 4_000),
    seed=st.integers(0, 2**32 - 1),
    share=st.one_of(st.none(), st.floats(0, 1)),
    wanted=st.one_of(st.integers(1, 80), st.integers(1, 4_000)),
)
def test_answers_are_those_of_a_scan_of_all_vectors(
    data: Data, kind: str, n: int, seed: int, share: float | None, wanted: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = data(rng, n).astype(np.float16)
    index, plain = FaissShortIndex.of(vectors), FaissExactIndex(vectors)
    query = query_of(kind, rng, vectors, ShortForms.restored(index.arrays()))
    allowed = np.ones(n, bool) if share is None else rng.random(n) < share
    k = min(wanted, int(allowed.sum()))
    if k == 0:
        return
    nearest = index.scan(query, k, None if share is None else RowSet.of_mask(allowed))
    assert_exact(nearest, vectors, query, allowed, k)
    rows = np.flatnonzero(allowed)
    gathered = plain.gather(query, k, rows)
    assert_same(index.gather(query, k, rows), gathered)
    np.testing.assert_array_equal(nearest.scores, gathered.scores)
    if share is None:
        assert_same(nearest, plain.scan(query, k, None))
    least = float(gathered.scores[rng.integers(k)])
    for found in (
        index.scan(query, k, None if share is None else RowSet.of_mask(allowed), least),
        index.gather(query, k, rows, least),
    ):
        count = np.count_nonzero(gathered.scores >= least)
        np.testing.assert_array_equal(found.scores[:count], gathered.scores[:count])
        assert allowed[found.rows].all()


@pytest.mark.parametrize("most", [100, 2_048, 5_000])
def test_rows_that_are_copied_out_in_blocks_are_coded_apart(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("indexer.index.vectors.faiss_exact._AT_ONCE", most)
    monkeypatch.setattr("indexer.index.vectors.faiss_exact._READ_FIRST", 50)
    rng = np.random.default_rng(9)
    vectors = clustered(rng, 12_000).astype(np.float16)
    index, plain = FaissShortIndex.of(vectors), FaissExactIndex(vectors)
    for count in (60, 2_047, 2_049, 11_999):
        rows = np.sort(rng.choice(12_000, count, replace=False))
        query = vectors[rng.integers(12_000)].astype(np.float32)
        assert_same(index.gather(query, 40, rows), plain.gather(query, 40, rows))


@settings(max_examples=200, deadline=None)
@given(
    data=st.sampled_from(DATA),
    kind=st.sampled_from(QUERIES),
    n=st.integers(1, 3_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_score_is_farther_from_its_short_form_than_the_error_bound(
    data: Data, kind: str, n: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = data(rng, n).astype(np.float16)
    short = ShortForms.of(vectors)
    query = query_of(kind, rng, vectors, short)
    encoded = short.encode_query(query)
    steps = short.codes.astype(np.float64) - 128
    bounds = short.bounds(encoded)
    coded = bounds.offset + encoded.unit * (steps @ encoded.numbers.astype(np.float64))
    scores = vectors.astype(np.float64) @ query.astype(np.float64)
    assert np.abs(scores - coded).max() <= bounds.error


def test_the_error_bound_holds_for_queries_made_to_be_rounded_worst() -> None:
    """Products with the directions in which one row's steps are rounded most, all of one sign."""
    rng = np.random.default_rng(1)
    vectors = clustered(rng, 2_000).astype(np.float16)
    short = ShortForms.of(vectors)
    squares = (short.directions.astype(np.float64) ** 2).sum(axis=0)
    exact = (vectors.astype(np.float64) - short.mean) @ (short.directions / squares)
    for row in range(100):
        off = exact[row] - np.rint(exact[row])
        query = (short.directions / squares) @ np.where(np.abs(off) > 0.4, np.sign(off), 0)
        encoded = short.encode_query(query.astype(np.float32))
        bounds = short.bounds(encoded)
        coded = encoded.numbers @ (short.codes[row].astype(np.float64) - 128)
        error = vectors[row].astype(np.float64) @ query - bounds.offset - encoded.unit * coded
        assert 0.4 * np.abs(np.sign(off[np.abs(off) > 0.4])).sum() <= error <= bounds.error


def test_the_best_row_is_found_though_its_form_falls_short_and_the_next_bests_does_not() -> None:
    rng = np.random.default_rng(2)
    vectors = np.zeros((6_000, DIMENSION))
    vectors[:, :32] = 0.05 * rng.standard_normal((6_000, 32))
    # The last number hardly varies, so that no direction has it; its product is 0.2 either way.
    top = np.zeros((2, DIMENSION))
    top[:, 0], top[0, -1], top[1, -1] = (1.0, 1.3), 0.4, -0.4
    vectors[[5_000, 10]] = top
    vectors = vectors.astype(np.float16)
    query = np.zeros(DIMENSION, np.float32)
    query[[0, -1]] = 1, 0.5
    index = FaissShortIndex.of(vectors)
    short = ShortForms.restored(index.arrays())
    encoded = short.encode_query(query)
    coded = short.codes[[5_000, 10]].astype(np.float64) @ encoded.numbers
    bound = short.bounds(encoded).error / encoded.unit
    assert bound < coded[1] - coded[0] < 2 * bound, "one bound alone would rule out the best"
    assert index.scan(query, 1, None).rows.tolist() == [5_000]


def test_extremes_of_every_part_of_a_large_corpus_are_known() -> None:
    """What is copied in parts is measured over all of them."""
    rng = np.random.default_rng(3)
    vectors = clustered(rng, 20_000)
    vectors[5] = 4 * rng.standard_normal(DIMENSION)
    vectors = vectors.astype(np.float16)
    short = ShortForms.of(vectors)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    steps = np.linalg.norm(short.codes.astype(np.float64) - 128, axis=1)
    np.testing.assert_allclose(short.lengths[1:3], [lengths.max(), steps.max()], rtol=1e-5)
    query = vectors[5].astype(np.float32)
    assert FaissShortIndex(vectors, short).scan(query, 1, None).rows.tolist() == [5]


def test_queries_like_the_vectors_have_a_small_error_bound() -> None:
    """Else nothing would be ruled out, and searches be exact but slow."""
    rng = np.random.default_rng(4)
    vectors = clustered(rng, 5_000).astype(np.float16)
    short = ShortForms.of(vectors)
    scores = vectors.astype(np.float32) @ vectors[:50].T.astype(np.float32)
    errors = [
        short.bounds(short.encode_query(row.astype(np.float32))).error for row in vectors[:50]
    ]
    assert np.median(errors) < 0.5 * scores.std(axis=0).mean()
    assert short.codes.shape == (5_000, 32)


@pytest.mark.parametrize("saved", [WITH_SHORT, CpuBuilder(most_exact=500)])
def test_an_index_that_lacks_its_short_forms_is_searched_and_made_anew_later(saved) -> None:
    vectors = clustered(np.random.default_rng(5), 1_000).astype(np.float16)
    for index in (WITH_SHORT.quick(vectors), CpuBuilder().restore(saved(vectors).arrays())):
        again = WITH_SHORT.restore(index.arrays())
        assert again.scan(vectors[3].astype(np.float32), 1, None).rows.tolist() == [3]
        merged = WITH_SHORT.merged([(again, np.arange(1_000))], lambda: None)
        assert WITH_SHORT.is_settled(merged)
        np.testing.assert_array_equal(merged.vectors(), vectors)
    assert not WITH_SHORT.is_settled(WITH_SHORT.quick(vectors))
    assert WITH_SHORT.is_settled(WITH_SHORT.quick(vectors[:500]))


def test_short_forms_come_back_from_a_snapshot_as_they_were() -> None:
    vectors = clustered(np.random.default_rng(6), 1_000).astype(np.float16)
    index = WITH_SHORT(vectors)
    again = WITH_SHORT.restore(dict(index.arrays()))
    assert again.name == index.name
    assert WITH_SHORT.is_settled(again)
    for name, array in index.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)


def test_rows_that_must_reach_a_score_are_named_and_allowed_ones_also_of_many() -> None:
    """Above 4,000 rows heads are read before short forms, of all rows and of some."""
    rng = np.random.default_rng(9)
    vectors = clustered(rng, 30_000).astype(np.float16)
    index, plain = FaissShortIndex.of(vectors), FaissExactIndex(vectors)
    for allowed in (np.ones(30_000, bool), rng.random(30_000) < 0.6, rng.random(30_000) < 0.14):
        rows, query = np.flatnonzero(allowed), vectors[rng.integers(30_000)].astype(np.float32)
        expected = plain.gather(query, 200, rows)
        for place in (0, 60, 199):
            least = float(expected.scores[place])
            found = index.scan(query, 200, RowSet.of_mask(allowed), least)
            count = np.count_nonzero(expected.scores >= least)
            np.testing.assert_array_equal(found.rows[:count], expected.rows[:count])


def test_damaged_short_forms_are_refused() -> None:
    vectors = clustered(np.random.default_rng(7), 1_000).astype(np.float16)
    for index in (WITH_SHORT(vectors), FaissIvfIndex.of(vectors)):
        for name in (
            "short_codes",
            "short_rounding",
            "short_lengths",
            "short_directions",
            "short_heads",
        ):
            arrays = dict(index.arrays())
            arrays[name] = arrays[name][:-1]
            with pytest.raises(ValueError, match="short forms"):
                CpuBuilder(None if index.is_exact else 500).restore(arrays)


def test_an_index_with_lists_is_exact_on_named_rows_and_under_narrow_filters() -> None:
    rng = np.random.default_rng(8)
    vectors = clustered(rng, 12_000).astype(np.float16)
    index, plain = FaissIvfIndex.of(vectors), FaissExactIndex(vectors)
    for share in (0.6, 0.04, 0.01):
        query = vectors[rng.integers(12_000)].astype(np.float32)
        allowed = np.arange(12_000) % 100 < 100 * share
        rows = np.flatnonzero(allowed)
        assert_same(index.gather(query, 30, rows), plain.gather(query, 30, rows))
        if share <= index.exact_share:
            assert_same(
                index.scan(query, 30, RowSet.of_mask(allowed)),
                plain.scan(query, 30, RowSet.of_mask(allowed)),
            )
