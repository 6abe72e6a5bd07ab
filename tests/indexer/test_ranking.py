import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest

from indexer.errors import BadQuery
from indexer.index.drafts import SegmentDraft
from indexer.index.merging import Merge
from indexer.index.row_sets import RowSet
from indexer.index.segments import LiveSegment, Segment
from indexer.index.vectors import CpuBuilder, TorchBuilder
from indexer.marks import Change
from indexer.search.ranking import PAIR_LOSS, AllowedRows, Ranked, rank
from indexer.search.scoring import Query
from models.encoder import Block

BLOCKS = (Block("visual", 0, 16, 1.0), Block("concept", 16, 24, 0.5), Block("colour", 24, 32, 0.25))
DIMENSION = 32
BUILDERS = [
    pytest.param(CpuBuilder(), id="faiss"),
    pytest.param(TorchBuilder("cpu"), id="torch"),
]


def unit_blocks(rng: np.random.Generator, n: int) -> np.ndarray:
    vectors = rng.standard_normal((n, DIMENSION))
    for block in BLOCKS:
        part = vectors[:, block.start : block.stop]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors.astype(np.float16)


def segment_of(vectors: Sequence[np.ndarray], build, first: int = 0) -> Segment:
    """Marks of the vectors of their whole signs (d,), or of those and of their parts (v, d)."""
    draft = SegmentDraft(DIMENSION)
    order = np.random.default_rng(first).permutation(len(vectors)) + first  # not in row order
    draft.add(
        [
            Change(f"m{i:06d}", at + 1, False, np.atleast_2d(v), number=int(i))
            for at, (i, v) in enumerate(zip(order, vectors, strict=True))
        ]
    )
    segment = draft.segment(build)
    assert segment is not None
    return segment


def allowed_rows(segment: Segment, mask: np.ndarray | None) -> AllowedRows:
    if mask is None:
        return AllowedRows(segment, RowSet.all(len(segment)), len(segment))
    return AllowedRows(segment, RowSet.of_mask(mask), int(mask.sum()))


def slow_scores(vector: np.ndarray, query: np.ndarray, weights: list[float]) -> tuple:
    """One mark's score by the definition, in plain Python with exact sums."""
    cosines = []
    for block in BLOCKS:
        v = [float(x) for x in vector[block.start : block.stop]]
        q = [float(x) for x in query[block.start : block.stop]]
        length = math.sqrt(math.fsum(x * x for x in q) * math.fsum(x * x for x in v))
        product = math.fsum(x * y for x, y in zip(q, v, strict=True))
        cosines.append(max(-1.0, min(1.0, product / length)) if length else 0.0)
    score = sum(w * c for w, c in zip(weights, cosines, strict=True)) / sum(weights)
    return score, tuple(cosines)


def slow_rank(allowed: list[AllowedRows], query: np.ndarray, weights: list[float], k: int) -> list:
    """Every pair of a vector of the query and one of a mark; the best of each mark, in order."""
    every = []
    for one in allowed:
        of_parts = one.segment.part_vectors.vectors.vectors()
        for row in one.rows.rows():
            parts = of_parts[one.segment.part_vectors.owners == row]
            vectors = [one.segment.vectors.vectors(np.array([row]))[0], *parts]
            best: tuple = (-2.0, (), (0, 0))
            for pair in itertools.product(range(len(query)), range(len(vectors))):
                score, cosines = slow_scores(vectors[pair[1]], query[pair[0]], weights)
                score -= PAIR_LOSS[(pair[0] > 0) + (pair[1] > 0)]
                if score > best[0]:
                    best = score, cosines, pair
            sequence = int(one.segment.sequences[row])
            every.append(Ranked(int(one.segment.numbers[row]), sequence, *best))
    every.sort(key=lambda ranked: (-ranked.score, ranked.number))
    return [one for one in every if len(every) < k or one.score >= every[k - 1].score]


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("share", [None, 0.95, 0.3, 0.002])
def test_the_head_is_the_exact_ranking_whatever_is_allowed(build, share: float | None) -> None:
    rng = np.random.default_rng(11)
    segments = [
        segment_of(unit_blocks(rng, 4_000), build),
        segment_of(unit_blocks(rng, 150), build, 4_000),
    ]
    allowed = [
        allowed_rows(segment, None if share is None else rng.random(len(segment)) < share)
        for segment in segments
    ]
    query = unit_blocks(rng, 1)[0]
    compared = Query(BLOCKS, query[None], {"visual": 0.3, "colour": 2.0})
    assert rank(allowed, compared, 25).best == slow_rank(allowed, query[None], [0.3, 0.5, 2.0], 25)


