"""The search without scripts over HTTP: what its pages link to, and what it asks again."""

import html
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event

import httpx
import pytest
from PIL import Image

from indexer.errors import DatabaseLost
from indexer.marks import Facets, MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings

Serving = Callable[[MarkLens], AbstractContextManager[str]]


def listed(page: httpx.Response) -> list[str]:
    return re.findall(r'class="hit-picture" href="/marks/([^"]+)"', page.text)


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ({"query": "0" * 32}, 410, "is gone"),
        ({"mark_id": "NONE"}, 404, "NONE"),
        ({"utm_source": "x", "utm_medium": "y"}, 422, "no such field"),
        ({"weights": "smell", "mark_id": "M-1"}, 422, "weights"),
        ({"mark_id": "M-1", "crop": "soup"}, 422, "crop"),
        ({"turn": "soup"}, 422, "turn"),
    ],
)
def test_what_failed_and_no_input_shows_is_not_asked_again(
    client: httpx.Client, wrong: dict[str, str], status: int, said: str
) -> None:
    page = client.get("/results", params={"office": "US", **wrong})
    assert (page.status_code, said in html.unescape(page.text)) == (status, True)
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    again = client.get("/results", params={"office": "US", **hidden})
    assert again.status_code == 200, again.text


def test_a_register_that_is_away_is_told_as_a_page(
    client: httpx.Client, marklens: MarkLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise DatabaseLost("gone")

    for owner, name in ((marklens, "search"), (marklens.follower, "facets")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, lost)
            page = client.get("/results", params={"office": "US"})
        assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
        assert page.headers["content-type"].startswith("text/html")
        assert "does not answer now" in page.text
        assert re.search(r'name="office"[^>]* value="US"', page.text)


def test_a_slow_register_holds_up_no_other_answer(
    client: httpx.Client, marklens: MarkLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, may_answer, facets = Event(), Event(), marklens.follower.facets

    def slow() -> Facets:
        asked.set()
        may_answer.wait(20)
        return facets()

    monkeypatch.setattr(marklens.follower, "facets", slow)
    with ThreadPoolExecutor() as pool:
        page = pool.submit(client.get, "/results", params={"office": "US"})
        assert asked.wait(20)
        try:
            assert client.get("/healthz", timeout=10).status_code == 200
        finally:
            may_answer.set()
        assert page.result().status_code == 200


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
