"""Words in pictures over HTTP: read, searched for, and left out of the comparison."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from indexer.ingest import IngestOptions
from indexer.marks import MarkRecord
from models import errors
from search_api.marklens import MarkLens
from search_api.settings import Settings
from tests.lettering import lettered

WORDS, SEARCH = "/api/v1/words", "/api/v1/search"
Serving = Callable[[MarkLens], AbstractContextManager[str]]


@pytest.fixture
def cafe(as_png: Callable[[Image.Image], bytes]) -> bytes:
    return as_png(lettered("LION CAFE"))


@pytest.fixture
def disc(as_png: Callable[[Image.Image], bytes]) -> bytes:
    return as_png(lettered(""))


@pytest.fixture
def marklens(
    tiny_settings: Callable[..., Settings], tmp_path: Path, cafe: bytes, disc: bytes
) -> Iterator[MarkLens]:
    with MarkLens.open(tiny_settings(tmp_path / "data")) as opened:
        opened.add(MarkRecord("CAFE"), cafe)
        opened.add(MarkRecord("DISC"), disc)
        yield opened


@pytest.fixture
def client(marklens: MarkLens, serving: Serving) -> Iterator[httpx.Client]:
    with serving(marklens) as address, httpx.Client(base_url=address, timeout=60) as http:
        yield http


def search(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post(SEARCH, **fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_words_of_a_picture_are_read_with_their_place(
    client: httpx.Client, cafe: bytes, disc: bytes
) -> None:
    found = client.post(WORDS, files={"image": cafe}).json()
    assert found["text"] == "LION CAFE"
    (line,) = found["read_words"]
    assert line["text"] == "LION CAFE"
    assert line["confidence"] > 0.9
    assert 0.6 < line["box"][1] < line["box"][3] < 0.95
    assert client.post(WORDS, files={"image": disc}).json() == {"text": "", "read_words": []}
    assert client.post(WORDS, data={"mark_id": "CAFE"}).json() == found


def test_the_place_of_words_in_a_crop_is_said_in_the_whole_picture(
    client: httpx.Client, cafe: bytes
) -> None:
    (whole,) = client.post(WORDS, files={"image": cafe}).json()["read_words"]
    cropped = client.post(WORDS, data={"crop": "0,150,300,110"}, files={"image": cafe}).json()
    (line,) = cropped["read_words"]
    assert line["text"] == "LION CAFE"
    assert line["box"] == pytest.approx(whole["box"], abs=0.03)
    above = client.post(WORDS, data={"crop": "0,0,300,150"}, files={"image": cafe}).json()
    assert above["text"] == ""


def test_a_kept_picture_is_read_by_its_handle(client: httpx.Client, cafe: bytes) -> None:
    handle = search(client, files={"image": cafe})["query"]["pictures"][0]["handle"]
    assert client.post(WORDS, data={"query": handle}).json()["text"] == "LION CAFE"
    bare = search(client, data={"query": handle, "ignore_words": "true"})
    assert bare["hits"][0]["id"] == "DISC"
    assert search(client, data={"query": handle})["hits"][0]["id"] == "CAFE"


@pytest.mark.parametrize("sent", ["image", "mark_id"])
def test_without_its_words_a_picture_finds_its_device(
    client: httpx.Client, cafe: bytes, sent: str
) -> None:
    query = {"files": {"image": cafe}} if sent == "image" else {}
    data = {"ignore_words": "true"} | ({} if query else {"mark_id": "CAFE"})
    bare = {hit["id"]: hit["score"] for hit in search(client, data=data, **query)["hits"]}
    assert bare["DISC"] == pytest.approx(1, abs=0.01)
    assert bare["DISC"] > bare.get("CAFE", 0)


def test_nothing_but_words_cannot_be_compared_without_them(
    client: httpx.Client, cafe: bytes
) -> None:
    fields = {"crop": "0,160,300,80", "ignore_words": "true"}
    answer = client.post(SEARCH, data=fields, files={"image": cafe})
    assert answer.status_code == 422
    assert "without its words: nothing is left" in answer.json()["detail"]
    assert answer.json()["type"] == "urn:marklens:problem:only-words"


def test_marks_are_found_by_words_read_as_they_come(
    client: httpx.Client, marklens: MarkLens, tmp_path: Path, cafe: bytes, disc: bytes
) -> None:
    for name, content in (("read", cafe), ("bare", disc), ("given", disc)):
        (tmp_path / f"{name}.png").write_bytes(content)
    table = tmp_path / "marks.csv"
    table.write_text("id,image,text\nread,read.png,\nbare,bare.png,\ngiven,given.png,Lyon Café\n")
    report = marklens.ingest(table, options=IngestOptions(read_words=True))
    assert (report.words_read, report.without_words) == (1, 1)
    marks = client.get("/api/v1/marks", params={"text": "lion cafe"}).json()["marks"]
    assert [(mark["id"], mark["text"], mark["words_read"]) for mark in marks] == [
        ("read", None, "LION CAFE"),
        ("given", "Lyon Café", None),
    ]
    assert client.get("/api/v1/marks/bare").json()["words_read"] == ""
    assert client.get("/api/v1/marks/CAFE").json()["words_read"] is None
    assert "Words read in the picture" in client.get("/marks/read").text


def test_without_the_extra_all_else_works(
    client: httpx.Client, cafe: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda name: name != "rapidocr" or None)
    for path, fields in ((WORDS, {}), (SEARCH, {"ignore_words": "true"})):
        answer = client.post(path, data=fields, files={"image": cafe})
        assert answer.status_code == 501
        assert answer.json()["type"] == "urn:marklens:problem:missing-reader"
        assert "pip install '.[words]'" in answer.json()["detail"]
    assert search(client, files={"image": cafe})["hits"][0]["id"] == "CAFE"
