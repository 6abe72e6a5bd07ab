"""JSON bodies where forms are taken, and answers that say whether they changed, over real HTTP."""

import base64
from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from search_api.marklens import MarkLens

SEARCH = "/api/v1/search"


@pytest.fixture
def picture(draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]) -> bytes:
    return as_png(draw_mark(4))


def packed(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_json_asks_for_what_a_form_asks_for(client: httpx.Client, picture: bytes) -> None:
    wanted = {"k": 3, "office": ["EM"], "nice": [25, 9], "weights": {"visual": 1, "colour": 0.5}}
    fields = {"k": "3", "office": "EM", "nice": "25,9", "weights": "visual=1,colour=.5"}
    form = client.post(SEARCH, data=fields, files={"image": picture}).json()
    for image in (packed(picture), "data:image/png;base64," + packed(picture)):
        sent = client.post(SEARCH, json={"image": image, "crop": None, **wanted})
        assert sent.status_code == 200, sent.text
        assert sent.json()["hits"] == form["hits"]
    handle = form["query"]["pictures"][0]["handle"]
    assert client.post(SEARCH, json={"query": handle, **wanted}).json()["hits"] == form["hits"]
    assert client.post(SEARCH, json={"query": [handle], **wanted}).json()["hits"] == form["hits"]
    by_mark = client.post(SEARCH, data={"mark_id": "M-2", "k": "2"}).json()
    assert client.post(SEARCH, json={"mark_id": "M-2", "k": 2}).json()["hits"] == by_mark["hits"]


def test_other_forms_may_be_json_too(
    client: httpx.Client, marklens: MarkLens, picture: bytes
) -> None:
    image = {"image": packed(picture)}
    crop = {"crop": "0,0,60,60"}
    seen = client.post("/api/v1/classify", data=crop, files={"image": picture}).json()
    for written in ("0,0,60,60", [0, 0, 60, 60]):
        asked = {**image, "crop": written}
        assert client.post("/api/v1/classify", json=asked).json() == seen
    report = {
        "mark_id": "M-2",
        "k": 1,
        "format": "csv",
        "notes": {"M-3": "x"},
        "shortlist": ["M-3"],
    }
    assert ",x" in client.post("/api/v1/search/report", json=report).text
    both = client.post("/api/v1/batches", json={"images": [image["image"]] * 2, "k": 1})
    assert (both.status_code, both.json()["total"]) == (202, 2)
    made = client.post("/api/v1/marks", json={"id": "J-1", "nice": [9, 25], **image})
    assert made.status_code == 201, made.text
    assert made.json()["nice"] == [9, 25]
    marklens.delete("J-1")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[1]", 422, "JSON object"),
        (b'{"image": "no picture!"}', 422, "not base64"),
        (b'{"image": 7}', 422, "not base64"),
        (b'{"image": "AAAA"}', 422, "not a picture"),
        (b'{"mark_id": "M-2", "k": [1, 2]}', 422, "sent 2 times"),
        (b'{"mark_id": "M-2", "colour": 1}', 422, "no such field"),
        (b'{"mark_id": "M-2", "k": {"a": 1}}', 422, "k"),
        (b'{"mark_id": "\\ud800"}', 422, "mark_id"),
        (b'{"mark_id": "M-2", "text": "\\ud800"}', 422, "text"),
        (b'{"mark_id": "M-2", "owner": "\\ud800"}', 422, "owner"),
        (b'{"mark_id": "M-2", "weights": {"\\ud800": 1}}', 422, "weight"),
        (b'{"mark_id": "M-2", "vienna_any": "\\ud800"}', 422, "vienna_any"),
        (b'{"mark_id": "M-2", "vienna_source": "\\ud800"}', 422, "vienna_source"),
        (b'{"mark_id": "M-2", "\\ud800": 1}', 422, "unicode string"),
        (b'{"query": "\\ud800"}', 422, "query"),
        (b'{"image": "\\ud800"}', 422, "not base64"),
        (b"{}", 422, "mark_id"),
        (b'{"nice": [0' + b",0" * 120_000 + b"]}", 400, "too many values"),
        (b'{"nice": [0' + b",0" * 5000 + b"]}", 400, "more than 3000 values"),
        (b'{"nice": [0' + b",0" * 2000 + b"]}", 422, "nice: has 2001 values; 200 may be sent"),
        (b'{"office": [0' + b",0" * 200 + b"]}", 422, "office: has 201 values"),
        (b'{"image": "%s"}' % (b"A " * 140_000), 422, "not a picture"),
    ],
)
def test_a_body_that_says_nothing_sensible_is_a_problem(
    client: httpx.Client, body: bytes, status: int, words: str
) -> None:
    answer = client.post(SEARCH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


PATHS = ("/api/v1/marks/M-3", "/api/v1/marks?office=US&k=2", "/api/v1/vienna", "/static/js/dom.js")


@pytest.mark.parametrize("path", PATHS)
def test_what_a_client_holds_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    tag = first.headers["ETag"]
    for method in ("GET", "HEAD"):
        again = client.request(method, path, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_a_change_of_the_register_changes_what_it_touches(
    client: httpx.Client, marklens: MarkLens, picture: bytes
) -> None:
    tags = {path: client.get(path).headers["ETag"] for path in PATHS[:3]}
    assert client.get(PATHS[1] + "&offset=1").headers["ETag"] != tags[PATHS[1]]
    marklens.add(MarkRecord("NEW", office="US"), picture)
    held = {
        path: client.get(path, headers={"If-None-Match": tag}).status_code
        for path, tag in tags.items()
    }
    assert list(held.values()) == [304, 200, 200]
    marklens.delete("NEW")
    image = client.get("/api/v1/marks/M-3/image?size=64")
    same = client.get("/api/v1/marks/M-3/image?size=64", headers={"If-None-Match": "*"})
    assert same.status_code == 304
    assert image.headers["ETag"] == same.headers["ETag"]
