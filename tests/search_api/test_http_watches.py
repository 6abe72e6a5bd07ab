"""Watches over real HTTP: made, told of new marks, fed and delivered."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from PIL import Image

from indexer.errors import BadWatch
from indexer.marks import MarkRecord
from marklens.client import Client
from models.vienna import ViennaCode
from search_api.marklens import MarkLens
from search_api.settings import Settings
from search_api.watch.asked import NewWatch
from search_api.watch.watching import Watching

URL = "/api/v1/watches"
Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]
NOTHING = "visual=0,concept=0,colour=0"
ATOM = "{http://www.w3.org/2005/Atom}"


class Hook:
    """A real server that notes what it is sent, and answers with `status`."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.sent.append(json.loads(body))
                self.send_response(hook.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def own(
    tiny_settings: Callable[..., Settings], tmp_path: Path, draw_mark: Draw, as_png: AsPng
) -> Iterator[MarkLens]:
    """A register of the marks OLD-0 to OLD-2, which webhooks on this machine may be told of."""
    with MarkLens.open(tiny_settings(tmp_path, webhook_private=True, poll_s=0.05)) as opened:
        for number in range(3):
            opened.add(MarkRecord(id=f"OLD-{number}"), as_png(draw_mark(number)))
        yield opened


@pytest.fixture
def http(
    own: MarkLens, serving: Callable[[MarkLens], AbstractContextManager[str]]
) -> Iterator[httpx.Client]:
    with serving(own) as address, httpx.Client(base_url=address, timeout=30) as client:
        yield client


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def add_mark(http: httpx.Client, mark_id: str, picture: bytes, **fields: str) -> None:
    answer = http.post("/api/v1/marks", data={"id": mark_id, **fields}, files={"image": picture})
    assert answer.status_code in (200, 201), answer.text


def events_of(http: httpx.Client, name: str) -> list[tuple[str, str]]:
    events = http.get(f"{URL}/{name}/events").json()["events"]
    return sorted((one["sign"], one["mark"]) for one in events)


def watch_logo(http: httpx.Client, content: bytes, **more: str) -> dict[str, Any]:
    """Watch OLD-1 and a picture called logo.png from a score of 0.97 on."""
    form = {"name": "our logo", "threshold": "0.97", "marks": "OLD-1", **more}
    made = http.post(URL, data=form, files=[("images", ("logo.png", content, "image/png"))])
    assert made.status_code == 201, made.text
    answer: dict[str, Any] = made.json()
    return answer


def test_new_marks_are_reported_with_the_scores_of_a_search(
    http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    content = as_png(draw_mark(50))
    assert watch_logo(http, content)["signs"] == ["OLD-1", "logo.png"]
    add_mark(http, "NEW-1", content)
    add_mark(http, "FAR", as_png(draw_mark(51).point(lambda level: 255 - level)))
    add_mark(http, "NEW-2", as_png(draw_mark(1)))
    wanted = {("OLD-1", "NEW-2"), ("logo.png", "NEW-1")}
    eventually(lambda: wanted <= set(events_of(http, "our logo")))
    found = http.get(f"{URL}/our logo/events").json()["events"]
    searched = http.post("/api/v1/search", data={"k": "6"}, files={"image": content}).json()
    near = {one["mark"]: one["score"] for one in found if one["sign"] == "logo.png"}
    assert {one["withdrawn"] for one in found} == {False}
    digests = {hit["id"]: hit["image_digest"] for hit in searched["hits"]}
    assert all(one["image_digest"] == digests[one["mark"]] for one in found)
    assert near == {
        hit["id"]: hit["score"]
        for hit in searched["hits"]
        if hit["score"] >= 0.97 and not hit["id"].startswith("OLD")
    }


def test_the_webhook_and_the_feed_tell_of_each_mark(
    http: httpx.Client, hook: Hook, draw_mark: Draw, as_png: AsPng
) -> None:
    content = as_png(draw_mark(50))
    made = watch_logo(http, content, webhook=hook.url)
    add_mark(http, "NEW-1", content)
    eventually(lambda: len(hook.sent) > 0)
    assert hook.sent[0]["watch"] == "our logo"
    assert [one["mark"] for one in hook.sent[0]["events"]] == ["NEW-1"]
    feed = http.get(made["feed"])
    assert feed.headers["content-type"].startswith("application/atom+xml")
    tree = ElementTree.fromstring(feed.content)  # noqa: S314 - ours
    assert tree.tag == f"{ATOM}feed"
    names = {child.tag.removeprefix(ATOM) for child in tree}
    assert {"id", "title", "updated", "author", "link"} <= names
    (entry,) = tree.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == "NEW-1 came near logo.png: 1.000"
    assert (entry.findtext(f"{ATOM}id") or "").startswith("urn:marklens:")
    assert (entry.findtext(f"{ATOM}updated") or "").endswith("Z")


def test_what_was_read_is_read_for_answers_and_feed(
    http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    content = as_png(draw_mark(50))
    feed = watch_logo(http, content)["feed"]

    def new_in_feed() -> int:
        tree = ElementTree.fromstring(http.get(feed).content)  # noqa: S314 - ours
        return len(tree.findall(f"{ATOM}entry/{ATOM}category[@term='new']"))

    for mark_id in ("NEW-1", "NEW-2"):
        add_mark(http, mark_id, content)
        eventually(lambda: ("logo.png", mark_id) in events_of(http, "our logo"))  # noqa: B023
    events = http.get(f"{URL}/our logo/events").json()["events"]
    with Client(str(http.base_url)) as server:  # page after page, the oldest first
        ids = [one.id for one in server.events_since("our logo", page_size=1)]
    assert ids == [one["id"] for one in reversed(events)]
    assert [one["read"] for one in events] == [False, False]
    assert http.get(f"{URL}/our logo").json()["unread"] == new_in_feed() == 2
    older = events[1]["id"]
    assert http.post(f"{URL}/our logo/read", data={"upto": older}).json()["unread"] == 1
    events = http.get(f"{URL}/our logo/events").json()["events"]
    assert [one["read"] for one in events] == [False, True]
    assert new_in_feed() == 1
    assert http.post(f"{URL}/our logo/read").json()["unread"] == new_in_feed() == 0
    assert http.post(f"{URL}/none/read").status_code == 404
    for wrong in ("x", str(2**63)):
        assert http.post(f"{URL}/our logo/read", data={"upto": wrong}).status_code == 422
    assert http.get(f"{URL}/our logo/events", params={"after": 2**63}).status_code == 422
    assert http.get(f"{URL}/our logo/events", params={"after": 2**63 - 1}).json() == {"events": []}


def test_a_part_of_a_kept_picture_is_watched(
    http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    sheet = Image.new("RGB", (400, 200), "white")
    sheet.paste(draw_mark(50).resize((180, 180)), (10, 10))
    sheet.paste(draw_mark(7).resize((180, 180)), (210, 10))
    crop = (200, 0, 200, 200)
    found = http.post("/api/v1/search", files={"image": as_png(sheet)}).json()
    handle = found["query"]["pictures"][0]["handle"]
    form = {"name": "part", "threshold": "0.97", "crop": ",".join(map(str, crop))}
    made = http.post(URL, data=form | {"query": handle, "names": "sheet.png"})
    assert made.status_code == 201, made.text
    assert (made.json()["signs"], made.json()["asked"]) == (["sheet.png"], {})
    x, y, width, height = crop
    add_mark(http, "PART", as_png(sheet.crop((x, y, x + width, y + height))))
    add_mark(http, "WHOLE", as_png(sheet))
    eventually(lambda: ("sheet.png", "PART") in events_of(http, "part"))
    events = http.get(f"{URL}/part/events").json()["events"]
    assert {one["mark"]: one["score"] for one in events}["PART"] > 0.999
    form = {"name": "second", "threshold": "0.97", "query": [handle, handle]}
    assert http.post(URL, data=form | {"other_views": "crop=200,0,200,200"}).status_code == 201
    add_mark(http, "PART-2", as_png(sheet.crop((x, y, x + width, y + height))))
    eventually(lambda: ("picture 2", "PART-2") in events_of(http, "second"))
    http.delete(f"/api/v1/queries/{handle}")
    gone = http.post(URL, data=form | {"name": "gone", "query": handle})
    assert gone.status_code == 410


def test_codes_count_in_a_watch_as_in_a_search_those_of_a_whole_mark_not_in_its_part(
    http: httpx.Client, own: MarkLens, draw_mark: Draw, as_png: AsPng
) -> None:
    add_mark(http, "GEM", as_png(draw_mark(60)), vienna="17.02.01")
    part = {"crop": "0,0,60,60"}
    for name, view in {"whole": {}, "part": part}.items():
        form = {"name": name, "threshold": "0.01", "marks": "GEM", **view}
        assert http.post(URL, data=form).status_code == 201
    # As a server of a version before left it: nobody noted what the sign shows.
    whole, other = own.register.watches.get("whole"), own.register.watches.get("part")
    own.register.watches.replace_embedding(replace(whole.signs[0], shown=None))
    assert ViennaCode(17, 2, 1) in (whole.signs[0].shown or {})
    assert ViennaCode(17, 2, 1) not in (other.signs[0].shown or {})
    add_mark(http, "RING", as_png(draw_mark(61)), vienna="17.02.05")
    add_mark(http, "LEAF", as_png(draw_mark(61)), vienna="05.03.13")
    for name, view in {"whole": {}, "part": part}.items():
        eventually(lambda name=name: len(events_of(http, name)) == 2)  # type: ignore[misc]
        events = http.get(f"{URL}/{name}/events").json()["events"]
        found = http.post("/api/v1/search", data={"mark_id": "GEM", "k": "9", **view}).json()
        scores = {hit["id"]: hit["score"] for hit in found["hits"]}
        assert {one["mark"]: one["score"] for one in events} == pytest.approx(
            {mark_id: scores[mark_id] for mark_id in ("RING", "LEAF")}
        )
        same = {hit["id"]: hit["same_codes"] for hit in found["hits"]}
        assert (same["RING"], same["LEAF"]) == ((0.8, 0.0) if name == "whole" else (0.0, 0.0))
        assert (scores["RING"] > scores["LEAF"]) == (name == "whole")
    assert own.register.watches.get("whole").signs[0].shown == whole.signs[0].shown


def test_pictures_have_the_names_that_can_be_shown_each_in_its_place(
    http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    handles = []
    for number in range(4):
        sent = http.post("/api/v1/search", files={"image": as_png(draw_mark(number))}).json()
        handles.append(sent["query"]["pictures"][0]["handle"])
    names = ["", "b.png", "Screenshot 9.41.00\u202fAM.png", "c\x00.png"]
    form = {"name": "named", "threshold": "0.9", "query": handles, "names": names}
    made = http.post(URL, data=form)
    assert made.status_code == 201, made.text
    signs = ["picture 1", "b.png", "Screenshot 9.41.00 AM.png", "picture 4"]
    assert made.json()["signs"] == signs
    many = {"query": handles[:1] * 300, "names": ["a.png"] * 300}
    made = http.post(URL, data=form | {"name": "many"} | many)
    assert (made.status_code, len(made.json()["signs"])) == (201, 300), made.text


def test_a_filter_and_a_threshold_decide_and_a_mark_is_reported_once(
    own: MarkLens, http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    content = as_png(draw_mark(50))
    form = {"name": "classes", "threshold": "0.99", "nice": "25", "text": "gogle"}
    files = [("images", ("logo.png", content, "image/png"))]
    assert http.post(URL, data=form, files=files).json()["asked"] == {"nice": [25], "text": "gogle"}
    for name, nice, text in (("IN", 25, "Google"), ("OUT", 9, "Google"), ("OTHER", 25, "Lion")):
        add_mark(http, name, content, nice=str(nice), text=text)
    eventually(lambda: events_of(http, "classes") == [("logo.png", "IN")])
    add_mark(http, "IN", content, nice="25", text="Google Maps")  # the picture is the same
    add_mark(http, "IN-2", content, nice="25", text="Gogle")
    wanted = [("logo.png", "IN"), ("logo.png", "IN-2")]
    eventually(lambda: events_of(http, "classes") == wanted)
    assert Watching(own).check() == 0


def test_a_webhook_that_fails_is_tried_again_and_loses_nothing(
    own: MarkLens, hook: Hook, draw_mark: Draw, as_png: AsPng
) -> None:
    watching, content = Watching(own), as_png(draw_mark(50))
    hook.status = 500
    watching.add(NewWatch("hooked", 0.99, pictures=[("a.png", content)], webhook=hook.url))
    own.add(MarkRecord(id="NEW"), content)
    assert watching.check() == 1
    watching.deliver()
    watch = own.register.watches.get("hooked")
    assert (watch.failures, watch.last_error) == (1, "the webhook answered with status 500")
    watching.deliver()  # not yet due
    assert len(hook.sent) == 1
    own.register.watches.failed("hooked", 1, watch.created, "due now")
    hook.status = 204
    watching.deliver()
    watching.deliver()
    assert [one["mark"] for one in hook.sent[-1]["events"]] == ["NEW"]
    assert len(hook.sent) == 2
    assert own.register.watches.get("hooked").last_error is None


def test_a_watch_reports_nothing_that_was_written_before_it(
    own: MarkLens, draw_mark: Draw, as_png: AsPng
) -> None:
    watching, content = Watching(own), as_png(draw_mark(50))
    for name in ("first", "later"):
        watching.add(NewWatch(name, 0.99, pictures=[("a.png", content)]))
        own.add(MarkRecord(id=f"AFTER-{name}"), content)
    assert watching.check() == 3
    assert [one.mark_id for one in own.register.watches.events("later")] == ["AFTER-later"]


def test_a_webhook_that_nobody_can_look_up_keeps_no_other_from_being_told(
    own: MarkLens, hook: Hook, draw_mark: Draw, as_png: AsPng
) -> None:
    watching, content, watches = Watching(own), as_png(draw_mark(50)), own.register.watches
    watching.add(NewWatch("later", 0.99, pictures=[("a.png", content)], webhook=hook.url))
    # As a version before took it.
    watches.add(replace(watches.get("later"), name="first", webhook="http://a..b/x"))
    own.add(MarkRecord(id="NEW"), content)
    assert watching.check() == 2
    assert [one["watch"] for one in hook.sent] == ["later"]
    assert "no address of a webhook" in (watches.get("first").last_error or "")


def test_a_watch_that_cannot_be_compared_keeps_no_other_from_it(
    own: MarkLens, hook: Hook, draw_mark: Draw, as_png: AsPng
) -> None:
    watching, content = Watching(own), as_png(draw_mark(50))
    watches = own.register.watches
    for name in ("first", "later"):
        watching.add(NewWatch(name, 0.99, pictures=[("a.png", content)], webhook=hook.url))
    watches.add(replace(watches.get("first"), name="older", asked={"weights": "gone=1"}))
    own.add(MarkRecord(id="NEW"), content)
    for _ in range(2):
        with pytest.raises(BadWatch, match=r"watch older: .*'gone'"):
            watching.check()
    assert [watches.get(name).unread for name in ("first", "older", "later")] == [1, 0, 1]
    assert sorted(one["watch"] for one in hook.sent) == ["first", "later"]
    watches.remove("older")
    assert watching.check() == 0


def test_after_encoding_again_only_newer_marks_are_reported(
    own: MarkLens, draw_mark: Draw, as_png: AsPng
) -> None:
    content = as_png(draw_mark(1))
    Watching(own).add(NewWatch("kept", 0.99, pictures=[("a.png", content)]))
    watches = own.register.watches
    (sign,) = watches.get("kept").signs
    watches.replace_embedding(replace(sign, fingerprint="older"))  # as another network left it
    own.add(MarkRecord(id="BETWEEN"), content)
    assert Watching(own).check() == 0
    own.add(MarkRecord(id="AFTER"), content)
    assert Watching(own).check() == 1
    assert own.register.watches.get("kept").signs[0].fingerprint == own.encoder.fingerprint


def test_a_feed_needs_its_key_and_a_removed_watch_is_gone(
    http: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    made = http.post(URL, data={"name": "gone", "threshold": "0.5", "marks": "OLD-0"}).json()
    assert http.get(made["feed"]).status_code == 200
    assert http.get(f"{URL}/gone/feed?key=wrong").status_code == 404
    assert [one["name"] for one in http.get(URL).json()["watches"]] == ["gone"]
    assert http.delete(f"{URL}/gone").status_code == 204
    assert http.get(f"{URL}/gone").status_code == 404
    assert http.get(made["feed"]).status_code == 404
    assert http.delete(f"{URL}/gone").status_code == 404


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        ({"threshold": "0.5", "marks": "OLD-0"}, 422, "name"),
        ({"name": "a/b", "threshold": "0.5", "marks": "OLD-0"}, 422, "cannot name a watch"),
        ({"name": "x", "threshold": "1.5", "marks": "OLD-0"}, 422, "threshold"),
        ({"name": "x", "threshold": "0.5"}, 422, "give 1 to 1000"),
        ({"name": "x", "threshold": "0.5", "marks": "NONE"}, 404, "NONE"),
        ({"name": "x", "threshold": "0.5", "marks": "OLD-0", "names": "a.png"}, 422, "`query`"),
        ({"name": "x", "threshold": "0.5", "marks": "OLD-0", "crop": "0,0,9999,9"}, 422, "crop"),
        ({"name": "x", "threshold": "0.5", "marks": "OLD-0", "vienna_any": "soup"}, 422, "soup"),
        ({"name": "x", "threshold": "0.5", "marks": "OLD-0", "weights": "smell=1"}, 422, "smell"),
        ({"name": "x", "threshold": "0.5", "marks": "OLD-0", "weights": "words=1"}, 422, "words"),
        ({"name": "x", "threshold": "0.5", "marks": "OLD-0", "weights": NOTHING}, 422, "are 0"),
        ({"name": "x", "threshold": "0.5", "marks": "OLD-0", "webhook": "file:/x"}, 422, "webhook"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    http: httpx.Client, form: dict[str, str], status: int, sentence: str
) -> None:
    answer = http.post(URL, data=form)
    assert answer.status_code == status
    assert sentence in answer.json()["detail"]
    assert http.get(URL).json() == {"watches": []}


def test_a_name_is_given_once(http: httpx.Client) -> None:
    form = {"name": "twice", "threshold": "0.5", "marks": "OLD-0"}
    assert http.post(URL, data=form).status_code == 201
    assert "already" in http.post(URL, data=form).json()["detail"]
