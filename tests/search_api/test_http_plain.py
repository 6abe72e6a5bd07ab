"""The search without scripts over HTTP: what its pages link to, and what it asks again."""

import html
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings

Serving = Callable[[MarkLens], AbstractContextManager[str]]


def listed(page: httpx.Response) -> list[str]:
    return re.findall(r'class="hit-picture" href="/marks/([^"]+)"', page.text)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"query": "0" * 32}, "is gone"),
        ({"mark_id": "NONE"}, "NONE"),
        ({"utm_source": "x", "utm_medium": "y"}, "no such field"),
        ({"weights": "smell", "mark_id": "M-1"}, "weights"),
        ({"mark_id": "M-1", "crop": "soup"}, "crop"),
        ({"turn": "soup"}, "turn"),
    ],
)
def test_what_failed_and_no_input_shows_is_not_asked_again(
    client: httpx.Client, wrong: dict[str, str], said: str
) -> None:
    page = client.get("/results", params={"office": "US", **wrong})
    assert (page.status_code, said in html.unescape(page.text)) == (422, True)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    again = client.get("/results", params={"office": "US", **hidden})
    assert again.status_code == 200, again.text


@pytest.mark.parametrize("days", [0, 1])
def test_a_form_has_further_pages_and_another_language_where_its_picture_is_kept(
    tiny_settings: Callable[..., Settings], serving: Serving, tmp_path: Path, days: int,
    draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes],
) -> None:  # fmt: skip
    with MarkLens.open(tiny_settings(tmp_path, query_days=days)) as marklens:
        for number in range(3):
            marklens.add(MarkRecord(f"M-{number}", office="EM"), as_png(draw_mark(number)))
        with serving(marklens) as address, httpx.Client(base_url=address, timeout=30) as client:
            form = {"k": "1", "office": "EM"}
            page = client.post("/results", data=form, files={"image": as_png(draw_mark(2))})
            assert listed(page) == ["M-2"]
            assert ('rel="next"' in page.text) == (days > 0)
            link = re.search(r'href="(\?[^"]*lang=fr)"', page.text)
            assert link is not None
            french = client.get("/results" + html.unescape(link[1]))
            assert (french.status_code, french.headers["content-language"]) == (200, "fr")
            assert len(listed(french)) == 1
            if days:
                assert listed(french) == ["M-2"]
