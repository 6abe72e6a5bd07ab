import itertools
import math
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import FingerprintMismatch
from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, Mark, MarkRecord
from indexer.matches import Pair
from indexer.query import Filter, SearchQuery
from indexer.register import Register
from indexer.search.ranking import PAIR_LOSS
from indexer.search.searcher import Searcher
from indexer.words.forms import Words
from indexer.words.likeness import match_words
from models.encoder import Block, Embedding
from models.vienna import PredictedCode, ViennaCode

BLOCKS = (Block("visual", 0, 8, 1.0), Block("concept", 8, 12, 0.5), Block("colour", 12, 16, 0.25))
DIMENSION = 16


# The slow twin: plain Python over what was written, by the words of the contract.


def bears(mark: EncodedMark, code: ViennaCode, wanted: Filter) -> bool:
    assigned = any(code.covers(one) for one in mark.record.vienna)
    predicted = any(
        code.covers(one.code)
        and (
            one.code in mark.confident
            if wanted.min_probability is None
            else one.probability >= wanted.min_probability
        )
        for one in mark.predicted
    )
    answers = {"assigned": assigned, "predicted": predicted, "either": assigned or predicted}
    return answers[wanted.vienna_source]


def passes(mark: EncodedMark, wanted: Filter) -> bool:
    record = mark.record
    tests = [
        not wanted.vienna_any or any(bears(mark, code, wanted) for code in wanted.vienna_any),
        all(bears(mark, code, wanted) for code in wanted.vienna_all),
        not any(bears(mark, code, wanted) for code in wanted.vienna_none),
        not wanted.nice or bool(wanted.nice & set(record.nice)),
        not wanted.status or record.status in wanted.status,
        not wanted.office or record.office in wanted.office,
        wanted.filed_from is None or (record.filed or date.min) >= wanted.filed_from,
        wanted.filed_to is None or (record.filed or date.max) <= wanted.filed_to,
        wanted.registered_from is None or (record.registered or date.min) >= wanted.registered_from,
        wanted.registered_to is None or (record.registered or date.max) <= wanted.registered_to,
        not wanted.text or match_words(*map(Words.of, (wanted.text, record.text or ""))),
    ]
    return all(tests)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    length = math.sqrt(math.fsum(one * one) * math.fsum(other * other))
    return max(-1.0, min(1.0, math.fsum(one * other) / length)) if length else 0.0


def slow_search(held: dict[str, EncodedMark], query: SearchQuery) -> tuple[int, list]:
    weights = {block.name: block.weight for block in BLOCKS} | dict(query.weights or {})
    ranking, most = [], None if weights.get("parts", 1) else 1
    for mark_id, mark in held.items():
        if mark.embedding is None or mark_id in query.exclude or not passes(mark, query.filter):
            continue
        best: tuple = (mark_id, -2.0)
        vectors = (query.embedding.vectors[:most], mark.embedding.vectors[:most])
        for (i, one), (j, other) in itertools.product(*map(enumerate, vectors)):
            cosines = {
                block.name: cosine(one[block.start : block.stop], other[block.start : block.stop])
                for block in BLOCKS
            }
            score = sum(weights[name] * value for name, value in cosines.items())
            score = score / sum(weights[name] for name in cosines) - PAIR_LOSS[(i > 0) + (j > 0)]
            if score > best[1]:
                boxes = (query.embedding.boxes[i].tolist(), mark.embedding.boxes[j].tolist())
                best = (mark_id, score, cosines, Pair(i, j, *map(tuple, boxes)))
        ranking.append(best)
    ranking.sort(key=lambda one: (-one[1], one[0]))
    return len(ranking), ranking[: query.k]


# Random registers and searches from small pools, so that ties, updates and matches abound.


