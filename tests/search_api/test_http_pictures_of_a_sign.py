"""Each of several pictures of a sign: its own page, turn and crop, and its own fault."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

SEARCH = "/api/v1/search"


@pytest.fixture(scope="module")
def marks(
    draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]
) -> list[bytes]:
    return [as_png(draw_mark(number)) for number in range(6)]


def search(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post(SEARCH, data=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_each_picture_of_a_sign_has_a_page_turn_and_crop_of_its_own(
    client: httpx.Client, marks: list[bytes], draw_mark: Callable[..., Image.Image]
) -> None:
    filing = io.BytesIO()
    turned = draw_mark(4).transpose(Image.Transpose.ROTATE_90)
    draw_mark(2).save(filing, "PDF", save_all=True, append_images=[turned], resolution=72)
    files = {"image": marks[1], "other_images": filing.getvalue()}
    found = client.post(SEARCH, data={"other_views": "page=2;turn=90"}, files=files).json()
    first = [(hit["id"], hit["pair"]["picture"]) for hit in found["hits"][:2]]
    assert sorted(first) == [("M-1", 0), ("M-4", 1)]
    handles = [one["handle"] for one in found["query"]["pictures"]]
    # In another order each keeps its own view.
    swapped = {"query": handles[::-1], "page": "2", "turn": "90", "other_views": "page=1"}
    again = search(client, **swapped)
    assert [(hit["id"], hit["score"]) for hit in again["hits"]] == [
        (hit["id"], hit["score"]) for hit in found["hits"]
    ]
    crop = {"query": handles[:1] * 2, "other_views": "crop=0,0,48,48"}
    assert search(client, **crop)["query"]["pictures"][1]["boxes"][0][2] <= 0.5
    as_json = client.post(SEARCH, json={"query": handles, "other_views": ["page=2;turn=90"]})
    assert as_json.json()["hits"] == found["hits"]
    page = client.get("/results", params={"query": handles, "other_views": "page=2;turn=90"})
    assert page.status_code == 200
    form = {"query": handles, "other_views": "page=2;turn=90", "format": "csv"}
    report = client.post("/api/v1/search/report", data=form).text
    assert f"{hashlib.sha256(filing.getvalue()).hexdigest()}, Page 2, Turn 90" in report


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (["page=2", "page=1"], "2 views are given of 1 further pictures"),
        (["page"], "other_views"),
        (["page=x"], "other_views"),
        (["crop=1,2"], "other_views"),
        (["zoom=2"], "other_views"),
        (["page=7"], "picture 2: there is no page 7"),
    ],
)
def test_a_view_that_is_none_is_refused(
    client: httpx.Client, marks: list[bytes], views: list[str], said: str
) -> None:
    files = {"image": marks[1], "other_images": marks[4]}
    refused = client.post(SEARCH, data={"other_views": views}, files=files)
    assert refused.status_code == 422
    problem = refused.json()
    assert said in [problem["detail"][: len(said)], *(one["field"] for one in problem["errors"])]


def test_a_picture_that_cannot_be_read_is_told_from_the_others_of_the_sign(
    client: httpx.Client, marks: list[bytes]
) -> None:
    sent = client.post(SEARCH, files={"image": marks[1]}).json()
    handle = sent["query"]["pictures"][0]["handle"]
    refused = client.post(SEARCH, data={"query": handle}, files={"other_images": b"no picture"})
    problem = refused.json()
    assert (refused.status_code, problem["type"]) == (422, "urn:marklens:problem:unreadable-image")
    assert [one["field"] for one in problem["errors"]] == ["pictures.1"]
    assert problem["detail"].startswith("picture 2: ")
    alone = client.post(SEARCH, files={"image": b"no picture"}).json()
    assert alone["errors"] == []


def test_a_watch_has_no_more_views_than_signs(client: httpx.Client, marks: list[bytes]) -> None:
    form = {"name": "two", "threshold": "0.9", "other_views": ["page=1", "page=1"]}
    files = [("images", marks[1]), ("images", marks[4])]
    refused = client.post("/api/v1/watches", data=form, files=files)
    assert "more views than signs" in refused.json()["detail"]
