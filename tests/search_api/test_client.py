"""The Python client, both of its faces, against a real server."""

import asyncio
import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from pydantic import BaseModel

from indexer.query import FILTER_FIELDS
from marklens import client as api
from marklens.client import answers, asking
from search_api import facet_schemas, list_schemas, match_schemas, query_schemas, schemas
from search_api.http.forms import MarkForm, SearchForm
from search_api.http.routes import audit, batches, watches

ROOT = Path(__file__).parents[2]
Face = Callable[..., Any]
_ITERATED = {"marks", "events_since"}


@pytest.fixture(params=["sync", "async"])
def face(request: pytest.FixtureRequest) -> Callable[..., Face]:
    """A function (address, **options) → a function (method, *args) that calls one client."""
    return _sync_face if request.param == "sync" else _async_face


def _sync_face(address: str, **options: Any) -> Face:
    def call(method: str, *args: Any, **others: Any) -> Any:
        with api.Client(address, **options) as server:
            found = getattr(server, method)(*args, **others)
            return list(found) if method in _ITERATED else found

    return call


def _async_face(address: str, **options: Any) -> Face:
    async def run(method: str, *args: Any, **others: Any) -> Any:
        async with api.AsyncClient(address, **options) as server:
            found = getattr(server, method)(*args, **others)
            return [one async for one in found] if method in _ITERATED else await found

    return lambda method, *args, **others: asyncio.run(run(method, *args, **others))


@pytest.fixture
def server(client: httpx.Client, face: Callable[..., Face]) -> Face:
    """Calls the server of twelve marks."""
    return face(str(client.base_url))


def test_a_picture_is_searched_with_and_searched_with_again_by_its_handle(
    server: Face,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path: Path,
) -> None:
    path = tmp_path / "sign.png"
    path.write_bytes(as_png(draw_mark(4)))
    lions = api.Filter(office=["EM"], nice=[25], filed_from=date(2012, 1, 1))
    answer = server("search", api.Query(picture=path, filter=lions, k=3))
    assert answer.hits[0].id == "M-4"
    assert {hit.office for hit in answer.hits} == {"EM"}
    assert answer.hits[0].filed == date(2014, 1, 1)
    assert answer.hits[0].score == max(hit.score for hit in answer.hits)
    handle = answer.query.pictures[0].handle
    again = server("search", api.Query(handles=[handle], filter=lions, k=3))
    assert [hit.id for hit in again.hits] == [hit.id for hit in answer.hits]
    two = api.Query(handles=[handle, handle], other_views=[api.View(crop=(0, 0, 48, 48))])
    assert server("search", two).query.pictures[1].boxes[0][2] <= 0.5
    unkept = server("search", api.Query(picture=path.read_bytes(), keep=False, k=1))
    assert unkept.query.pictures[0].handle is None


def test_a_mark_is_searched_with_by_weights_a_crop_and_a_turn(server: Face) -> None:
    asked = api.Query(mark_id="M-3", weights={"colour": 0}, crop=(0, 0, 60, 60), turn=90, rerank=0)
    assert len(server("search", asked).hits) == 11


def test_marks_are_listed_by_words_from_page_to_page(server: Face) -> None:
    found = server("marks", page_size=5)
    assert len(found) == len({mark.id for mark in found}) == 12
    latest = server("page", order="-filed", page_size=1)
    assert (latest.total, latest.marks[0].id) == (12, "M-11")
    assert server("page", api.Filter(text="word 7")).marks[0].match.kind == "exact"


def test_a_mark_is_registered_looked_at_and_withdrawn(
    server: Face, draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]
) -> None:
    new = api.NewMark(id="N-1", text="Été", nice=[9, 42], vienna=["03.01"])
    added = server("add", new, as_png(draw_mark(70)))
    assert (added.id, added.text, added.nice, added.vienna) == ("N-1", "Été", (9, 42), ("03.01",))
    assert server("mark", "N-1") == added
    assert server("image", "N-1", size=64).startswith(b"RIFF")
    server("delete", "N-1")
    with pytest.raises(api.NotFound) as missing:
        server("mark", "N-1")
    assert (missing.value.status, missing.value.title) == (404, "No such mark")


def test_codes_reports_and_batches(
    server: Face, draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]
) -> None:
    picture = as_png(draw_mark(2))
    seen = server("classify", picture, crop=(0, 0, 80, 80))
    assert all(0 <= one.probability <= 1 for one in (*seen.vienna, *seen.perhaps))
    kept = server("search", api.Query(picture=picture, k=1)).query.pictures[0].handle
    assert server("classify", api.Kept(kept), (0, 0, 80, 80)) == seen
    assert server("query_image", kept) == picture
    assert server("forget", kept) is None
    with pytest.raises(api.Gone):
        server("words", api.Kept(kept))
    assert server("explain", api.Registered("M-2"), code="26").startswith(b"\x89PNG")
    notes = {"M-2": "Same device."}
    table = server(
        "report", api.Query(picture=picture), "csv", ["M-2"], notes, day=date(2026, 11, 29)
    )
    assert b"Same device." in table
    table = server("search_all", [picture, b"not a picture"], api.Query(k=1), poll_s=0.1)
    assert b"M-2" in table
    assert b"not a picture" in table
    batch = server("batch", [picture], format="pdf")
    assert server("batch_state", batch.id).total == 1
    server("forget_batch", batch.id)
    with pytest.raises(api.NotFound):
        server("batch_results", batch.id)