def embedding(seed: int) -> Embedding:
    """One to three vectors, of which that of the whole is another seed's part."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((1 + seed % 3, DIMENSION))
    if seed % 5 == 2:
        vectors[-1] = np.random.default_rng(seed - 1).standard_normal((2, DIMENSION))[0]
    for block in BLOCKS:
        part = vectors[:, block.start : block.stop]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    if seed % 7 == 0:
        vectors[:, 12:] = 0  # a mark without colour
    boxes = rng.random((len(vectors), 4), dtype=np.float32)
    return Embedding(vectors.astype(np.float16), boxes)


CODES = [
    ViennaCode.parse(text)
    for text in ("03", "03.01", "03.01.08", "03.02", "03.02.01", "04", "04.01.01", "26.01", "26")
]
DATES = [date(2020, 1, 1) + timedelta(days=90 * i) for i in range(8)]
embeddings = st.integers(0, 11).map(embedding)
codes = st.lists(st.sampled_from(CODES), max_size=3, unique=True).map(tuple)
probabilities = st.sampled_from([0.05, 0.3, 0.5, 0.7, 0.95])
ids = st.integers(0, 24).map("m{}".format)


@st.composite
def encoded_marks(draw: st.DrawFn) -> EncodedMark:
    predicted = tuple(
        PredictedCode(code, draw(probabilities))
        for code in draw(st.lists(st.sampled_from(CODES), max_size=3, unique=True))
    )
    record = MarkRecord(
        id=draw(ids),
        text=draw(st.sampled_from([None, "Red Bull", "bulldog", "100%"])),
        status=draw(st.sampled_from([None, "registered", "filed", "expired"])),
        office=draw(st.sampled_from([None, "EM", "US"])),
        filed=draw(st.sampled_from([None, *DATES])),
        registered=draw(st.sampled_from([None, *DATES])),
        nice=draw(st.sets(st.sampled_from([1, 9, 25, 45]), max_size=2).map(tuple)),
        vienna=draw(codes),
    )
    return EncodedMark(
        record=record,
        digest="0" * 64,
        embedding=draw(st.one_of(embeddings, st.none()) if draw(st.booleans()) else embeddings),
        predicted=predicted,
        confident=frozenset(one.code for one in predicted if draw(st.booleans())),
    )


filters = st.builds(
    Filter,
    filed_from=st.one_of(st.none(), st.sampled_from(DATES[:4])),
    filed_to=st.one_of(st.none(), st.sampled_from(DATES[3:])),
    vienna_any=codes,
    vienna_all=st.lists(st.sampled_from(CODES), max_size=1).map(tuple),
    vienna_none=st.lists(st.sampled_from(CODES), max_size=1).map(tuple),
    vienna_source=st.sampled_from(["assigned", "predicted", "either"]),
    min_probability=st.one_of(st.none(), probabilities),
    nice=st.one_of(st.just(frozenset()), st.frozensets(st.sampled_from([9, 25, 45]), max_size=2)),
    status=st.one_of(st.just(frozenset()), st.just(frozenset({"registered", "filed"}))),
    office=st.one_of(st.just(frozenset()), st.just(frozenset({"EM"}))),
    registered_to=st.one_of(st.none(), st.sampled_from(DATES)),
    text=st.one_of(st.none(), st.sampled_from(["bull", "RED", "buldog", "%", ""])),
)
queries = st.builds(
    SearchQuery,
    embedding=embeddings,
    k=st.integers(1, 30),
    filter=st.one_of(st.just(Filter()), filters),
    weights=st.one_of(
        st.none(),
        st.fixed_dictionaries({"visual": st.sampled_from([0.1, 1.0])}),
        st.fixed_dictionaries({"parts": st.sampled_from([0, 1])}),
        st.fixed_dictionaries(
            {"visual": st.just(0.0), "colour": st.just(1e-3) | st.floats(0.1, 3.0)}
        ),
    ),
    exclude=st.frozensets(ids, max_size=2),
)
writes = st.one_of(
    st.lists(encoded_marks(), min_size=1, max_size=12),
    st.lists(ids, min_size=1, max_size=4).map(tuple),  # a tuple of ids is withdrawn
)


@pytest.fixture(scope="module")
def empty_register(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A register's file with its tables and nothing else, to be copied."""
    path = tmp_path_factory.mktemp("empty") / "register.db"
    Register.open(f"sqlite:///{path}").close()
    return path


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    history=st.lists(st.tuples(writes, st.booleans()), min_size=1, max_size=8),
    searches=st.lists(queries, min_size=1, max_size=4),
)
def test_every_search_is_the_filtered_exact_ranking(
    history: list, searches: list[SearchQuery], empty_register: Path, tmp_path: Path
) -> None:
    path = tmp_path / "register.db"
    shutil.copy(empty_register, path)
    register = Register.open(f"sqlite:///{path}")
    try:
        follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
        searcher = Searcher(register, follower, BLOCKS)
        held: dict[str, EncodedMark] = {}
        for written, seen_at_once in history:
            if isinstance(written, tuple):
                register.delete(written)
                held = {mark_id: mark for mark_id, mark in held.items() if mark_id not in written}
            else:
                register.add(written)
                held |= {mark.record.id: mark for mark in written}
            if seen_at_once:
                follower.refresh()
        follower.refresh()
        for query in searches:
            compare(searcher, held, query)
    finally:
        register.close()


