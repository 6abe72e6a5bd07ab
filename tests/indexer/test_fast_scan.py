"""Product codes in lists, beside the arithmetic that they stand for, and as part of an index."""

from functools import cache
from itertools import pairwise
from typing import Any

import faiss
import numpy as np
import pytest

from indexer.index.row_sets import RowSet
from indexer.index.vectors import CpuBuilder
from indexer.index.vectors.faiss_ivf import FaissIvfIndex
from indexer.index.vectors.fast_scan import FastScan, ProductCodes, ProductErrors
from indexer.index.vectors.lists import Lists, Shapes
from indexer.index.vectors.short import ShortForms

ROWS, LISTS, K = 6_000, 40, 50


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@cache
def clustered(numbers: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in clusters, cluster after cluster, and where each one begins."""
    rng = np.random.default_rng(20)
    which = np.sort(rng.integers(0, LISTS, ROWS))
    spread = np.geomspace(1, 0.1, numbers)  # some directions say more than others
    centres = rng.standard_normal((LISTS, numbers))
    vectors = (centres[which] + 0.6 * rng.standard_normal((ROWS, numbers))) * spread
    return unit(vectors), np.searchsorted(which, np.arange(LISTS + 1))


@cache
def encoded(numbers: int) -> tuple[ShortForms, Shapes, ProductCodes, FastScan, Lists]:
    vectors, starts = clustered(numbers)
    short = ShortForms.of(vectors)
    shapes = Shapes.of(short.codes, starts)
    product = ProductCodes.of(short, shapes, starts)
    # Rows have names of their own: each list's run backwards.
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in pairwise(starts)])
    lists = Lists(order.astype(np.int32), starts, np.zeros((LISTS, numbers), np.float32), ROWS)
    return short, shapes, product, FastScan(product, lists, shapes, short.worth), lists


def stands_for(numbers: int) -> np.ndarray:
    """What the codes of each row stand for, less the mean: (n, d)."""
    short, shapes, product, _, lists = encoded(numbers)
    list_of = np.repeat(np.arange(LISTS), np.diff(lists.starts))
    steps = shapes.centres[list_of] + product.decoded(slice(None)) / short.worth
    return steps @ short.directions.T


@pytest.mark.parametrize("numbers", [5, 64, 96])
def test_codes_lose_little_of_what_vectors_spread(numbers: int) -> None:
    vectors = clustered(numbers)[0].astype(np.float64)
    centred = vectors - encoded(numbers)[0].mean
    lost = np.square(centred - stands_for(numbers)).sum() / np.square(centred).sum()
    assert lost < 0.1


@pytest.mark.parametrize("numbers", [5, 64, 96])
def test_scores_are_those_of_what_codes_stand_for_but_for_the_rounding(numbers: int) -> None:
    short, shapes, _, fast, lists = encoded(numbers)
    query = clustered(numbers)[0][7].astype(np.float32)
    along = short.along(query)
    asked = fast.ask(along, shapes.scores(along)[0])
    some = np.array([3, 17, 30])
    rows, scores = fast.nearest(asked, ROWS, some, None)
    exact = stands_for(numbers) @ query
    place_of = np.argsort(lists.order)
    assert len(rows) == sum(np.diff(lists.starts)[some])
    np.testing.assert_allclose(scores, exact[place_of[rows]], atol=6 * asked.rounding + 1e-4)


def test_only_allowed_rows_of_the_lists_that_are_read_are_found() -> None:
    short, shapes, _, fast, lists = encoded(64)
    along = short.along(clustered(64)[0][7].astype(np.float32))
    asked = fast.ask(along, shapes.scores(along)[0])
    allowed = np.random.default_rng(21).random(ROWS) < 0.3
    bits = np.packbits(allowed, bitorder="little")
    some = np.array([2, 5])
    rows, _ = fast.nearest(asked, 10_000, some, faiss.IDSelectorBitmap(bits))
    assert allowed[rows].all()
    inside = np.concatenate([lists.order[lists.starts[at] : lists.starts[at + 1]] for at in some])
    assert np.isin(rows, inside).all()
    assert len(rows) == allowed[inside].sum()


def test_errors_are_as_wide_as_they_are_said_to_be() -> None:
    vectors, starts = clustered(64)
    short, shapes, product, _, _ = encoded(64)
    errors = ProductErrors(product, short, shapes, starts, vectors)
    for query in vectors[::600].astype(np.float32):
        exact = vectors.astype(np.float64) @ query - short.mean @ query
        measured = np.sqrt(np.square(exact - stands_for(64) @ query).mean())
        assert errors.deviation(query) == pytest.approx(measured, rel=0.1)


@pytest.fixture
def sifted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each search left over that gave product codes up."""
    left: list[int] = []
    whole = FaissIvfIndex._sifted

    def watched(index: FaissIvfIndex, *arguments: Any) -> np.ndarray:
        rows = whole(index, *arguments)
        left.append(len(rows))
        return rows

    monkeypatch.setattr(FaissIvfIndex, "_sifted", watched)
    return left


def alike() -> np.ndarray:
    """Vectors whose last eight numbers are nearly the same for all."""
    rng = np.random.default_rng(22)
    first = rng.standard_normal((ROWS, 56))
    last = np.ones(8) + 0.003 * rng.standard_normal((ROWS, 8))
    return np.concatenate([unit(first), unit(last)], axis=1)


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_query_of_which_product_codes_say_too_little_costs_no_recall(share: float) -> None:
    vectors = alike()
    index, rng, found = FaissIvfIndex.of(vectors), np.random.default_rng(23), 0.0
    for query in vectors[:20].astype(np.float32):
        query[:56] = 0
        allowed = rng.random(ROWS) < share
        scores = np.where(allowed, vectors.astype(np.float64) @ query, -2)
        last = np.sort(scores)[-K]
        nearest = index.scan(query, K, None if allowed.all() else RowSet.of_mask(allowed))
        assert allowed[nearest.rows].all()
        found += np.count_nonzero(nearest.scores >= last - 1e-6) / K
    assert found / 20 >= 0.99


def test_giving_up_product_codes_changes_no_answer_for_the_worse(
    monkeypatch: pytest.MonkeyPatch, sifted: list[int]
) -> None:
    vectors = clustered(64)[0]
    index = FaissIvfIndex.of(vectors)
    for name in ("_LEAST", "_EACH", "_MORE"):  # no round keeps enough
        monkeypatch.setattr(f"indexer.index.vectors.faiss_ivf.{name}", 1)
    for query in vectors[:20].astype(np.float32):
        wanted = np.argsort(-(vectors.astype(np.float64) @ query), kind="stable")[:K]
        assert np.isin(wanted, index.scan(query, K, None).rows).mean() >= 0.98
    assert len(sifted) == 20


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(("kinds", "copies"), [(1, 40), (3, 1), (5, 1), (5, 30), (20, 4), (40, 30)])
def test_vectors_that_come_many_times_over_lose_none_to_the_least_score(
    kinds: int, copies: int, share: float
) -> None:
    vectors = np.repeat(clustered(64)[0][:: ROWS // kinds][:kinds], copies, axis=0)
    index = FaissIvfIndex.of(vectors)
    allowed = np.random.default_rng(24).random(len(vectors)) < share
    allowed[0] = True
    for query in vectors[::copies].astype(np.float32):
        scores = np.sort((vectors.astype(np.float64) @ query)[allowed])[::-1]
        for k in {1, len(scores) // 2 or 1, min(100, len(scores)), len(scores)}:
            nearest = index.scan(query, k, None if allowed.all() else RowSet.of_mask(allowed))
            # A list may be left out for one that scores 0.01 less; lost ones scored 0.1 more.
            np.testing.assert_allclose(nearest.scores, scores[:k], atol=0.02)


@pytest.mark.parametrize("numbers", [32, 64, 160])
def test_codes_serve_vectors_of_every_length(numbers: int) -> None:
    rng = np.random.default_rng(12)
    vectors = rng.standard_normal((3_000, numbers))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    index, found = FaissIvfIndex.of(vectors), 0.0
    allowed = rng.random(3_000) < 0.2  # every list is read
    for query in vectors[:20].astype(np.float32):
        scores = np.where(allowed, vectors.astype(np.float64) @ query, -2)
        wanted = np.argsort(-scores, kind="stable")[:5]
        found += np.isin(wanted, index.scan(query, 5, RowSet.of_mask(allowed)).rows).mean()
    assert found / 20 >= 0.99


@pytest.mark.parametrize("name", ["product_codes", "product_points", "product_dealt"])
def test_a_snapshot_with_product_codes_that_do_not_fit_is_refused(name: str) -> None:
    build = CpuBuilder(most_exact=200)
    arrays = dict(build(clustered(64)[0]).arrays())
    whole = arrays.pop(name)
    with pytest.raises(KeyError, match=name):
        build.restore(arrays)
    for wrong in (whole[:-1], whole[:0]):
        with pytest.raises(ValueError, match="product codes"):
            build.restore({**arrays, name: wrong})
