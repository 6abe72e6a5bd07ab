"""Watches are changed over real HTTP, and go on with what they are then."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings
from search_api.watch.watching import Watching

URL = "/api/v1/watches"
Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]


@pytest.fixture
def own(
    tiny_settings: Callable[..., Settings], tmp_path: Path, draw_mark: Draw, as_png: AsPng
) -> Iterator[MarkLens]:
    """A register of the marks OLD-0 and OLD-1, whose server compares only when it is told to."""
    with MarkLens.open(tiny_settings(tmp_path, poll_s=3600)) as opened:
        for number in range(2):
            opened.add(MarkRecord(id=f"OLD-{number}"), as_png(draw_mark(number)))
        yield opened


@pytest.fixture
def http(
    own: MarkLens, serving: Callable[[MarkLens], AbstractContextManager[str]]
) -> Iterator[httpx.Client]:
    with serving(own) as address, httpx.Client(base_url=address, timeout=30) as client:
        form = {"name": "ours", "threshold": "0.99", "marks": ["OLD-0", "OLD-1"], "nice": "25"}
        assert client.post(URL, data=form).status_code == 201
        yield client


def near(http: httpx.Client) -> list[tuple[str, str]]:
    events = http.get(f"{URL}/ours/events?after=0").json()["events"]
    return [(one["sign"], one["mark"]) for one in events]


def test_signs_come_and_go_and_what_stays_keeps_what_it_found(
    own: MarkLens, http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    for number in range(2):
        own.add(MarkRecord(id=f"COPY-{number}", nice=(25,)), as_png(draw_mark(number)))
    Watching(own).check()
    assert near(http) == [("OLD-0", "COPY-0"), ("OLD-1", "COPY-1")]
    logo = [("images", ("logo.png", as_png(draw_mark(50)), "image/png"))]
    form = {"remove": "OLD-1", "marks": "OLD-0"}  # it is watched already
    for _ in range(2):
        changed = http.patch(f"{URL}/ours", data=form, files=logo)
        assert changed.status_code == 200, changed.text
        assert changed.json()["signs"] == ["OLD-0", "logo.png"]
        assert http.get(changed.json()["pictures"][1]).headers["content-type"] == "image/webp"
        form.pop("remove", None)
    assert near(http) == [("OLD-0", "COPY-0")]
    for number in (1, 50):
        own.add(MarkRecord(id=f"NEXT-{number}", nice=(25,)), as_png(draw_mark(number)))
    Watching(own).check()
    assert near(http) == [("OLD-0", "COPY-0"), ("logo.png", "NEXT-50")]
    assert http.get(f"{URL}/ours").json()["unread"] == 2
    assert http.get(f"{URL}/ours/signs/99/image").status_code == 404


def test_a_threshold_and_a_webhook_hold_from_then_on(
    own: MarkLens, http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    own.add(MarkRecord(id="BEFORE", nice=(25,)), as_png(draw_mark(0)))
    Watching(own).check()
    change = {"threshold": 0.01, "webhook": "https://hook.invalid/x?key=1"}
    changed = http.patch(f"{URL}/ours", json=change).json()
    assert (changed["threshold"], changed["asked"]) == (0.01, {"nice": [25]})
    assert changed["webhook"].startswith("https://hook.invalid/x?")
    own.add(MarkRecord(id="AFTER", nice=(25,)), as_png(draw_mark(50)))
    Watching(own).compare()
    waiting = own.register.watches.events("ours", 0, undelivered=True)
    assert {one.mark_id for one in waiting} == {"AFTER"}
    own.register.watches.failed("ours", 3, waiting[0].found, "away")
    changed = http.patch(f"{URL}/ours", json={"remove_webhook": True}).json()
    assert (changed["webhook"], changed["webhook_error"]) == (None, None)


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        ({}, 422, "nothing is to be changed"),
        ({"threshold": "0"}, 422, "threshold"),
        ({"name": "other"}, 422, "name"),
        ({"webhook": "http://127.0.0.1/"}, 422, "not public"),
        ({"webhook": "https://a.invalid/", "remove_webhook": "true"}, 422, "do one of them"),
        ({"remove": "NONE"}, 422, "does not watch NONE"),
        ({"remove": ["OLD-0", "OLD-1"]}, 422, "no sign would be left"),
        ({"marks": "NONE"}, 404, "NONE"),
        ({"threshold": "0.5", "crop": "0,0,9,9"}, 422, "more views"),
    ],
)
def test_what_cannot_be_changed_is_refused(
    http: httpx.Client, form: dict[str, Any], status: int, sentence: str
) -> None:
    before = http.get(f"{URL}/ours").json()
    answer = http.patch(f"{URL}/ours", data=form)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True), answer.text
    assert http.get(f"{URL}/ours").json() == before
    assert http.patch(f"{URL}/none", data={"threshold": "0.5"}).status_code == 404
