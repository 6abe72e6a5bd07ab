"""Registering, showing and withdrawing single marks over real HTTP."""

import io
from collections.abc import Callable

import httpx
from PIL import Image

MARKS = "/api/v1/marks"


def test_a_new_mark_is_found_at_once_and_gone_when_withdrawn(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    picture = as_png(draw_mark(77))
    fields = {"id": "NEW-1", "vienna": "24.01", "nice": "12", "text": "Neu"}
    added = client.post(MARKS, files={"image": picture}, data=fields)
    assert added.status_code == 201
    assert added.headers["location"] == f"{MARKS}/NEW-1"
    found = client.post("/api/v1/search", files={"image": picture}, data={"k": "1"}).json()
    assert found["hits"][0]["id"] == "NEW-1"

    assert client.post(MARKS, files={"image": picture}, data=fields).status_code == 200

    assert client.delete(f"{MARKS}/NEW-1").status_code == 204
    found = client.post("/api/v1/search", files={"image": picture}, data={"k": "100"}).json()
    assert "NEW-1" not in [hit["id"] for hit in found["hits"]]
    assert client.get(f"{MARKS}/NEW-1").status_code == 404
    assert client.delete(f"{MARKS}/NEW-1").status_code == 404


def test_a_mark_shows_what_was_registered(client: httpx.Client) -> None:
    mark = client.get(f"{MARKS}/M-4").json()
    assert (mark["text"], mark["office"], mark["filed"]) == ("WORD 4", "EM", "2014-01-01")
    assert mark["vienna"] == ["03.01.01"]


def test_pictures_come_small_and_whole(client: httpx.Client) -> None:
    whole = client.get(f"{MARKS}/M-4/image")
    small = client.get(f"{MARKS}/M-4/image", params={"size": 32})
    assert whole.headers["content-type"] == "image/png"
    assert max(Image.open(io.BytesIO(small.content)).size) == 64  # the next size there is
    again = client.get(f"{MARKS}/M-4/image", headers={"If-None-Match": whole.headers["etag"]})
    assert again.status_code == 304
    assert client.get(f"{MARKS}/M-4/image", params={"size": 5}).status_code == 422


def test_the_tree_counts_marks_at_every_level(client: httpx.Client) -> None:
    codes = client.get("/api/v1/vienna", params={"source": "assigned"}).json()["categories"]
    animals = next(node for node in codes if node["code"] == "03")
    assert animals["marks"] == 6
    assert [node["marks"] for node in animals["children"] if node["code"] == "03.01"] == [6]


def test_health_readiness_and_metrics_answer(client: httpx.Client) -> None:
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json()["marks"] == 12
    assert "marklens_marks 12.0" in client.get("/metrics").text


def test_a_write_from_a_foreign_page_is_refused(client: httpx.Client) -> None:
    answer = client.delete(f"{MARKS}/M-1", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    assert client.get(f"{MARKS}/M-1").status_code == 200
