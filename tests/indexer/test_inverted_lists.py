"""Inverted lists of product codes: trained as FAISS trains them, interruptible, and honest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Event
from typing import Any

import faiss
import numpy as np
import pytest

from indexer.index.drafts import SegmentDraft
from indexer.index.merging import LiveView, Merge, Merger
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment
from indexer.index.vectors import CpuBuilder, Kept, VectorIndex
from indexer.index.vectors.faiss_exact import FaissShortIndex
from indexer.index.vectors.faiss_ivf import FaissIvfIndex
from indexer.index.vectors.inverted_lists import InvertedLists, k_means, lists_for
from indexer.marks import Change
from indexer.search.ranking import AllowedRows, rank
from indexer.search.scoring import Query
from models.encoder import Block

ROWS, DIMENSION, K = 8_000, 32, 50


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@cache
def clustered(numbers: int = DIMENSION) -> np.ndarray:
    """Vectors in clusters; some directions say more than others."""
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((150, numbers))[rng.integers(0, 150, ROWS)]
    vectors += 0.6 * rng.standard_normal(vectors.shape)
    return unit(vectors * np.geomspace(1, 0.3, numbers))


@cache
def filled(numbers: int = DIMENSION) -> InvertedLists:
    return InvertedLists.trained_on(clustered(numbers), numbers).filled(clustered(numbers))


def rows_by_list(lists: InvertedLists) -> list[np.ndarray]:
    held = lists.index.invlists
    return [
        faiss.rev_swig_ptr(held.get_ids(at), held.list_size(at)).copy()
        if held.list_size(at)
        else np.zeros(0, np.int64)
        for at in range(lists.index.nlist)
    ]


def mean_square(vectors: np.ndarray, centroids: np.ndarray) -> float:
    """Of the distances to the nearest centroid."""
    index = faiss.IndexFlatL2(vectors.shape[1])
    index.add(centroids)
    return float(index.search(vectors, 1)[0].mean())


def test_lists_are_as_tight_as_those_of_faiss() -> None:
    count, ours, theirs = lists_for(ROWS), 0.0, 0.0
    for seed in range(4):
        points = np.random.default_rng(seed).permutation(clustered().astype(np.float32))
        ours += mean_square(points, k_means(points, count))
        trained = faiss.Kmeans(DIMENSION, count, niter=8, seed=seed, min_points_per_centroid=1)
        trained.train(points)
        theirs += mean_square(points, trained.centroids)
    assert ours <= 1.01 * theirs


@pytest.mark.parametrize(
    ("rows", "lists"), [(1, 1), (3, 3), (100, 32), (10**5, 1024), (10**6, 4096)]
)
def test_lists_grow_with_the_square_root_of_rows(rows: int, lists: int) -> None:
    assert lists_for(rows) == lists


def test_each_row_is_in_the_list_of_its_nearest_centroid() -> None:
    lists = filled()
    held = rows_by_list(lists)
    assert len(held[-1]) == 0, "the list that FAISS' rounding needs empty"
    list_of = np.empty(ROWS, int)
    for at, rows in enumerate(held):
        list_of[rows] = at
    points = (clustered().astype(np.float64) - lists.mean) @ lists.components.T
    distances = ((points[:, None] - lists.centroids[None]) ** 2).sum(axis=2)
    own = distances[np.arange(ROWS), list_of]
    np.testing.assert_allclose(own, distances.min(axis=1), atol=1e-5)


def test_few_different_vectors_many_times_over_are_sorted_into_lists_too() -> None:
    vectors = np.repeat(clustered()[:5], 300, axis=0)
    lists = InvertedLists.trained_on(vectors, DIMENSION).filled(vectors)
    assert np.isfinite(lists.centroids).all()
    held = [rows for rows in rows_by_list(lists) if len(rows)]
    assert len(held) >= 5  # centroids of equal vectors share them
    for rows in held:
        assert (vectors[rows] == vectors[rows[0]]).all()


@pytest.mark.parametrize("numbers", [5, 64, 96])
def test_product_codes_lose_little_of_what_scores_spread(numbers: int) -> None:
    vectors = clustered(numbers)
    for query in vectors[::1_600].astype(np.float32):
        rows, coded = filled(numbers).best(query, ROWS, ROWS, None)
        assert len(rows) == ROWS
        scores = vectors.astype(np.float64) @ query
        assert np.square(coded - scores[rows]).mean() < 0.1 * scores.var()


def test_only_allowed_rows_are_found_and_the_best_of_them() -> None:
    allowed = np.random.default_rng(21).random(ROWS) < 0.3
    query = clustered()[7].astype(np.float32)
    rows, coded = filled().best(query, ROWS, ROWS, RowSet.of_mask(allowed))
    np.testing.assert_array_equal(np.sort(rows), np.flatnonzero(allowed))
    few, of_few = filled().best(query, 20, 100, RowSet.of_mask(allowed))
    assert len(few) == 100
    assert allowed[few].all()
    np.testing.assert_allclose(np.sort(of_few)[-20:], np.sort(coded)[-20:], atol=0.02)


@pytest.fixture
def exact_scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many allowed rows there were in each scan that product codes were too coarse for."""
    counts: list[int] = []
    scan = FaissShortIndex.scan

    def watched(index: FaissShortIndex, *asked: Any):
        allowed = asked[2]
        counts.append(len(index) if allowed is None else len(allowed))
        return scan(index, *asked)

    monkeypatch.setattr(FaissShortIndex, "scan", watched)
    return counts


