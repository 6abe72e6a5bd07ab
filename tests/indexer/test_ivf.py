"""Inverted lists against brute force: what they find is exact, and they find nearly all."""

import threading
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.index.drafts import SegmentDraft
from indexer.index.merging import LiveView, Merger
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, ReadView, Segment
from indexer.index.vectors import CpuBuilder, IndexChoice, TorchBuilder, open_builder
from indexer.index.vectors.faiss_exact import FaissExactIndex
from indexer.index.vectors.faiss_ivf import FaissIvfIndex
from indexer.index.vectors.inverted_lists import lists_for
from indexer.marks import Change
from indexer.search.ranking import PAIR_LOSS, AllowedRows, rank
from indexer.search.scoring import Query
from models.encoder import Block
from models.errors import MarkLensError

BLOCKS = (Block("visual", 0, 24, 1.0), Block("concept", 24, 40, 0.5), Block("colour", 40, 48, 0.25))
DIMENSION, ROWS, K = 48, 12_000, 50
WITH_LISTS = CpuBuilder(most_exact=200)


def unit_blocks(vectors: np.ndarray) -> np.ndarray:
    for block in BLOCKS:
        part = vectors[:, block.start : block.stop]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors.astype(np.float16)


@cache
def corpus() -> tuple[np.ndarray, np.ndarray, FaissIvfIndex]:
    """Vectors in clusters, the cluster of each, and their index."""
    rng = np.random.default_rng(4)
    clusters = rng.integers(0, 400, ROWS)
    centres = rng.standard_normal((400, DIMENSION))
    vectors = unit_blocks(centres[clusters] + 0.7 * rng.standard_normal((ROWS, DIMENSION)))
    return vectors, clusters, FaissIvfIndex.of(vectors)


