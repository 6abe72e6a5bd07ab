"""A register on a real Milvus server beside the same register in memory: the same answers."""

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.milvus_server import MilvusServer, NoServer
from indexer.errors import BadQuery, FingerprintMismatch, IndexUnavailable
from indexer.index.follower import Follower
from indexer.index.milvus import MilvusAddress, MilvusFollower, address
from indexer.index.vectors import IndexChoice
from indexer.marks import MarkRecord
from indexer.query import Filter, SearchQuery
from indexer.register import Register
from indexer.register.remote import RemoteIndexing
from indexer.search.searcher import Searcher
from search_api.cli import app
from search_api.cli.register import _state
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings
from tests.random_marks import (
    BLOCKS,
    CODES,
    DATES,
    DIMENSION,
    MARKS,
    embedding,
    random_mark,
    random_query,
    write_randomly,
)

FEW = Filter(vienna_all=tuple(CODES[2:4]), nice=frozenset({9}))  # a fiftieth pass
OF_ALL_SHARES = (  # a fiftieth, a ninth, two and four ninths, three tenths, nearly all, all
    FEW,
    *(Filter(filed_to=DATES[at]) for at in (1, 2, 4)),
    Filter(nice=frozenset({9})),
    Filter(vienna_none=(CODES[3],), vienna_source="predicted"),
    Filter(),
)

# One server of Milvus for all of them.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusServer]:
    try:
        server = MilvusServer(tmp_path_factory.mktemp("milvus"))
    except NoServer as error:
        pytest.skip(str(error))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def register(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Register]:
    register = Register.open(f"sqlite:///{tmp_path_factory.mktemp('register') / 'register.db'}")
    register.bind_fingerprint("tiny", DIMENSION)
    write_randomly(register, np.random.default_rng(1))
    yield register
    register.close()


@pytest.fixture(scope="module")
def in_memory(register: Register) -> Iterator[Follower]:
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu", "exact"))
    yield follower
    follower.stop()


@pytest.fixture(scope="module")
def on_server(server: MilvusServer, register: Register) -> Iterator[MilvusFollower]:
    follower = followed(server.url, register)
    yield follower
    follower.stop()


def followed(url: str, register: Register, fingerprint: str = "tiny") -> MilvusFollower:
    return MilvusFollower(register, MilvusAddress.parse(url), DIMENSION, fingerprint)


def same_answers(
    register: Register, followers: tuple[Follower, MilvusFollower], seed: int, count: int
) -> None:
    """Whether searches of both give the same: marks, order, scores, pairs, counts."""
    one, other = (Searcher(register, follower, BLOCKS) for follower in followers)
    views = [follower.refresh() for follower in followers]
    assert (views[0].sequence, views[0].total) == (views[1].sequence, views[1].total)
    rng = np.random.default_rng(seed)
    for query in [random_query(rng) for _ in range(count)]:
        expected, found = one.search(query), other.search(query)
        assert found.hits == expected.hits
        assert found.plan.kind == ("milvus" if expected.hits else "none")
        assert (found.plan.matched, found.plan.total, found.plan.sequence) == (
            expected.plan.matched,
            expected.plan.total,
            expected.plan.sequence,
        )
        assert other.grouped(found.hits) == one.grouped(expected.hits)


def test_a_flat_index_answers_every_search_as_memory_does(
    register: Register, in_memory: Follower, on_server: MilvusFollower
) -> None:
    same_answers(register, (in_memory, on_server), seed=2, count=40)
    assert "FLAT" in on_server.status.index


def test_changes_are_followed_one_by_one(
    register: Register, in_memory: Follower, on_server: MilvusFollower
) -> None:
    rng = np.random.default_rng(3)
    for step in range(3):
        # Marks lose parts and pictures, codes and dates; what they had must not be found.
        register.add([random_mark(rng, f"m{n}") for n in rng.integers(MARKS, size=30)])
        register.delete([f"m{n}" for n in rng.integers(MARKS, size=10)])
        same_answers(register, (in_memory, on_server), seed=10 + step, count=10)
    status = on_server.status
    assert status.sequence == status.committed == register.sequence()
    assert status.live == register.count()


def test_a_lost_collection_is_noticed_and_filled_again(
    register: Register, in_memory: Follower, on_server: MilvusFollower
) -> None:
    on_server.refresh()
    on_server._collection.drop()
    with pytest.raises(IndexUnavailable, match="is not there"):
        Searcher(register, on_server, BLOCKS).search(random_query(np.random.default_rng(0)))
    same_answers(register, (in_memory, on_server), seed=20, count=5)


def test_rebuilding_makes_the_collection_anew(
    register: Register, in_memory: Follower, on_server: MilvusFollower
) -> None:
    assert on_server.rebuild().sequence == register.sequence()
    same_answers(register, (in_memory, on_server), seed=21, count=5)