def alike() -> np.ndarray:
    """Vectors whose last eight numbers are nearly the same for all."""
    rng = np.random.default_rng(22)
    first = rng.standard_normal((ROWS, 56))
    last = np.ones(8) + 0.003 * rng.standard_normal((ROWS, 8))
    return np.concatenate([unit(first), unit(last)], axis=1)


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_query_of_which_product_codes_say_too_little_costs_no_recall(
    share: float, exact_scans: list[int]
) -> None:
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
    assert len(exact_scans) == 20


def test_giving_up_product_codes_changes_no_answer_for_the_worse(
    monkeypatch: pytest.MonkeyPatch, exact_scans: list[int]
) -> None:
    vectors = clustered(64)
    index = FaissIvfIndex.of(vectors)
    for name in ("_LEAST", "_EACH"):  # too few rows are compared
        monkeypatch.setattr(f"indexer.index.vectors.faiss_ivf.{name}", 1)
    for query in vectors[:20].astype(np.float32):
        wanted = np.argsort(-(vectors.astype(np.float64) @ query), kind="stable")[:K]
        assert np.isin(wanted, index.scan(query, K, None).rows).mean() >= 0.98
    assert len(exact_scans) == 20


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(("kinds", "copies"), [(1, 40), (3, 1), (5, 1), (5, 30), (20, 4), (40, 30)])
def test_vectors_that_come_many_times_over_lose_none_to_the_least_score(
    kinds: int, copies: int, share: float
) -> None:
    vectors = np.repeat(clustered(64)[:: ROWS // kinds][:kinds], copies, axis=0)
    index = FaissIvfIndex.of(vectors)
    allowed = np.random.default_rng(24).random(len(vectors)) < share
    allowed[0] = True
    for query in vectors[::copies].astype(np.float32):
        scores = np.sort((vectors.astype(np.float64) @ query)[allowed])[::-1]
        for k in {1, len(scores) // 2 or 1, min(100, len(scores)), len(scores)}:
            nearest = index.scan(query, k, None if allowed.all() else RowSet.of_mask(allowed))
            # A list may be left out for one that scores 0.01 less; lost ones scored 0.1 more.
            np.testing.assert_allclose(nearest.scores, scores[:k], atol=0.02)


def test_a_mark_is_found_by_its_own_vector_whatever_the_weights() -> None:
    """Also in a list that promises little: of rows far from their centroid in what is weighed."""
    blocks, rng = (Block("colour", 0, 8, 0.5), Block("form", 8, 48, 0.5)), np.random.default_rng(1)
    spread = rng.choice([0.05, 0.3, 1.0, 3.0], size=(6_000, 1))
    vectors = rng.standard_normal((300, 48))[rng.integers(0, 300, 6_000)]
    vectors += spread * rng.standard_normal(vectors.shape)
    vectors = np.concatenate([unit(vectors[:, one.start : one.stop]) for one in blocks], axis=1)
    draft = SegmentDraft(48)
    draft.add(
        [Change(f"m{at}", at, False, vectors[at - 1 : at], number=at) for at in range(1, 6_001)]
    )
    quick = draft.segment(CpuBuilder())
    assert quick is not None
    segment = Merge((LiveSegment.of(quick),)).segment(CpuBuilder(most_exact=200), lambda: None)
    assert not segment.vectors.is_exact
    allowed = [AllowedRows(segment, RowSet.all(6_000), 6_000)]
    for at in range(5_200, 6_000):
        query = Query(blocks, vectors[at : at + 1], {"form": 1.0, "colour": 0.0})
        assert at + 1 in {one.number for one in rank(allowed, query, 1).best}


@pytest.mark.parametrize("rows", [1, 2, 3, 17, 300])
def test_corpora_of_any_size_have_lists_and_are_searched_whole(rows: int) -> None:
    vectors = clustered()[:rows]
    index = FaissIvfIndex.of(vectors)
    nearest = index.scan(vectors[0].astype(np.float32), rows, None)
    assert sorted(nearest.rows.tolist()) == list(range(rows))
    assert nearest.rows[0] == 0
    assert index.scan(vectors[0].astype(np.float32), 1, None).rows.tolist() == [0]


@pytest.mark.parametrize("numbers", [32, 64, 160])
def test_codes_serve_vectors_of_every_length(numbers: int) -> None:
    rng = np.random.default_rng(12)
    vectors = unit(rng.standard_normal((3_000, numbers)))
    index, found = FaissIvfIndex.of(vectors), 0.0
    allowed = rng.random(3_000) < 0.2  # every list is read
    for query in vectors[:20].astype(np.float32):
        scores = np.where(allowed, vectors.astype(np.float64) @ query, -2)
        wanted = np.argsort(-scores, kind="stable")[:5]
        found += np.isin(wanted, index.scan(query, 5, RowSet.of_mask(allowed)).rows).mean()
    assert found / 20 >= 0.99


class GivenUp(Exception):
    pass


@pytest.mark.parametrize("call", [1, 2, 9, 20, 30])
def test_training_lists_asks_often_whether_to_go_on_and_ends_at_once(call: int) -> None:
    asked = []

    def proceed() -> None:
        asked.append(len(asked))
        if len(asked) == call:
            raise GivenUp

    with pytest.raises(GivenUp):
        FaissIvfIndex.of(clustered(), proceed)
    assert len(asked) == call


@dataclass(frozen=True)
class Watched(CpuBuilder):
    """A builder that waits in the middle of training lists until it is told to give up."""

    begun: Event = field(default_factory=Event)
    asked: list[int] = field(default_factory=list)

    def merged(self, parts: Sequence[Kept], proceed: Callable[[], None]) -> VectorIndex:
        def watched() -> None:
            self.asked.append(1)
            if len(self.asked) == 12:  # rows are copied and shortened, and k-means is under way
                self.begun.set()
                while True:
                    proceed()
                    time.sleep(0.002)

        return super().merged(parts, watched)


def test_stopping_while_lists_are_trained_ends_the_training() -> None:
    watched = Watched(most_exact=100)
    live = LiveView(watched)
    merger = Merger(live, watched, lambda rows: None)
    draft = SegmentDraft(DIMENSION)
    draft.add(
        [
            Change(f"m{at}", at + 1, False, one, number=at)
            for at, one in enumerate(clustered()[:, None])
        ]
    )
    live.advance(draft, ROWS)
    merger.start()
    assert watched.begun.wait(60)
    merger.stop()
    assert len(watched.asked) == 12
    assert live.now.parts[0].segment.vectors.is_exact, "no lists were found"
    assert live.now.total == ROWS