def queries(n: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    vectors = corpus()[0][rng.choice(ROWS, n, replace=False)].astype(np.float32)
    return unit_blocks(vectors + 0.1 * rng.standard_normal(vectors.shape))


def weighted(query: np.ndarray, weights: dict[str, float] | None = None) -> np.ndarray:
    return Query(BLOCKS, query[None], weights).scorers[0].scaled


def best_rows(query: np.ndarray, allowed: np.ndarray, k: int) -> np.ndarray:
    rows = np.flatnonzero(allowed)
    scores = corpus()[0][rows].astype(np.float64) @ query.astype(np.float64)
    return rows[np.argsort(-scores, kind="stable")[:k]]


def mean_recall(allowed: list[np.ndarray], weights: dict[str, float] | None = None) -> float:
    index, found = corpus()[2], []
    for query, mask in zip(queries(len(allowed)), allowed, strict=True):
        scaled = weighted(query, weights)
        wanted = best_rows(scaled, mask, K)
        nearest = index.scan(scaled, len(wanted), None if mask.all() else RowSet.of_mask(mask))
        found.append(np.isin(wanted, nearest.rows).mean())
    return float(np.mean(found))


EVERYTHING = np.ones(ROWS, bool)
EXACT_SHARES = st.sampled_from([0.0, 1.0])
WEIGHTS = [None, {"concept": 0, "colour": 0}, {"visual": 0, "colour": 0}, {"visual": 0.2}]


@pytest.mark.parametrize("weights", WEIGHTS)
def test_without_a_filter_hardly_a_mark_is_missed_whatever_the_weights(weights) -> None:
    assert mean_recall([EVERYTHING] * 60, weights) >= 0.99


@pytest.fixture(params=[0.0, 1.0], ids=["by lists", "all"])
def filtered_both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that a filter leaves are sought in their lists, or all compared."""
    monkeypatch.setattr(FaissIvfIndex, "exact_share", request.param)


@pytest.mark.usefixtures("filtered_both_ways")
@pytest.mark.parametrize("share", [0.5, 0.1, 0.06, 0.01, 0.001])
def test_filters_that_have_nothing_to_do_with_the_query_cost_no_recall(share: float) -> None:
    rng = np.random.default_rng(6)
    assert mean_recall([rng.random(ROWS) < share for _ in range(60)]) >= 0.99


@pytest.mark.usefixtures("filtered_both_ways")
@pytest.mark.parametrize("share", [0.5, 0.1])
def test_filters_that_go_with_clusters_cost_no_recall(share: float) -> None:
    rng, clusters = np.random.default_rng(7), corpus()[1]
    allowed = [(rng.random(400) < share)[clusters] for _ in range(60)]
    assert mean_recall(allowed) >= 0.99


@pytest.mark.usefixtures("filtered_both_ways")
def test_a_filter_that_leaves_only_the_farthest_marks_costs_no_recall() -> None:
    vectors, masks = corpus()[0].astype(np.float32), []
    for query in queries(40):
        scores = vectors @ query.astype(np.float32)
        masks.append(scores < np.quantile(scores, 0.1))
    assert mean_recall(masks) >= 0.99


@settings(max_examples=100, deadline=None)
@given(
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.floats(0.01, 5),
    EXACT_SHARES,
)
def test_what_is_found_is_allowed_as_much_as_asked_for_and_exactly_scored(
    share: float, seed: int, k: int, weight: float, exact_share: float
) -> None:
    vectors, _, index = corpus()
    rng = np.random.default_rng(seed)
    allowed = rng.random(ROWS) < share
    query = weighted(vectors[rng.integers(ROWS)], {"colour": weight})
    k = min(k, int(allowed.sum()))
    if k == 0:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FaissIvfIndex, "exact_share", exact_share)
        nearest = index.scan(query, k, RowSet.of_mask(allowed))
    assert len(np.unique(nearest.rows)) == k
    assert allowed[nearest.rows].all()
    assert (np.diff(nearest.scores) <= 0).all()
    exact = vectors[nearest.rows].astype(np.float64) @ query
    np.testing.assert_allclose(nearest.scores, exact, atol=1e-6)


def test_few_allowed_rows_are_compared_one_and_all() -> None:
    index, rng = corpus()[2], np.random.default_rng(8)
    for query in queries(20):
        allowed = rng.random(ROWS) < 0.03
        nearest = index.scan(weighted(query), K, RowSet.of_mask(allowed))
        assert nearest.rows.tolist() == best_rows(weighted(query), allowed, K).tolist()
        rows = np.flatnonzero(allowed)
        assert index.gather(weighted(query), K, rows).rows.tolist() == nearest.rows.tolist()


def test_lists_give_back_every_vector_in_the_order_of_rows() -> None:
    vectors, _, index = corpus()
    np.testing.assert_array_equal(index.vectors(), vectors)
    np.testing.assert_array_equal(index.vectors(np.array([7, 3])), vectors[[7, 3]])
    with pytest.raises(ValueError, match="read-only"):
        index.vectors()[0, 0] = 1


def test_a_list_of_lower_mean_is_read_while_its_spread_may_reach_the_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lists whose rows score alike, 0.80 to 0.95, and lists with scores from 0 to 1."""
    rng = np.random.default_rng(10)
    narrow, wide, rows = 60, 140, 20
    scores = np.concatenate(
        [np.repeat(np.linspace(0.95, 0.8, narrow), rows), np.cos(rng.uniform(0, 1.57, wide * rows))]
    )
    vectors = rng.standard_normal((len(scores), DIMENSION))
    vectors[:, 0] = 0
    vectors *= np.sqrt(1 - scores**2)[:, None] / np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[:, 0] = scores

    def means_of_lists(points: np.ndarray, count: int, proceed: object) -> np.ndarray:
        shuffled = np.random.default_rng(1).permutation(len(scores))  # as training draws them
        in_order = np.empty_like(points)
        in_order[shuffled] = points
        return in_order.reshape(narrow + wide, rows, -1).mean(axis=1)

    monkeypatch.setattr("indexer.index.vectors.inverted_lists.k_means", means_of_lists)
    index = FaissIvfIndex.of(vectors.astype(np.float16))
    query = np.eye(DIMENSION, dtype=np.float32)[0]
    wanted = np.argsort(-vectors.astype(np.float16)[:, 0].astype(np.float64), kind="stable")[:K]
    assert np.isin(wanted, index.scan(query, K, None).rows).mean() >= 0.98


def test_vectors_of_few_directions_have_forms_as_short_and_lose_no_recall() -> None:
    rng = np.random.default_rng(11)
    plane = rng.standard_normal((12, 160))
    vectors = rng.standard_normal((6_000, 12)) @ plane + 0.01 * rng.standard_normal((6_000, 160))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    index = FaissIvfIndex.of(vectors)
    assert index.arrays()["short_codes"].shape == (6_000, 32)
    found = 0.0
    for query in vectors[:40].astype(np.float32):
        wanted = np.argsort(-(vectors.astype(np.float64) @ query), kind="stable")[:K]
        found += np.isin(wanted, index.scan(query, K, None).rows).mean()
    assert found / 40 >= 0.99


def test_arrays_without_short_forms_are_refused_so_that_the_index_is_made_anew() -> None:
    arrays = dict(corpus()[2].arrays())
    del arrays["short_codes"]
    with pytest.raises(KeyError):
        WITH_LISTS.restore(arrays)


def test_short_forms_of_another_shape_are_refused() -> None:
    arrays = dict(corpus()[2].arrays())
    arrays["short_codes"] = arrays["short_codes"][:-1]
    with pytest.raises(ValueError, match="short forms"):
        WITH_LISTS.restore(arrays)
    arrays["short_codes"] = np.zeros((ROWS, 3), np.uint8)
    with pytest.raises(ValueError, match="short forms"):
        WITH_LISTS.restore(arrays)


def test_searches_side_by_side_do_not_disturb_each_other() -> None:
    index = corpus()[2]
    masks = [None, RowSet.of_mask(np.random.default_rng(9).random(ROWS) < 0.4)]
    jobs = [(weighted(query), mask) for query in queries(12) for mask in masks]
    alone = [index.scan(query, K, mask).rows.tolist() for query, mask in jobs]
    together: dict[int, list[int]] = {}

    def search(at: int) -> None:
        for _ in range(5):
            query, mask = jobs[at]
            together[at] = index.scan(query, K, mask).rows.tolist()

    threads = [threading.Thread(target=search, args=(at,)) for at in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[at] for at in range(len(jobs))] == alone


@pytest.mark.parametrize("build", [WITH_LISTS, CpuBuilder(), TorchBuilder("cpu")])
@pytest.mark.parametrize("saved", [WITH_LISTS, CpuBuilder()])
def test_every_kind_of_index_takes_up_what_another_saved(saved, build) -> None:
    vectors = corpus()[0][:1_000]
    again = build.restore(saved(vectors).arrays())
    # Lists that were not saved are not trained while somebody waits: a merge does it later.
    if saved is WITH_LISTS and build == CpuBuilder():
        build = CpuBuilder(most_plain=500)  # short forms that were saved are kept
    assert again.name == (build if saved is WITH_LISTS else build.quick)(vectors).name
    assert build.is_settled(again) == (again.name == build(vectors).name)
    np.testing.assert_array_equal(again.vectors(), vectors)


@pytest.mark.parametrize(
    "name",
    ["lists_index", "lists_mean", "lists_components", "lists_covariance", "lists_spread"],
)
def test_damaged_lists_are_refused(name: str) -> None:
    arrays = dict(WITH_LISTS(corpus()[0][:1_000]).arrays())
    whole = arrays.pop(name)
    if name != "lists_index":  # without which there are no lists
        with pytest.raises(KeyError, match=name):
            WITH_LISTS.restore(arrays)
    for wrong in (whole[:-1], whole[:0]):
        with pytest.raises(ValueError, match="lists"):
            WITH_LISTS.restore({**arrays, name: wrong})


def test_lists_of_other_rows_are_refused() -> None:
    arrays = dict(WITH_LISTS(corpus()[0][:1_000]).arrays())
    others = WITH_LISTS(corpus()[0][:900]).arrays()
    with pytest.raises(ValueError, match="lists are of other vectors"):
        WITH_LISTS.restore({**arrays, "lists_index": others["lists_index"]})


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (IndexChoice("cpu", "auto", 400), "IVF"),
        (IndexChoice("cpu", "auto", 500), "IndexScalarQuantizer"),
        (IndexChoice("cpu", "exact", 400), "IndexScalarQuantizer"),
        (IndexChoice("cpu", "ivf", 400), "IndexScalarQuantizer"),  # too few to be worth it
    ],
)
def test_the_settings_choose_the_kind_of_index(choice: IndexChoice, name: str) -> None:
    assert name in open_builder(choice)(corpus()[0][:500]).name


