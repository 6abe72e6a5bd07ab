"""MARKLENS_INDEX as the address of a Milvus server."""

import pytest

from indexer.index.milvus import MilvusAddress
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
    with pytest.raises(BadSettings, match=r"MARKLENS_INDEX.*take auto, exact, ivf or milvus"):
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