def compare(searcher: Searcher, held: dict[str, EncodedMark], query: SearchQuery) -> None:
    result = searcher.search(query)
    matched, ranking = slow_search(held, query)
    assert [(hit.id, hit.score, hit.scores, hit.pair) for hit in result.hits] == ranking
    assert [hit.mark.record for hit in result.hits] == [held[hit.id].record for hit in result.hits]
    assert result.plan.matched == matched
    assert result.plan.total == sum(mark.embedding is not None for mark in held.values())


# Claims about a register that changes.


@pytest.fixture
def register(empty_register: Path, tmp_path: Path) -> Iterator[Register]:
    shutil.copy(empty_register, tmp_path / "register.db")
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    yield register
    register.close()


@pytest.fixture
def follower(register: Register) -> Iterator[Follower]:
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    yield follower
    follower.stop()


@pytest.fixture
def searcher(register: Register, follower: Follower) -> Searcher:
    return Searcher(register, follower, BLOCKS)


def mark(mark_id: str, seed: int = 1, text: str | None = None) -> EncodedMark:
    return EncodedMark(MarkRecord(mark_id, text=text), "0" * 64, embedding=embedding(seed))


def found(searcher: Searcher, **query: object) -> list[str]:
    wanted = SearchQuery(**({"embedding": embedding(1)} | query))  # type: ignore[arg-type]
    return [hit.id for hit in searcher.search(wanted).hits]


def test_an_empty_register_finds_nothing_and_says_so(searcher: Searcher) -> None:
    result = searcher.search(SearchQuery(embedding(1)))
    assert result.hits == ()
    assert (result.plan.kind, result.plan.matched, result.plan.total) == ("none", 0, 0)


def test_the_plan_names_what_ran(searcher, follower, register) -> None:
    register.add([mark(f"m{i}", i + 1) for i in range(10)])
    follower.refresh()
    plan = searcher.search(SearchQuery(embedding(1))).plan
    assert (plan.kind, plan.matched, plan.total, plan.sequence) == ("exact", 10, 10, 10)
    assert "IndexScalarQuantizer" in plan.index
    assert set(plan.milliseconds) == {"filter", "search", "rerank"}
    excluded = searcher.search(SearchQuery(embedding(1), exclude=frozenset({"m3"}))).plan
    assert (excluded.kind, excluded.matched) == ("gather", 9)


def test_a_withdrawn_mark_is_gone_even_before_the_follower_looks(
    searcher, follower, register
) -> None:
    register.add([mark("gone", 1), mark("next", 2), mark("last", 3)])
    follower.refresh()
    register.delete(["gone"])
    assert "gone" not in found(searcher, k=2)
    assert len(found(searcher, k=2)) == 2, "the next mark takes its place"