def test_another_networks_vectors_are_replaced_and_anothers_collection_is_not(
    server: MilvusServer, tmp_path: Path
) -> None:
    url = f"{server.url}/shared"
    one = Register.open(f"sqlite:///{tmp_path / 'one.db'}")
    other = Register.open(f"sqlite:///{tmp_path / 'other.db'}")
    try:
        rng = np.random.default_rng(6)
        one.bind_fingerprint("tiny", DIMENSION)
        one.add([random_mark(rng, f"m{n}") for n in range(20)])
        first = followed(url, one)
        total = first.refresh().total
        with pytest.raises(IndexUnavailable, match=r"has an index FLAT.*marklens rebuild"):
            followed(f"{url}?index=HNSW", one).refresh()
        with pytest.raises(IndexUnavailable, match="holds another register"):
            followed(url, other).refresh()
        assert followed(url, other).position() is None
        # Encoded again, with another network: the collection's vectors are of no use.
        one.rebind_fingerprint("other", DIMENSION)
        one.add([random_mark(rng, "m0")])
        with pytest.raises(FingerprintMismatch, match="another network"):
            first.refresh()
        assert followed(url, one, "other").position() is None
        again = followed(url, one, "other")
        assert again.refresh().sequence == one.sequence()
        assert abs(again.view().total - total) <= 1
        # A register that was restored from a backup and written to since.
        one.add([random_mark(rng, f"n{n}") for n in range(5)])
        again.refresh()
        with one._writing() as connection:
            connection.exec_driver_sql("UPDATE marks SET number = number + 1000 WHERE id = 'n4'")
        restored = followed(url, one, "other")
        assert restored.refresh().sequence == one.sequence()
        found = Searcher(one, restored, BLOCKS).search(random_query(np.random.default_rng(1)))
        assert found.plan.total == restored.view().total
    finally:
        one.close()
        other.close()


@pytest.mark.parametrize(
    ("index", "like", "compared"),  # the fewer the centres, the more marks are alike
    [("IVF_SQ8", 60, 32_768), ("HNSW", 60, 32_768), ("HNSW", 8, 32_768), ("HNSW", 30, 200)],
)
def test_other_indexes_find_nearly_all(
    server: MilvusServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    index: str,
    like: int,
    compared: int,
) -> None:
    monkeypatch.setattr(address, "_SLICE", compared)
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    rng = np.random.default_rng(like)
    register.bind_fingerprint("tiny", DIMENSION)
    marks = [random_mark(rng, f"m{n}") for n in range(1_500)]
    register.add([replace(one, embedding=embedding(rng, like)) for one in marks])
    follower = followed(f"{server.url}/{index}?index={index}", register)
    memory = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu", "exact"))
    try:
        for one in (follower, memory):
            one.refresh()
        follower.settle()
        exact, searcher = (Searcher(register, one, BLOCKS) for one in (memory, follower))
        for wanted in OF_ALL_SHARES:
            found = places = 0
            for query in [
                SearchQuery(embedding(rng, like), 50, wanted, rerank=0) for _ in range(15)
            ]:
                expected = {hit.id: hit.score for hit in exact.search(query).hits}
                hits = searcher.search(query).hits
                assert all(expected.get(hit.id, hit.score) == hit.score for hit in hits)
                # Marks of one score may stand for one another.
                found += sum(hit.score >= min(expected.values()) for hit in hits)
                places += len(expected)
            assert places
            assert found / places >= 0.99, wanted
    finally:
        follower._collection.drop()
        follower.stop()
        register.close()


def test_two_servers_with_one_register_in_postgresql_follow_one_collection(
    server: MilvusServer, postgres_url: str
) -> None:
    registers = [Register.open(postgres_url) for _ in range(2)]
    followers = [followed(server.url, one) for one in registers]
    rng = np.random.default_rng(40)
    try:
        registers[0].bind_fingerprint("tiny", DIMENSION)
        with RemoteIndexing(registers[0]).turn() as one, RemoteIndexing(registers[1]).turn() as two:
            assert (one, two) == (True, False)
        for follower in followers:
            follower.start(poll_s=0.05)
        for step in range(6):  # whichever finds the collection behind writes to it
            register = registers[step % 2]
            register.add([random_mark(rng, f"m{n}") for n in rng.integers(MARKS, size=60)])
            register.delete([f"m{n}" for n in rng.integers(MARKS, size=10)])
        memory = Follower(registers[0], None, DIMENSION, "tiny", IndexChoice("cpu", "exact"))
        for register, follower in zip(registers, followers, strict=True):
            same_answers(register, (memory, follower), seed=41, count=10)
        assert [one.status.error for one in followers] == [None, None]
    finally:
        for follower, register in zip(followers, registers, strict=True):
            follower.stop()
            register.close()