def test_lists_on_a_cuda_device_are_refused_in_plain_words() -> None:
    with pytest.raises(MarkLensError, match="MARKLENS_INDEX=auto"):
        open_builder(IndexChoice("cuda", "ivf"))


# Whole views: a large segment with lists, small ones without, tombstones, updates, a snapshot.


def view_of(changes: list[Change], steps: int) -> ReadView:
    """The view after changes that arrived in so many parts."""
    live = LiveView(WITH_LISTS)
    merger = Merger(live, WITH_LISTS, lambda rows: None)
    for part in np.array_split(np.arange(len(changes)), steps):
        draft = SegmentDraft(DIMENSION)
        draft.add([changes[at] for at in part])
        live.advance(draft, changes[part[-1]].sequence)
        merger.settle()
    return live.now


def changes_of(rng: np.random.Generator, n: int) -> tuple[list[Change], dict[int, np.ndarray]]:
    """n marks, then updates and withdrawals among them; and what is alive in the end."""
    vectors, alive, changes = corpus()[0], {}, []
    for sequence in range(1, n + n // 4 + 1):
        is_new = sequence <= n
        number = sequence if is_new else int(rng.integers(1, n))
        if not is_new and rng.random() < 0.5:
            changes.append(Change(f"m{number}", sequence, deleted=True, number=number))
            alive.pop(number, None)
        else:
            alive[number] = vectors[rng.integers(ROWS, size=1 + number % 4)]
            changes.append(Change(f"m{number}", sequence, False, alive[number], number=number))
    return changes, alive


def best_numbers(alive: dict[int, np.ndarray], query: Query, k: int) -> list[int]:
    best, loss = {}, np.take(PAIR_LOSS, np.indices((4, 4)).clip(max=1).sum(axis=0))
    for number, vectors in alive.items():
        scores = np.stack([scorer.score(vectors)[0] for scorer in query.scorers])
        best[number] = (scores - loss[: len(scores), : len(vectors)]).max()
    return sorted(best, key=lambda number: -best[number])[:k]


@pytest.mark.parametrize("seed", range(4))
def test_tombstones_and_deltas_are_searched_together_with_lists(seed: int) -> None:
    rng = np.random.default_rng(seed)
    changes, alive = changes_of(rng, 3_000)
    view = view_of(changes, 5)
    kinds = [part.segment.vectors.is_exact for part in view.parts]
    assert not kinds[0], "the large segment has lists"
    assert view.total == len(alive)
    found = 0.0
    for query in queries(60).reshape(20, 3, DIMENSION):
        compared = Query(BLOCKS, query, {"colour": 1.0})
        allowed = [AllowedRows(part.segment, part.alive, part.count) for part in view.parts]
        numbers = {one.number for one in rank(allowed, compared, K).best}
        assert numbers <= alive.keys()
        found += len(numbers & set(best_numbers(alive, compared, K))) / K
    assert found / 20 >= 0.99


def test_a_segment_with_lists_comes_back_from_its_arrays_and_answers_the_same() -> None:
    changes, _ = changes_of(np.random.default_rng(1), 2_000)
    part = max(view_of(changes, 1).parts, key=lambda part: part.count)
    again = Segment.from_arrays(dict(part.segment.arrays()), WITH_LISTS)
    assert not again.vectors.is_exact
    for query in queries(20).reshape(10, 2, DIMENSION):
        compared = Query(BLOCKS, query, None)
        one, other = (
            rank([AllowedRows(live.segment, live.alive, live.count)], compared, K)
            for live in (part, LiveSegment.of(again, part.alive))
        )
        assert one == other


def test_an_exact_index_and_one_with_lists_agree_on_scores() -> None:
    exact, index = FaissExactIndex(corpus()[0]), corpus()[2]
    for query in queries(10):
        both = [one.scan(weighted(query), 5, None) for one in (exact, index)]
        assert both[0].rows.tolist() == both[1].rows.tolist()
        np.testing.assert_array_equal(both[0].scores, both[1].scores)


def test_a_small_tail_is_merged_into_the_lists_there_are_and_found_in_them() -> None:
    vectors = corpus()[0]
    old = FaissIvfIndex.of(vectors[:8_000])
    kept = np.flatnonzero(np.random.default_rng(2).random(8_000) < 0.9)
    parts = [(old, kept), (FaissExactIndex(vectors[8_000:10_000]), np.arange(2_000))]
    merged = WITH_LISTS.merged(parts, lambda: None)
    for name in ("lists_components", "lists_spread", "lists_trained"):
        np.testing.assert_array_equal(merged.arrays()[name], old.arrays()[name])
    expected = np.concatenate([vectors[kept], vectors[8_000:10_000]])
    np.testing.assert_array_equal(merged.vectors(), expected)
    found = 0.0
    for query in queries(60):
        scores = expected.astype(np.float64) @ weighted(query).astype(np.float64)
        nearest = merged.scan(weighted(query), K, None)
        found += np.isin(np.argsort(-scores, kind="stable")[:K], nearest.rows).mean()
    assert found / 60 >= 0.99


def test_a_register_that_has_outgrown_its_lists_gets_new_ones() -> None:
    vectors = corpus()[0][:5_000]
    old = FaissIvfIndex.of(vectors[:3_000])
    parts = [(old, np.arange(3_000)), (FaissExactIndex(vectors[3_000:]), np.arange(2_000))]
    merged = WITH_LISTS.merged(parts, lambda: None)
    assert len(merged.arrays()["lists_spread"]) == lists_for(5_000)
    assert merged.arrays()["lists_trained"].tolist() == [5_000]
    np.testing.assert_array_equal(merged.vectors(), vectors)


@pytest.mark.parametrize(("count", "kind"), [(30, "gather"), (100, "exact"), (2_000, "ivf")])
def test_a_plan_says_lists_only_where_a_mark_may_be_missed(monkeypatch, count, kind) -> None:
    monkeypatch.setattr("indexer.search.plan.FEW_MARKS", 0)
    changes, _ = changes_of(np.random.default_rng(1), 4_000)
    assert AllowedRows(view_of(changes, 5).parts[0].segment, None, count).wholes.plan == kind
