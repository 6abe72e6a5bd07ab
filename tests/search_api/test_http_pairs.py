"""Which parts of query and mark matched, and where, over real HTTP."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw, ImageFont

from indexer.marks import MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings

DEVICE = (10, 70, 59, 119)


def mark(word: str = "") -> bytes:
    """A red disc, alone or with a black word to its right."""
    picture = Image.new("RGB", (384, 192), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse(DEVICE, fill="red")
    pen.text((76, 74), word, fill="black", font=ImageFont.load_default(30))
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def framed(picture: bytes) -> bytes:
    """A picture on a larger white page, 100 pixels from its left and 50 from its top."""
    page = Image.new("RGB", (768, 384), "white")
    with Image.open(BytesIO(picture)) as image:
        page.paste(image, (100, 50))
    file = BytesIO()
    page.save(file, "PNG")
    return file.getvalue()


def test_a_hit_says_which_parts_matched_and_where(
    tiny_settings: Callable[..., Settings],
    checkpoint_with_parts: Path,
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    tmp_path: Path,
) -> None:
    with MarkLens.open(tiny_settings(tmp_path, checkpoint=checkpoint_with_parts)) as marklens:
        marklens.add(MarkRecord("ALONE"), mark())
        marklens.add(MarkRecord("BESIDE"), mark("OTHER WORDS"))
        with serving(marklens) as address:

            def ask(sent: bytes = mark("MARKE"), **fields: str) -> dict[str, Any]:
                url = f"{address}/api/v1/search"
                answer: dict[str, Any] = httpx.post(url, files={"image": sent}, data=fields).json()
                return answer

            colour = {"weights": "visual=0,concept=0,colour=1"}
            answer = ask(**colour)
            whole = ask(weights="parts=0")
            within = ask(framed(mark("MARKE")), crop="100,50,384,192", **colour)
    _, device = answer["query"]["boxes"]
    wanted = [DEVICE[0] / 384, DEVICE[1] / 192, DEVICE[2] / 384, DEVICE[3] / 192]
    assert device == pytest.approx(wanted, abs=0.02)
    pairs = {hit["id"]: hit["pair"] for hit in answer["hits"]}
    assert pairs["ALONE"]["query"] == 1
    assert pairs["ALONE"]["query_box"] == device
    assert pairs["ALONE"]["mark_box"] == pytest.approx(wanted, abs=0.05)
    assert all(0 <= share <= 1 for pair in pairs.values() for share in pair["mark_box"])
    assert {hit["pair"]["query"] for hit in whole["hits"]} == {0}
    # The crop holds the same picture: its boxes are shares of the frame, which is twice as large.
    moved = [100 / 768, 50 / 384, 100 / 768, 50 / 384]
    placed = [share / 2 + by for share, by in zip(device, moved, strict=True)]
    assert within["query"]["boxes"][1] == pytest.approx(placed, abs=1e-4)
    assert within["hits"][0]["pair"]["query_box"] == within["query"]["boxes"][1]