def test_an_updated_mark_is_found_by_its_new_picture_only(searcher, follower, register) -> None:
    register.add([mark("changing", 1), mark("other", 2)])
    follower.refresh()
    register.add([mark("changing", 3)])
    result = searcher.search(SearchQuery(embedding(1)))
    assert {hit.id: hit.score == 1.0 for hit in result.hits} == {"changing": False, "other": False}
    assert searcher.search(SearchQuery(embedding(3), k=1)).hits[0].score == 1.0


def test_a_text_filter_knows_marks_not_yet_followed(searcher, follower, register) -> None:
    register.add([mark("old", 1, text="Bulldog")])
    follower.refresh()
    register.add([mark("new", 2, text="red BULL")])
    assert sorted(found(searcher, filter=Filter(text="bull"))) == ["new", "old"]


def test_blocks_of_another_network_are_refused(register, follower) -> None:
    with pytest.raises(FingerprintMismatch, match=r"32 numbers.*16"):
        Searcher(register, follower, (Block("visual", 0, 32, 1.0),))


class Restless(Register):
    """A register in which other writers withdraw the best hit just before it is looked up."""

    withdrawals = 0

    def marks_numbered(self, numbers: Sequence[int]) -> dict[int, Mark]:
        if numbers and self.withdrawals:
            self.withdrawals -= 1
            self.delete([*self.ids_numbered(numbers[:1]).values()])
        return super().marks_numbered(numbers)


@pytest.mark.parametrize("withdrawals", [1, 3, 6])
def test_a_register_that_changes_during_every_search_still_answers_with_live_marks(
    register, tmp_path, withdrawals
) -> None:
    restless = Restless.open(f"sqlite:///{tmp_path / 'register.db'}")
    try:
        restless.add([mark(f"m{i}", i + 1, text="red") for i in range(12)])
        follower = Follower(restless, None, DIMENSION, "tiny", IndexChoice("cpu"))
        follower.refresh()
        order = found(Searcher(restless, follower, BLOCKS), k=12)
        restless.withdrawals = withdrawals
        hits = found(Searcher(restless, follower, BLOCKS), k=4, filter=Filter(text="red"))
        assert hits == order[withdrawals : withdrawals + 4]
    finally:
        restless.close()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_and_cpu_give_the_same_hits(register, follower) -> None:
    register.add([mark(f"m{i}", i % 40) for i in range(300)])
    on_cuda = Follower(register, None, DIMENSION, "tiny", IndexChoice("cuda"))
    wanted = SearchQuery(embedding(1), k=50, exclude=frozenset({"m1"}))
    answers = []
    for one in (follower, on_cuda):
        one.refresh()
        hits = Searcher(register, one, BLOCKS).search(wanted).hits
        answers.append([(hit.id, hit.score) for hit in hits])
    assert answers[0] == answers[1]


def test_searching_while_a_writer_works_never_fails_or_finds_the_dead(
    searcher, follower, register
) -> None:
    stable = {f"stable{i}" for i in range(30)}
    register.add([mark(mark_id, 5) for mark_id in stable])
    follower.refresh()
    follower.start(poll_s=0.005)
    dead: set[str] = set()
    failures: list[str] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            known_dead = set(dead)
            try:
                hits = found(searcher, k=500)
            except Exception as error:  # noqa: BLE001 - shown by the test
                failures.append(repr(error))
                return
            if known_dead & set(hits) or len(set(hits)) != len(hits) or not stable <= set(hits):
                failures.append(f"{sorted(known_dead & set(hits))} of {hits}")

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    end, at = time.monotonic() + 2.0, 0
    while time.monotonic() < end:
        register.add([mark(f"m{at + i}", at + i + 1) for i in range(5)])
        gone = {f"m{at + i}" for i in range(0, 5, 2)}
        register.delete(sorted(gone))
        dead |= gone
        at += 5
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert follower.status.error is None
    follower.refresh()
    assert len(found(searcher, k=1000)) == register.count()
