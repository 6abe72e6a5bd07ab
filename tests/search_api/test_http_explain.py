"""`POST /classify/explain` over real HTTP: where in a picture each code was seen."""

import io
from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from models.encoder import Encoder
from search_api.marklens import MarkLens

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


def test_a_picture_in_which_no_code_is_seen_is_drawn_alone(
    client: httpx.Client,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Encoder, "predicted", lambda *_: ())
    answer = client.post(EXPLAIN, files={"image": as_png(draw_mark(1))})
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as sheet:
        assert sheet.size == (224, 260)


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


def test_a_mark_of_the_register_is_drawn_and_explained_in_its_own_pixels(
    client: httpx.Client, marklens: MarkLens, draw_mark: Callable[..., Image.Image]
) -> None:
    file = io.BytesIO()
    large = draw_mark(5).resize((1600, 1200))
    large.save(file, "TIFF", compression="tiff_deflate")
    marklens.add(MarkRecord("SCAN"), file.getvalue())
    mark = {"mark_id": "SCAN", "turn": "90"}
    drawn = client.post("/api/v1/preview", data=mark)
    assert drawn.headers["Picture-Size"] == "1200x1600"
    corner = {"crop": "100,200,1100,1400"}  # reaches outside of the drawing, which is smaller
    sent = client.post(EXPLAIN, files={"image": file.getvalue()}, data={"turn": "90"} | corner)
    assert client.post(EXPLAIN, data=mark | corner).content == sent.content
    assert sent.headers["content-type"] == "image/png"
    marklens.delete("SCAN")
    assert client.post(EXPLAIN, data=mark).status_code == 404
    assert client.post(EXPLAIN, data=mark, files={"image": file.getvalue()}).status_code == 422


def test_one_code_is_a_layer_of_the_pictures_shape_red_within_the_sign(
    client: httpx.Client, as_png: Callable[[Image.Image], bytes]
) -> None:
    picture = Image.new("RGB", (400, 200), "white")
    picture.paste("navy", (300, 50, 380, 130))
    files = {"image": as_png(picture)}
    code = client.post(CLASSIFY, files=files).json()["vienna"][0]["code"]
    answer = client.post(EXPLAIN, files=files, data={"code": code})
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as layer:
        assert (layer.mode, layer.size) == ("RGBA", (256, 128))
        alpha = layer.getchannel("A")
        box = alpha.getbbox()
        assert box is not None
        assert box[0] >= 180, "where the sign is"
        assert alpha.getextrema()[1] < 255, "the picture is seen through it"
    unknown = client.post(EXPLAIN, files=files, data={"code": "03.01.08.99"})
    assert unknown.status_code == 422