def test_codes_are_found_and_counted(server: Face) -> None:
    crowns = server("find_codes", "tiara")
    assert crowns[0].code.startswith("24.09")
    animals = next(one for one in server("vienna", "assigned") if one.code == "03")
    assert animals.children[0].code == "03.01"
    counted = server("facets", api.Filter(office=["EM"]))
    assert counted.matched == sum(counted.nice.values()) or counted.nice
    assert server("audit", 3)[0].action


def test_watches(
    server: Face, draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]
) -> None:
    picture = as_png(draw_mark(3))
    new = api.NewWatch("Our lions", 0.9, marks=["M-1"], pictures=[picture])
    made = server("add_watch", new)
    assert made.signs == ("M-1", "picture 1")
    assert server("watches") == (made,)
    server("add", api.NewMark(id="W-1"), picture)
    assert server("watch", "Our lions").threshold == 0.9
    change = api.WatchChange(0.95, marks=["M-2"], pictures=[picture], remove=["M-1"])
    changed = server("change_watch", "Our lions", change)
    assert (changed.threshold, changed.signs) == (0.95, ("picture 1", "M-2"))
    assert b"<feed" in server("feed", made)
    assert isinstance(server("events", "Our lions"), tuple)
    assert {one.mark for one in server("events_since", "Our lions")} <= {"W-1"}
    server("delete", "W-1")
    server("delete_watch", "Our lions")
    assert server("watches") == ()


def test_what_is_refused_says_which_field_is_at_fault(server: Face) -> None:
    with pytest.raises(api.Refused) as refused:
        server("search", api.Query(mark_id="M-1", k=0))
    assert refused.value.type == "urn:marklens:problem:bad-field"
    assert [one.field for one in refused.value.errors] == ["k"]


class _Busy(BaseHTTPRequestHandler):
    """A server that is busy `busy` times before it answers; remembers what it was asked."""

    busy: int
    retry_after: str
    body = b'{"total": 0, "next": null, "marks": []}'
    encoding = "identity"
    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Authorization"]))
        is_busy = len(self.asked) <= self.busy
        body = b"<html>busy</html>" if is_busy else self.body
        self.send_response(503 if is_busy else 200)
        self.send_header("Retry-After", self.retry_after)
        self.send_header("Content-Encoding", self.encoding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def busy_server() -> Iterator[tuple[str, type[_Busy]]]:
    handler = type("Handler", (_Busy,), {"busy": 2, "retry_after": "0", "asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", handler
        listening.shutdown()
        thread.join()


def test_a_busy_server_is_asked_again_with_the_key(
    busy_server: tuple[str, type[_Busy]], face: Callable[..., Face]
) -> None:
    address, handler = busy_server
    assert face(address, key="secret")("page").marks == ()
    assert handler.asked == [("/api/v1/marks?vienna_source=either&k=100", "Bearer secret")] * 3


def test_attempts_end_and_a_long_wait_is_left_to_the_caller(
    busy_server: tuple[str, type[_Busy]], face: Callable[..., Face]
) -> None:
    address, handler = busy_server
    with pytest.raises(api.Busy) as busy:
        face(address, attempts=2)("page")
    assert (busy.value.status, busy.value.title, len(handler.asked)) == (
        503,
        "Service Unavailable",
        2,
    )
    handler.asked.clear()
    handler.retry_after = "3600"
    with pytest.raises(api.Busy) as busy:
        face(address)("page")
    assert (busy.value.retry_after_s, len(handler.asked)) == (3600, 1)


def test_what_would_be_done_twice_is_tried_once(
    busy_server: tuple[str, type[_Busy]], face: Callable[..., Face]
) -> None:
    address, handler = busy_server
    with pytest.raises(api.Busy):
        face(address)("add_watch", api.NewWatch("Lions", 0.5, marks=["M-1"]))
    assert len(handler.asked) == 1


def test_a_server_that_is_not_there_is_unreachable(face: Callable[..., Face]) -> None:
    with pytest.raises(api.Unreachable, match="does not answer"):
        face("http://127.0.0.1:1", attempts=1)("page")


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"<html>", "identity"),
        (b"", "identity"),
        (b"no gzip", "gzip"),
        (
            b'{"events": [{"id": 1, "sign": "a", "mark": "b", "withdrawn": false, "score": 1,'
            b' "read": false, "found": "soon"}]}',
            "",
        ),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_client_error(
    busy_server: tuple[str, type[_Busy]], face: Callable[..., Face], body: bytes, encoding: str
) -> None:
    address, handler = busy_server
    handler.busy, handler.body, handler.encoding = 0, body, encoding
    with pytest.raises(api.ClientError, match="answer cannot be read"):
        face(address)("events", "Lions")


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({}, ("search", asking.Query(picture=Path("not-there.png")))),
        ({}, ("classify", Path("/"))),
        ({"key": "Schlüssel"}, ("watches",)),
        ({}, ("mark", "\ud800")),
        ({}, ("page", asking.Filter(owner="\ud800"))),
        ({}, ("search", asking.Query(filter=asking.Filter(owner="\ud800")))),
        ({}, ("mark", "x" * 100_000)),
    ],
)
def test_what_cannot_be_sent_is_a_client_error(
    face: Callable[..., Face], options: dict[str, Any], call: tuple[Any, ...]
) -> None:
    with pytest.raises(api.ClientError, match="this cannot be sent"):
        face("http://127.0.0.1:9", **options)(*call)