_WRITER = """
import sys
from indexer.index.milvus import MilvusAddress, MilvusFollower
from indexer.index.milvus.entities import WHOLES, partition_of
from indexer.register import Register
import indexer.index.milvus.follower as module
module._CHUNK = 50
register = Register.open(sys.argv[1], create=False)
follower = MilvusFollower(register, MilvusAddress.parse(sys.argv[2]), 32, "tiny")
write, left = follower._collection.write, [int(sys.argv[3])]
def dying(entities, deleted, position):
    left[0] -= 1
    if left[0] == 0:
        wholes = [one for one in entities if partition_of(one["key"]) == WHOLES]
        follower._collection._upsert(wholes, WHOLES)
        import os
        os._exit(9)
    write(entities, deleted, position)
follower._collection.write = dying
follower.refresh()
"""


def test_nothing_is_lost_where_writer_and_server_are_killed(
    server: MilvusServer, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'register.db'}"
    register = Register.open(url)
    try:
        register.bind_fingerprint("tiny", DIMENSION)
        write_randomly(register, np.random.default_rng(9))
        # Killed in the middle: of its third chunk the whole signs are written, and no more.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", _WRITER, url, server.url, "3"], check=False
        )
        assert done.returncode == 9
        follower = followed(server.url, register)
        reached = follower.position()
        assert reached is not None
        assert 0 < reached < register.sequence()
        memory = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu", "exact"))
        same_answers(register, (memory, follower), seed=30, count=5)
        server.kill()
        with pytest.raises(IndexUnavailable):
            Searcher(register, follower, BLOCKS).search(random_query(np.random.default_rng(0)))
        register.add([random_mark(np.random.default_rng(31), f"m{n}") for n in range(20)])
        server.start()
        same_answers(register, (memory, follower), seed=32, count=10)
        follower.stop()
    finally:
        register.close()


def test_a_server_of_marklens_adds_searches_and_tells_its_state(
    server: MilvusServer, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    said: Any = {"data_dir": tmp_path, "checkpoint": tiny_checkpoint, "runtime": "torch"}
    rng = np.random.default_rng(11)
    pictures = [picture(rng) for _ in range(4)]
    with MarkLens.open(Settings.read(index=server.url, **said)) as marklens:
        assert _state(marklens)["index"]["state"].endswith("makes it")
        for number, one in enumerate(pictures):
            marklens.add(MarkRecord(f"m{number}"), one)
        marklens.start_following()
        answer = marklens.search(SearchRequest(pictures[2], k=3))
        assert (answer.hits[0].id, answer.plan.kind, answer.plan.total) == ("m2", "milvus", 4)
        assert answer.hits[0].score == 1.0
        marklens.delete("m2")
        assert "m2" not in {hit.id for hit in marklens.search(SearchRequest(pictures[2])).hits}
        told = _state(marklens)["index"]
        assert told == {
            "state": f"Milvus FLAT at 127.0.0.1:{server.port}: up to date",
            "sequence": marklens.register.sequence(),
            "lag": 0,
        }
        verified = CliRunner().invoke(
            app, ["--data-dir", str(tmp_path), "verify"], env={"MARKLENS_INDEX": server.url}
        )
        assert "(snapshot-" not in verified.output
        assert "checked: 3 marks, 3 pictures" in verified.output
        assert marklens.rebuild().marks == 3
    with MarkLens.open(Settings.read(index=f"{server.url}?index=HNSW", **said)) as marklens:
        with pytest.raises(IndexUnavailable, match="run `marklens rebuild`"):
            marklens.search(SearchRequest(pictures[1]))
        assert marklens.rebuild().marks == 3
        assert marklens.search(SearchRequest(pictures[1])).hits[0].id == "m1"


def picture(rng: np.random.Generator) -> bytes:
    made = io.BytesIO()
    pixels = np.full((96, 96, 3), 255, np.uint8)
    left, top = rng.integers(10, 40, 2)
    pixels[top : top + 40, left : left + 40] = rng.integers(0, 200, (40, 40, 3))
    Image.fromarray(pixels).save(made, "PNG")
    return made.getvalue()


def test_too_many_marks_for_one_request_are_told(on_server: MilvusFollower) -> None:
    passing = on_server.refresh().passing(Filter())
    with pytest.raises(BadQuery, match="more letters"):
        passing.only(np.arange(100_001))
    assert passing.only(np.zeros(0, np.int64)).count == 0


def test_a_server_that_is_not_there_is_told_without_its_password(register: Register) -> None:
    follower = followed("milvus://root:sesame@127.0.0.1:9", register)
    with pytest.raises(IndexUnavailable, match=r"http://127.0.0.1:9 cannot be reached") as told:
        follower.refresh()
    assert "sesame" not in str(told.value)
