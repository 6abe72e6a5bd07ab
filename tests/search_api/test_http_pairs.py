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

            def ask(**fields: str) -> dict[str, Any]:
                url = f"{address}/api/v1/search"
                files = {"image": mark("MARKE")}
                answer: dict[str, Any] = httpx.post(url, files=files, data=fields).json()
                return answer

            answer = ask(weights="visual=0,concept=0,colour=1")
            whole = ask(weights="parts=0")
    _, device = answer["query"]["boxes"]
    wanted = [DEVICE[0] / 384, DEVICE[1] / 192, DEVICE[2] / 384, DEVICE[3] / 192]
    assert device == pytest.approx(wanted, abs=0.02)
    pairs = {hit["id"]: hit["pair"] for hit in answer["hits"]}
    assert pairs["ALONE"]["query"] == 1
    assert pairs["ALONE"]["query_box"] == device
    assert pairs["ALONE"]["mark_box"] == pytest.approx(wanted, abs=0.05)
    assert all(0 <= share <= 1 for pair in pairs.values() for share in pair["mark_box"])
    assert {hit["pair"]["query"] for hit in whole["hits"]} == {0}
