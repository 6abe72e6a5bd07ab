"""Wild pictures over real HTTP: the right picture or a clear refusal, never a failure."""

import io
import struct
import zlib
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from PIL import Image

SEARCH = "/api/v1/search"
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3"/></svg>'
)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG whose header promises 20,000 × 20,000 pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checked = name + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def drawn(mode: str = "RGB") -> Image.Image:
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[10:30, 20:40] = (200, 30, 30)
    return Image.fromarray(pixels).convert(mode)


def animated() -> bytes:
    return saved(drawn(), "GIF", save_all=True, append_images=[drawn("L")])


def white_on_nothing() -> bytes:
    logo = np.zeros((40, 40, 4), np.uint8)
    logo[10:30, 10:30] = 255
    return saved(Image.fromarray(logo), "PNG")


def sixteen_bit() -> bytes:
    return saved(Image.fromarray(np.linspace(0, 65535, 1600).reshape(40, 40).astype("u2")), "PNG")


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(animated(), id="animated GIF"),
        pytest.param(saved(drawn("CMYK"), "JPEG"), id="CMYK JPEG"),
        pytest.param(sixteen_bit(), id="16-bit PNG"),
        pytest.param(white_on_nothing(), id="white on nothing"),
        pytest.param(SVG, id="SVG"),
    ],
)
def test_an_unusual_picture_is_searched(client: httpx.Client, picture: bytes) -> None:
    answer = client.post(SEARCH, files={"image": picture})
    assert answer.status_code == 200, answer.text
    assert answer.json()["hits"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"Dear office, please find attached", id="text"),
        pytest.param(saved(drawn(), "PNG")[:60], id="truncated PNG"),
        pytest.param(saved(Image.new("RGB", (1, 1)), "PNG"), id="1 x 1"),
        pytest.param(bomb(), id="bomb"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<svg", id="broken SVG"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(client: httpx.Client, content: bytes) -> None:
    answer = client.post(SEARCH, files={"image": ("sign.png", content)})
    assert 400 <= answer.status_code < 500, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "instance"} <= set(problem)
    assert problem["detail"]
    assert "Traceback" not in answer.text


def test_a_picture_over_the_limit_is_refused_unread(client: httpx.Client) -> None:
    answer = client.post(SEARCH, files={"image": b"\x89PNG" + bytes(400_000)})
    assert answer.status_code == 413


def test_a_search_for_nothing_is_refused(client: httpx.Client) -> None:
    assert client.post(SEARCH, files={"k": (None, "3")}).status_code == 422


@pytest.mark.parametrize(
    "sheet", [Image.new("RGB", (60, 40), "white"), Image.new("L", (60, 40), 250)]
)
def test_a_blank_sheet_is_refused_as_a_transparent_one_is(
    client: httpx.Client, sheet: Image.Image
) -> None:
    for path in (SEARCH, "/api/v1/classify"):
        answer = client.post(path, files={"image": saved(sheet, "PNG")})
        assert answer.status_code == 422
        assert "every pixel is white" in answer.json()["detail"]


def test_a_blank_part_of_a_picture_is_refused_and_a_colour_is_a_mark(client: httpx.Client) -> None:
    asked = {"files": {"image": saved(drawn(), "PNG")}, "data": {"crop": "0,0,15,40"}}
    answer = client.post(SEARCH, **asked)
    assert (answer.status_code, answer.json()["type"][-16:]) == (422, "unreadable-image")
    lilac = saved(Image.new("RGB", (60, 40), "#8a6fb3"), "PNG")
    assert client.post(SEARCH, files={"image": lilac}).status_code == 200


@pytest.mark.parametrize("path", [SEARCH, "/api/v1/classify", "/api/v1/classify/explain"])
def test_two_pictures_are_refused_rather_than_one_used(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    path: str,
) -> None:
    pictures = [("image", as_png(draw_mark(seed))) for seed in (1, 2)]
    answer = client.post(path, files=pictures)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "image", "detail": "image was sent 2 times; send it once."}
    ]


def test_any_field_of_one_value_is_refused_when_it_comes_twice(client: httpx.Client) -> None:
    asked = {"mark_id": "M-1", "office": ["EM", "US"]}
    assert client.post(SEARCH, data=asked).status_code == 200
    for field, values in (("k", ["1", "2"]), ("mark_id", ["M-1", "M-2"]), ("text", ["a", "b"])):
        answer = client.post(SEARCH, data={**asked, field: values})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    added = client.post("/api/v1/marks", data={"id": ["A", "B"]})
    assert (added.status_code, added.json()["errors"][0]["field"]) == (422, "id")


def test_an_unknown_mark_is_not_found(client: httpx.Client) -> None:
    assert client.post(SEARCH, files={"mark_id": (None, "NOBODY")}).status_code == 404
    assert client.get("/api/v1/marks/NOBODY/image").status_code == 404


def test_a_lost_browser_gets_a_page_and_a_program_a_problem(
    client: httpx.Client, draw_mark: Callable[..., Image.Image]
) -> None:
    page = client.get("/nowhere", headers={"Accept": "text/html"})
    problem = client.get("/api/v1/nowhere", headers={"Accept": "text/html"})
    assert (page.status_code, problem.status_code) == (404, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert problem.headers["content-type"] == "application/problem+json"


def test_one_small_request_makes_no_large_answer(client: httpx.Client) -> None:
    def short(answer: httpx.Response) -> str:
        assert (answer.status_code, len(answer.content) < 10_000) == (422, True)
        return str(answer.json()["detail"])

    listed = "0," * 15_000
    assert "nice: is longer than" in short(client.get("/api/v1/facets", params={"nice": listed}))
    for name in ("nice", "vienna_any"):
        assert f"{name}: is longer than" in short(client.post(SEARCH, data={name: listed * 4}))
    unknown = {f"f{number}": "1" for number in range(30)}
    answer = client.post(SEARCH, data=unknown | {"nice": "0," * 9})
    assert short(answer).endswith("; and 19 more")
    assert len(answer.json()["errors"]) == 20
    long_name = "n" * 100_000
    assert "no such field" in short(client.post(SEARCH, data={long_name: ["1", "2"]}))