def with_parts(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Marks of one to four vectors; the parts of many are those of others, to the bit."""
    pool = unit_blocks(rng, n // 2)
    counts = rng.choice([0, 1, 2, 3], n, p=[0.35, 0.3, 0.2, 0.15])
    return [
        np.concatenate([whole[None], pool[rng.integers(0, len(pool), count)]])
        for whole, count in zip(unit_blocks(rng, n), counts, strict=True)
    ]


@pytest.mark.parametrize("build", [*BUILDERS, pytest.param(CpuBuilder(None, 100), id="short")])
@pytest.mark.parametrize("parts", [0, 1, 3])
@pytest.mark.parametrize("share", [None, 0.6, 0.05])
def test_a_mark_ranks_by_its_best_pair(build, parts: int, share: float | None) -> None:
    rng = np.random.default_rng([16, parts])
    marks = with_parts(rng, 700)
    segments = [segment_of(marks[:600], build), segment_of(marks[600:], build, 600)]
    if build == CpuBuilder(None, 100):
        live = tuple(map(LiveSegment.of, segments))
        segments = [Merge(live).segment(build, lambda: None)]
    allowed = [
        allowed_rows(segment, None if share is None else rng.random(len(segment)) < share)
        for segment in segments
    ]
    some = next(mark for mark in marks if len(mark) == 4)
    query = np.concatenate([unit_blocks(rng, 1), some[1 : 1 + parts]])
    found = rank(allowed, Query(BLOCKS, query, {"visual": 0.3}), 30).best
    assert found == slow_rank(allowed, query, [0.3, 0.5, 0.25], 30)
    if parts and share is None:
        assert found[0].score == 1 - PAIR_LOSS[2]
        assert found[0].pair[0] > 0 < found[0].pair[1]


def test_without_parts_whole_signs_alone_are_compared() -> None:
    rng = np.random.default_rng(17)
    marks = with_parts(rng, 300)
    query = np.concatenate([unit_blocks(rng, 1), marks[5][:1], marks[7][1:]])
    found = rank(
        [allowed_rows(segment_of(marks, CpuBuilder()), None)],
        Query(BLOCKS, query, {"parts": 0}),
        20,
    )
    wholes = [allowed_rows(segment_of([mark[:1] for mark in marks], CpuBuilder()), None)]
    assert found.best == slow_rank(wholes, query[:1], [1.0, 0.5, 0.25], 20)


def test_one_mark_of_many_parts_takes_one_place() -> None:
    rng = np.random.default_rng(18)
    marks = [np.repeat(unit_blocks(rng, 1), 4, axis=0) for _ in range(60)]
    marks += [np.repeat(marks[0][:1], 4, axis=0) for _ in range(300)]
    allowed = [allowed_rows(segment_of(marks, CpuBuilder()), None)]
    found = rank(allowed, Query(BLOCKS, marks[1], None), 5).best
    assert found == slow_rank(allowed, marks[1], [1.0, 0.5, 0.25], 5)
    assert found[0].pair == (0, 0)


@pytest.mark.parametrize("build", BUILDERS)
def test_hundreds_of_equal_marks_at_the_last_place_are_all_found(build) -> None:
    rng = np.random.default_rng(12)
    vectors = unit_blocks(rng, 1_200)
    vectors[rng.permutation(1_200)[:700]] = vectors[0]
    allowed = [allowed_rows(segment_of(vectors, build), None)]
    found = rank(allowed, Query(BLOCKS, vectors[:1], None), 20).best
    assert found == slow_rank(allowed, vectors[:1], [1.0, 0.5, 0.25], 20)
    assert {one.score for one in found} == {1.0}


def test_rows_that_are_not_of_unit_length_are_ranked_by_cosine_all_the_same() -> None:
    rng = np.random.default_rng(13)
    vectors = unit_blocks(rng, 600)
    vectors[::3] *= np.float16(0.5)
    vectors[1::50, 16:24] = 0
    allowed = [allowed_rows(segment_of(vectors, CpuBuilder()), None)]
    query = unit_blocks(rng, 1)[0] * np.float16(2)
    found = rank(allowed, Query(BLOCKS, query[None], None), 10).best
    expected = slow_rank(allowed, query[None], [1.0, 0.5, 0.25], 10)
    assert [one.number for one in found] == [one.number for one in expected]
    assert [one.score for one in found] == pytest.approx([one.score for one in expected], abs=1e-12)


def test_the_same_picture_scores_exactly_one_in_every_block() -> None:
    vectors = unit_blocks(np.random.default_rng(14), 300)
    allowed = [allowed_rows(segment_of(vectors, CpuBuilder()), None)]
    for vector in vectors[:50]:
        best = rank(allowed, Query(BLOCKS, vector[None], {"visual": 0.1, "concept": 0.7}), 1).best[
            0
        ]
        assert (best.score, best.cosines) == (1.0, (1.0, 1.0, 1.0))


def test_a_block_without_weight_does_not_count_but_is_reported() -> None:
    rng = np.random.default_rng(15)
    vectors, query = unit_blocks(rng, 40), unit_blocks(rng, 1)[0]
    allowed = [allowed_rows(segment_of(vectors, CpuBuilder()), None)]
    for one in rank(allowed, Query(BLOCKS, query[None], {"visual": 0, "concept": 0}), 40).best:
        assert one.score == one.cosines[2]
        assert one.cosines[0] != 0


def test_nothing_allowed_is_an_empty_ranking() -> None:
    query = unit_blocks(np.random.default_rng(1), 1)[0]
    assert rank([], Query(BLOCKS, query[None], None), 5) == ([], "none")


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        ({"shape": 1.0}, "no block 'shape'"),
        ({"visual": 0.0, "concept": 0.0, "colour": 0.0}, "all weights are 0"),
    ],
)
def test_weights_that_make_no_sense_are_refused(weights: dict, complaint: str) -> None:
    query = unit_blocks(np.random.default_rng(1), 1)[0]
    with pytest.raises(BadQuery, match=complaint):
        Query(BLOCKS, query[None], weights)


def test_a_query_of_another_shape_or_not_finite_is_refused() -> None:
    with pytest.raises(BadQuery, match=r"\(8,\).*\(32,\)"):
        Query(BLOCKS, np.ones((1, 8), np.float16), None)
    with pytest.raises(BadQuery, match="not finite"):
        Query(BLOCKS, np.full((1, DIMENSION), np.nan, np.float16), None)