def test_an_address_that_is_none_is_a_client_error(face: Callable[..., Face]) -> None:
    with pytest.raises(api.ClientError, match="this cannot be sent"):
        face("http://" + "ö" * 80)("watches")


def test_an_answer_of_another_kind_is_said_to_be_one() -> None:
    with pytest.raises(api.ClientError, match="no Page"):
        answers.read(answers.Page, {"total": 1})


@pytest.mark.parametrize(
    ("mine", "servers"),
    [
        (answers.Answer, schemas.SearchResponse),
        (answers.Hit, schemas.HitResponse),
        (answers.Plan, schemas.PlanResponse),
        (answers.StoredMark, schemas.MarkResponse),
        (answers.ListedMark, list_schemas.ListedResponse),
        (answers.Page, list_schemas.ListResponse),
        (answers.SeenQuery, query_schemas.QueryResponse),
        (answers.QueryPicture, query_schemas.QueryPictureResponse),
        (answers.Seen, query_schemas.ClassifyResponse),
        (answers.SeenCode, query_schemas.PredictedResponse),
        (answers.Pair, match_schemas.PairResponse),
        (answers.Places, match_schemas.PlacesResponse),
        (answers.WordMatch, match_schemas.WordMatchResponse),
        (answers.Batch, batches.BatchResponse),
        (answers.Unreadable, batches.UnreadableResponse),
        (answers.Watch, watches.WatchResponse),
        (answers.Event, watches.EventResponse),
        (answers.Words, query_schemas.WordsResponse),
        (answers.ReadLine, query_schemas.ReadLineResponse),
        (answers.FoundCode, facet_schemas.FoundCode),
        (answers.ViennaNode, facet_schemas.ViennaNode),
        (answers.Facets, facet_schemas.FacetsResponse),
        (answers.AuditEntry, audit.AuditEntryResponse),
    ],
)
def test_the_client_knows_every_field_of_an_answer(mine: Any, servers: type[BaseModel]) -> None:
    assert {one.name for one in dataclasses.fields(mine)} == set(servers.model_fields)


def test_the_client_knows_every_field_of_a_request() -> None:
    def names(kind: Any) -> set[str]:
        return {one.name for one in dataclasses.fields(kind)}

    assert names(asking.Filter) == {one.name for one in FILTER_FIELDS}
    assert names(asking.NewMark) == set(MarkForm.model_fields) - {"image"}
    renamed = {"picture": "image", "others": "other_images", "handles": "query"}
    sent = {renamed.get(name, name) for name in names(asking.Query) - {"filter"}}
    assert sent | names(asking.Filter) == set(SearchForm.model_fields)


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    heavy = "torch faiss openvino numpy pydantic fastapi sqlalchemy search_api indexer models"
    script = f"import sys, marklens.client; print({set(heavy.split())!r} & set(sys.modules))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


_RIGHT = """
import asyncio
from datetime import date
from pathlib import Path
from marklens.client import AsyncClient, Client, Filter, Hit, Query

def best(address: str) -> Hit:
    with Client(address, key="secret") as server:
        since = Filter(filed_from=date(2020, 1, 1))
        answer = server.search(Query(picture=Path("logo.png"), filter=since, k=5))
        return answer.hits[0]

async def words(address: str) -> list[str]:
    async with AsyncClient(address) as server:
        return [mark.text or mark.id async for mark in server.marks(Filter(text="lion"))]

print(best("http://localhost:8000").score, asyncio.run(words("http://localhost:8000")))
"""
_WRONG = """
from marklens.client import Client, Query

with Client("http://localhost:8000") as server:
    score: str = server.search(Query(mark_id="M-1")).hits[0].score
    server.search("logo.png")
"""


def test_types_help_who_uses_the_client(tmp_path: Path) -> None:
    for name, code in (("right.py", _RIGHT), ("wrong.py", _WRONG)):
        (tmp_path / name).write_text(code, "utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", str(tmp_path)]
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    faults = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line.partition("[")[2].rstrip("]") for line in faults] == ["assignment", "arg-type"]
    assert all("wrong.py" in line for line in faults)
