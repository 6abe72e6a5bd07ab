"""`POST /search/batch` over real HTTP."""

from collections.abc import Callable
from typing import Any

import httpx
from PIL import Image

URL = "/api/v1/search/batch"
Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]


def named(*pictures: tuple[str, bytes]) -> list[tuple[str, Any]]:
    return [("images", (name, content, "image/png")) for name, content in pictures]


def test_each_picture_is_answered_as_if_it_were_searched_alone(
    client: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    pictures = [(f"{number}.png", as_png(draw_mark(number))) for number in (3, 7)]
    form = {"k": "4", "office": "US"}
    files = named(pictures[0], ("no.png", b"no picture"), pictures[1])
    results = client.post(URL, data=form, files=files).json()["results"]
    assert [one["image"] for one in results] == ["3.png", "no.png", "7.png"]
    assert results[1]["answer"] is None
    assert "not a picture" in results[1]["error"]
    for one, (_, content) in zip((results[0], results[2]), pictures, strict=True):
        alone = client.post("/api/v1/search", data=form, files={"image": content}).json()
        assert one["error"] is None
        assert one["answer"]["hits"] == alone["hits"]
        for picture in alone["query"]["pictures"]:
            picture["handle"] = None  # a batch keeps no pictures
        assert one["answer"]["query"] == alone["query"]


def test_more_pictures_than_allowed_or_none_are_refused(
    client: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    content = as_png(draw_mark(1, 24))
    many = client.post(URL, files=named(*[("a.png", content)] * 21))
    assert many.status_code == 422
    assert many.json()["errors"][0]["field"] == "images"
    assert client.post(URL, data={"k": "3"}).status_code == 422
    both = client.post(URL, data={"mark_id": "M-1"}, files=named(("a.png", content)))
    assert both.status_code == 422
