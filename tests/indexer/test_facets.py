"""Counts in a view against the same counts in SQL, on random registers."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from indexer.index.facets import count_codes, count_facets, count_passing
from indexer.index.follower import Follower
from indexer.index.milvus import MilvusAddress, MilvusFollower
from indexer.index.segments import ReadView
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.pages import WORDS_ORDER, Page
from indexer.query import Filter
from indexer.register import Register
from indexer.register.database import observe_statements
from indexer.search.facets import facet_counts
from models.encoder import Embedding
from models.vienna import PredictedCode, ViennaCode

DIMENSION = 4
CODES = [
    ViennaCode.parse(text)
    for text in ("03", "03.01", "03.01.08", "03.01.10", "03.02.01", "04.01.01", "26", "26.01")
]
SOURCES = ("assigned", "predicted", "either")


def some(rng: np.random.Generator, of: list) -> list:
    return [one for one in of if rng.random() < 0.3]


def one_of(rng: np.random.Generator, of: list) -> object:
    return of[rng.integers(len(of))]


def random_mark(rng: np.random.Generator) -> EncodedMark:
    predicted = tuple(PredictedCode(code, 0.5) for code in some(rng, CODES))
    vector = rng.standard_normal(DIMENSION).astype(np.float16)
    if rng.random() < 0.1:
        vector[0] = np.nan  # counted, though no picture finds it
    record = MarkRecord(
        id=f"m{rng.integers(60)}",
        status=one_of(rng, [None, "registered", "filed"]),
        office=one_of(rng, [None, "EM", "US"]),
        filed=one_of(rng, [None, *(date(2020, 1, 1) + timedelta(days=30 * i) for i in range(9))]),
        registered=one_of(rng, [None, date(2020, 5, 1), date(2021, 5, 1)]),
        nice=tuple(some(rng, [1, 9, 25])),
        vienna=tuple(some(rng, CODES)),
    )
    return EncodedMark(
        record,
        "0" * 64,
        embedding=Embedding.without_boxes(vector) if rng.random() < 0.6 else None,
        predicted=predicted,
        confident=frozenset(some(rng, [seen.code for seen in predicted])),
    )


@pytest.fixture
def register(tmp_path: Path) -> Iterator[Register]:
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    yield register
    register.close()


def compare(view: ReadView, register: Register) -> None:
    for source in SOURCES:
        assert count_codes(view, source) == register.code_counts(source), source
    assert count_facets(view) == register.facets()


@pytest.mark.parametrize("seed", range(5))
def test_a_view_counts_what_sql_counts(register: Register, tmp_path: Path, seed: int) -> None:
    rng, folder = np.random.default_rng(seed), tmp_path / "snapshot"
    follower = Follower(register, folder, DIMENSION, "tiny", IndexChoice("cpu"))
    compare(follower.refresh(), register)
    for _ in range(6):
        register.add([random_mark(rng) for _ in range(rng.integers(1, 25))])
        register.delete([f"m{number}" for number in rng.integers(60, size=3)])
        compare(follower.refresh(), register)
    follower.stop()
    again = Follower(register, folder, DIMENSION, "tiny", IndexChoice("cpu"))
    compare(again.refresh(), register)
    assert again.status.saved == register.sequence(), "the counts came from the snapshot"


def test_a_follower_counts_in_its_view_while_it_follows(register: Register) -> None:
    register.add([random_mark(np.random.default_rng(at)) for at in range(30)])
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    assert follower.facets() == register.facets(), "asked before it has read anything"
    follower.refresh()
    follower.start(poll_s=3600)
    try:
        before = register.facets(), register.code_counts("either")
        register.delete([f"m{number}" for number in range(60)])
        assert (follower.facets(), follower.code_counts("either")) == before, "as of its view"
    finally:
        follower.stop()


def random_filter(rng: np.random.Generator) -> Filter:
    def codes() -> tuple[ViennaCode, ...]:
        return tuple(some(rng, CODES)[:1]) if rng.random() < 0.4 else ()

    return Filter(
        vienna_any=codes(),
        vienna_all=codes(),
        vienna_none=codes(),
        vienna_source=SOURCES[rng.integers(3)],
        min_probability=0.4 if rng.random() < 0.3 else None,
        nice=frozenset(some(rng, [1, 9, 25])) if rng.random() < 0.4 else frozenset(),
        status=frozenset({"registered"}) if rng.random() < 0.3 else frozenset(),
        office=frozenset({"EM"}) if rng.random() < 0.3 else frozenset(),
        filed_from=date(2020, 3, 1) if rng.random() < 0.3 else None,
        registered_to=date(2020, 9, 1) if rng.random() < 0.2 else None,
    )


@pytest.mark.parametrize("seed", range(5))
def test_sql_counts_what_passes_for_an_index_on_a_server(register: Register, seed: int) -> None:
    rng = np.random.default_rng(seed)
    marks = [random_mark(rng) for _ in range(70)]
    # A vector that is not finite is found in no index, and SQL does not look into vectors.
    register.add(
        [one for one in marks if one.embedding is None or np.isfinite(one.embedding.vectors).all()]
    )
    register.delete([f"m{number}" for number in rng.integers(60, size=5)])
    view = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu")).refresh()
    address = MilvusAddress.parse("milvus://127.0.0.1")
    on_server = MilvusFollower(register, address, DIMENSION, "tiny")  # which asks nothing of it
    for _ in range(6):
        wanted = random_filter(rng)
        among = np.unique(rng.integers(1, 80, size=60)) if rng.random() < 0.5 else None
        for with_pictures in (False, True):
            expected = count_passing(view, wanted, among, with_pictures)
            assert on_server.count_passing(wanted, among, with_pictures) == expected
    assert on_server.facets() == register.facets()


def test_what_sql_counts_is_counted_once_until_the_next_write(register: Register) -> None:
    def asked() -> tuple[object, ...]:
        found = register.find(Filter(nice=frozenset({9})), Page(1))
        return register.facets(), register.code_counts("either"), found[1]

    register.add([random_mark(np.random.default_rng(seed)) for seed in range(20)])
    statements: list[float | None] = []
    observe_statements(register._engine, statements.append)
    first, counting = asked(), len(statements)
    assert asked() == first
    assert len(statements) - counting < counting / 1.5
    mark = replace(
        random_mark(np.random.default_rng(1)).record, id="new", nice=(9,), status="filed"
    )
    register.add([EncodedMark(mark, "0" * 64)])
    assert asked()[2] == first[2] + 1
    assert asked()[0] != first[0]


@pytest.mark.parametrize("compared", [False, True])
def test_texts_cost_an_index_on_a_server_few_statements_however_many_marks_have_them(
    register: Register, compared: bool
) -> None:
    rng = np.random.default_rng(0)
    marks = [random_mark(rng) for _ in range(70)]
    register.add(
        [
            replace(one, record=replace(one.record, id=f"{at}", text="Lion", owner=f"Own {at % 3}"))
            for at, one in enumerate([*marks] * 30)
            if one.embedding is None or np.isfinite(one.embedding.vectors).all()
        ]
    )
    here = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    here.refresh()
    address = MilvusAddress.parse("milvus://127.0.0.1")
    on_server = MilvusFollower(register, address, DIMENSION, "tiny")
    statements: list[float | None] = []
    observe_statements(register._engine, statements.append)
    for wanted in (Filter(text="Lion", owner="Own"), Filter(text="lion", nice=frozenset({9}))):
        expected = facet_counts(register, here, wanted, compared)
        statements.clear()
        assert facet_counts(register, on_server, wanted, compared) == expected
        assert len(statements) <= 40
    assert expected.matched > 10


def test_like_words_of_many_marks_hide_no_other_office(register: Register) -> None:
    offices = ["EM"] * 600 + ["US"] * 20
    register.add(
        [
            EncodedMark(MarkRecord(f"{at}", text="Lion", office=office, status="filed"), "0" * 64)
            for at, office in enumerate(offices)
        ]
    )
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    follower.refresh()
    for office in ("EM", "US"):
        wanted = Filter(text="lion", office=frozenset({office}))
        counts = facet_counts(register, follower, wanted, compared=False)
        _, total = register.find_words(wanted, Page(1, order=WORDS_ORDER))
        assert counts.matched == counts.status["filed"] == counts.office[office] == total
        assert counts.office["EM"] >= 150, "what another office would find"


@pytest.mark.parametrize("seed", range(8))
def test_each_value_is_counted_as_many_marks_as_would_pass_with_it(
    register: Register, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(3):
        register.add([random_mark(rng) for _ in range(25)])
    register.delete([f"m{number}" for number in rng.integers(60, size=5)])
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    view = follower.refresh()

    def found(wanted: Filter) -> int:
        return register.find(wanted, Page(1))[1]

    for _ in range(6):
        wanted = random_filter(rng)
        counts = count_passing(view, wanted)
        assert counts.matched == found(wanted), wanted
        for code in CODES:
            expected = found(replace(wanted, vienna_any=(code,)))
            assert counts.vienna.get(code, 0) == expected, (wanted, code)
        for number in (1, 9, 25):
            expected = found(replace(wanted, nice=frozenset({number})))
            assert counts.nice.get(number, 0) == expected, (wanted, number)
        for status in ("registered", "filed"):
            expected = found(replace(wanted, status=frozenset({status})))
            assert counts.status.get(status, 0) == expected, (wanted, status)
        for office in ("EM", "US"):
            expected = found(replace(wanted, office=frozenset({office})))
            assert counts.office.get(office, 0) == expected, (wanted, office)


def test_codes_of_many_probabilities_are_counted_at_once(register: Register) -> None:
    register.add([random_mark(np.random.default_rng(seed)) for seed in range(40)])
    view = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu")).refresh()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            asked = (Filter(min_probability=(7 * at % 1000) / 1000) for at in range(2000))
            counted = list(pool.map(lambda wanted: count_passing(view, wanted).matched, asked))
    finally:
        sys.setswitchinterval(interval)
    assert set(counted) == {register.count()}


def test_only_some_marks_and_only_those_with_pictures_are_counted(register: Register) -> None:
    rng = np.random.default_rng(3)
    register.add([random_mark(rng) for _ in range(40)])
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    view = follower.refresh()
    assert count_passing(view, Filter(), with_pictures=True).matched == view.total
    ids = sorted(one.record.id for one in register.every_mark())[:7]
    among = register.numbers_of(ids)
    counts = count_passing(view, Filter(), among)
    chosen = register.marks(ids).values()
    assert counts.matched == len(ids)
    registered = sum(one.record.status == "registered" for one in chosen)
    assert counts.status.get("registered", 0) == registered
