"""MARKLENS_INDEX as the address of a Milvus server."""

import numpy as np
import pytest
from pymilvus import MilvusException

from indexer.errors import IndexUnavailable
from indexer.index.milvus import MilvusAddress
from indexer.index.milvus.collection import WHOLES, Collection, Held
from models.errors import MarkLensError
from search_api.settings import BadSettings, Settings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("milvus://", "write milvus://host"),
        ("milvus://host:port", "write milvus://host"),
        ("milvus://host/1st", "cannot be a collection"),
        ("milvus://host?index=PQ", "take FLAT, IVF_SQ8, HNSW"),
        ("milvus://host?consistency=Maybe", "take Strong, Bounded"),
        ("milvus://host?nprobe=3", "there is no option 'nprobe'"),
    ],
)
def test_an_address_that_cannot_be_used_is_told(text: str, reason: str) -> None:
    with pytest.raises(MarkLensError, match=reason):
        MilvusAddress.parse(text)


def test_a_setting_that_names_no_index_is_told_without_what_it_holds() -> None:
    with pytest.raises(BadSettings, match="MARKLENS_INDEX: take auto, exact, ivf or milvus"):
        Settings.read(index="lists")
    with pytest.raises(BadSettings, match=r"MARKLENS_INDEX.*take FLAT") as told:
        Settings.read(index="milvus://root:sesame@host?index=PQ")
    assert "sesame" not in str(told.value)
    assert "sesame" not in repr(Settings.read(index="milvus://root:sesame@host"))


def test_an_address_names_server_account_and_index() -> None:
    full = MilvusAddress.parse("milvus://me:s%40d@[::1]:1/marks?index=HNSW&tls=true")
    assert (full.uri, full.token, full.collection) == ("https://[::1]:1", "me:s@d", "marks")
    assert (full.index, full.is_exact, "s@d" in repr(full)) == ("HNSW", False, False)
    short = MilvusAddress.parse("milvus://db")
    assert (short.uri, short.token, short.collection) == ("http://db:19530", "", None)


def test_a_failure_that_the_server_says_nothing_of_is_told_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = Held("register", "network", 1, "FLAT")
    collection = Collection(MilvusAddress.parse("milvus://127.0.0.1"), "marks", held, 4)

    def fail() -> None:
        raise MilvusException(code=65_535, message="")

    monkeypatch.setattr(collection, "_client", fail)
    with pytest.raises(IndexUnavailable, match="error 65535"):
        collection.drop()


@pytest.mark.parametrize("level", ["Strong", "Bounded", "Eventually"])
def test_each_search_asks_for_the_consistency_of_the_address(
    monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    asked: list[object] = []

    class Client:
        def __init__(self, **_: object) -> None:
            pass

        def search(self, *_: object, **given: object) -> list[list[object]]:
            asked.append(given.get("consistency_level"))
            return [[]]

    monkeypatch.setattr("pymilvus.MilvusClient", Client)
    address = MilvusAddress.parse(f"milvus://db?consistency={level}")
    collection = Collection(address, "marks", Held("register", "network", "FLAT"), 4)
    collection.search(np.zeros((1, 4), np.float32), "", 5, {}, WHOLES)
    assert asked == [level]


@pytest.mark.parametrize(
    ("index", "passing", "slices"),
    [
        ("HNSW", 1, 1),
        ("HNSW", 100_000, 4),
        ("HNSW", 262_144, 8),
        ("HNSW", 262_145, 0),  # too many to compare with all
        ("IVF_SQ8", 100_000, 0),
    ],
)
def test_a_filtered_search_of_a_graph_is_divided_into_slices_that_are_compared(
    index: str, passing: int, slices: int
) -> None:
    address = MilvusAddress.parse(f"milvus://db?index={index}")
    assert address.slices(passing, 1_000_000) == slices
    assert address.slices(980_000, 1_000_000) == 0  # links lead to nearly all
    assert ("radius" in address.searching(50, passing, 1_000_000)) == (slices > 0)


def test_where_more_pass_than_were_there_as_much_is_looked_at_as_without_a_filter() -> None:
    address = MilvusAddress.parse("milvus://db?index=IVF_SQ8")
    for passing, total in ((500, 0), (500, 10), (500, 500)):
        assert address.searching(50, passing, total) == address.searching(50, 1_000, 1_000)
