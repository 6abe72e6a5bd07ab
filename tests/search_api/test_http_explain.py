"""`POST /classify/explain` over real HTTP: where in a picture each code was seen."""

import io
from collections.abc import Callable

import httpx
from PIL import Image

EXPLAIN, CLASSIFY = "/api/v1/classify/explain", "/api/v1/classify"


def test_one_copy_a_code_is_drawn_beside_the_picture(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    files = {"image": as_png(draw_mark(1))}
    codes = client.post(CLASSIFY, files=files).json()["vienna"]
    answer = client.post(EXPLAIN, files=files)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    columns = min(4, len(codes) + 1)
    with Image.open(io.BytesIO(answer.content)) as sheet:
        assert sheet.size == (columns * 224, -(-(len(codes) + 1) // columns) * 260)


def test_a_part_of_the_picture_is_explained_on_its_own(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    files = {"image": as_png(draw_mark(1))}
    whole = client.post(EXPLAIN, files=files).content
    part = client.post(EXPLAIN, files=files, data={"crop": "0,0,48,48"})
    assert part.status_code == 200, part.text
    assert part.content != whole


def test_what_cannot_be_explained_is_a_problem_in_words(client: httpx.Client) -> None:
    broken = client.post(EXPLAIN, files={"image": b"no picture"})
    assert broken.status_code in (415, 422)
    assert broken.headers["content-type"] == "application/problem+json"
    assert client.post(EXPLAIN).status_code == 422
