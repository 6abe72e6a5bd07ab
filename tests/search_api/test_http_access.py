"""Host names, keys, this machine, proxies, rates: who may do what, told before a body is read."""

import base64
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image

from indexer.register.keys import Key, Scope
from search_api.http.rates import Rates
from search_api.key_ring import KeyRing, digest_of, new_secret
from search_api.marklens import MarkLens
from search_api.settings import Settings

MARKS, SEARCH, AUDIT = "/api/v1/marks", "/api/v1/search", "/api/v1/audit"
OPEN = ("/healthz", "/readyz", "/static/css/style.css")
READING = ("/", "/docs", "/metrics", "/api/v1/openapi.json", f"{MARKS}/M-1", f"{MARKS}/M-1/image")
Serving = Callable[[MarkLens], AbstractContextManager[str]]


@pytest.fixture
def picture(draw_mark: Callable[..., Image.Image], as_png: Callable[[Image.Image], bytes]) -> bytes:
    return as_png(draw_mark(55))


@pytest.fixture
def open_server(
    tiny_settings: Callable[..., Settings], tmp_path: Path, serving: Serving
) -> Callable[..., Any]:
    """A function (settings) → a server of a register of its own: the register, and a client."""

    @contextmanager
    def opened(**settings: object) -> Iterator[tuple[MarkLens, httpx.Client]]:
        chosen = tiny_settings(tmp_path, poll_s=0.05, **settings)
        with (
            MarkLens.open(chosen) as marklens,
            serving(marklens) as address,
            httpx.Client(base_url=address, timeout=30) as client,
        ):
            yield marklens, client

    return opened


def make_key(marklens: MarkLens, name: str, scope: Scope, **fields: Any) -> str:
    secret = new_secret()
    marklens.register.keys.add(Key(name, scope, digest_of(secret), datetime.now(UTC), **fields))
    return secret


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# Host names.


@pytest.mark.parametrize("path", [*OPEN, *READING])
def test_a_name_that_is_not_the_servers_is_refused_on_every_route(
    client: httpx.Client, path: str
) -> None:
    for name in ("rebound.example", "intranet", "localhost.evil.example", "[::"):
        answer = client.get(path, headers={"Host": name})
        assert answer.status_code == 403, name
        assert "MARKLENS_ALLOWED_HOSTS" in answer.json()["detail"]
    port = client.base_url.port
    for name in (f"localhost:{port}", f"LOCALHOST.:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        assert client.get(path, headers={"Host": name}).status_code in (200, 404), name


def test_names_that_are_allowed_reach_the_server(open_server: Callable[..., Any]) -> None:
    settings = {"allowed_hosts": "marks.example.org, Other.example", "public_reading": True}
    with open_server(host="0.0.0.0", **settings) as (_, client):  # noqa: S104
        for name in ("marks.example.org", "other.EXAMPLE:8443"):
            assert client.get("/", headers={"Host": name}).status_code == 200
        assert client.get("/", headers={"Host": "third.example"}).status_code == 403


def test_a_page_under_a_wrong_name_is_told_of_the_name_and_not_of_keys(
    client: httpx.Client,
) -> None:
    page = client.get("/", headers={"Host": "third.example", "Accept": "text/html"})
    assert page.status_code == 403
    assert "MARKLENS_ALLOWED_HOSTS" in page.text
    assert "for a key" not in page.text


# This machine, and proxies on it.


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"X-Forwarded-Host": "marks.example.org"},
        {"Host": "192.168.1.7:8000"},
        {"Origin": "https://elsewhere.example"},
    ],
)
def test_what_comes_through_a_proxy_or_a_foreign_page_is_not_trusted(
    client: httpx.Client, picture: bytes, header: dict[str, str]
) -> None:
    sent = {"image": picture}
    assert client.get(f"{MARKS}/M-1", headers=header).status_code == 403
    assert client.post(SEARCH, files=sent, headers=header).status_code == 403
    assert client.post(MARKS, data={"id": "P"}, files=sent, headers=header).status_code == 403
    assert client.delete(f"{MARKS}/M-1", headers=header).status_code == 403
    assert client.get("/healthz", headers=header).status_code == 200
    assert client.get(f"{MARKS}/M-1").status_code == 200
    assert client.get(f"{MARKS}/P").status_code == 404


def test_a_proxy_that_says_nothing_of_itself_and_speaks_http_1_0_is_not_trusted(
    client: httpx.Client,
) -> None:
    where = urlsplit(str(client.base_url))
    with socket.create_connection((str(where.hostname), int(where.port or 0)), 20) as proxy:
        proxy.sendall(b"DELETE /api/v1/marks/M-1 HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert proxy.recv(4096).startswith(b"HTTP/1.1 403 ")
    assert client.get(f"{MARKS}/M-1").status_code == 200


def test_behind_a_proxy_an_opt_in_opens_reading_and_a_key_all(
    open_server: Callable[..., Any], picture: bytes
) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    with open_server(public_reading=True) as (marklens, client):
        assert client.get("/", headers=forwarded).status_code == 200
        sent = {"data": {"id": "P"}, "files": {"image": picture}}
        assert client.post(MARKS, **sent, headers=forwarded).status_code == 403
        key = make_key(marklens, "proxy", Scope.INDEX)
        until(lambda: client.post(MARKS, **sent, headers=forwarded).status_code == 401)
        headers = {**forwarded, **bearer(key)}
        assert client.post(MARKS, **sent, headers=headers).status_code == 201


# Keys.


def test_each_scope_allows_what_those_before_it_do_and_no_more(
    open_server: Callable[..., Any], picture: bytes
) -> None:
    with open_server(host="0.0.0.0") as (marklens, client):  # noqa: S104
        secrets = {scope: make_key(marklens, scope.name, scope) for scope in Scope}
        until(lambda: client.get("/", headers=bearer(secrets[Scope.ADMIN])).status_code == 200)
        sent = {"data": {"id": "K"}, "files": {"image": picture}}
        for scope in (None, *Scope):
            headers = {} if scope is None else bearer(secrets[scope])
            may = 0 if scope is None else int(scope)
            refused = 401 if scope is None else 403
            reads = [client.get(path, headers=headers).status_code for path in READING[:4]]
            assert reads == [200 if may >= 1 else refused] * 4
            found = client.post(SEARCH, files={"image": picture}, headers=headers)
            assert found.status_code == (200 if may >= 1 else refused)
            added = client.post(MARKS, **sent, headers=headers)
            assert added.status_code == (201 if may >= 2 else refused)
            watches = client.get("/api/v1/watches", headers=headers)
            assert watches.status_code == (200 if may >= 2 else refused)
            assert client.get(AUDIT, headers=headers).status_code == (200 if may >= 3 else refused)
            if may >= 2:
                assert client.delete(f"{MARKS}/K", headers=headers).status_code == 204
        for path in OPEN:
            assert client.get(path).status_code in (200, 404)


def test_where_all_may_read_the_page_of_watches_asks_for_the_key(
    open_server: Callable[..., Any],
) -> None:
    reader = {"Accept": "text/html"}
    with open_server(host="0.0.0.0", public_reading=True) as (marklens, client):  # noqa: S104
        keys = {scope: make_key(marklens, scope.name, scope) for scope in (Scope.READ, Scope.INDEX)}
        # The server reads the keys again after a second: the last one made is known with the rest.
        until(lambda: client.get("/watches", auth=("a", keys[Scope.INDEX])).status_code == 200)
        assert client.get("/", headers=reader).status_code == 200
        asked = client.get("/watches", headers=reader)
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"].startswith("Basic ")
        refused = client.get("/watches", auth=("a", keys[Scope.READ]), headers=reader)
        assert (refused.status_code, "for a key that allows it" in refused.text) == (403, True)


def test_a_browser_is_asked_for_a_key_and_may_send_it_as_a_password(
    open_server: Callable[..., Any],
) -> None:
    with open_server(host="0.0.0.0") as (marklens, client):  # noqa: S104
        key = make_key(marklens, "desk", Scope.INDEX)
        until(lambda: client.get("/", headers=bearer(key)).status_code == 200)
        asked = client.get("/", headers={"Accept": "text/html"})
        assert asked.status_code == 401
        assert asked.headers["www-authenticate"].startswith("Basic ")
        assert "enter a key as the password" in asked.text
        assert "content-security-policy" in asked.headers
        reader = {"Accept": "text/html", "Accept-Language": "fr"}
        french = client.get("/watches", headers=reader)
        assert (french.status_code, french.headers["content-language"]) == (401, "fr")
        assert "saisissez une clé" in french.text
        program = client.get(MARKS, headers=reader)
        assert program.headers["content-type"] == "application/problem+json"
        assert client.get("/", auth=("anybody", key)).status_code == 200
        assert client.get("/", auth=("anybody", "wrong")).status_code == 401
        # What a browser sends by itself is not taken from a foreign page, what a program sends is.
        foreign = {"Origin": "https://elsewhere.example"}
        withdrawn = client.delete(f"{MARKS}/nobody", auth=("anybody", key), headers=foreign)
        assert withdrawn.status_code == 401
        own = {"Origin": str(client.base_url).rstrip("/")}
        assert client.delete(f"{MARKS}/x", auth=("a", key), headers=own).status_code == 404
        assert client.delete(f"{MARKS}/x", headers={**foreign, **bearer(key)}).status_code == 404
        for damaged in (
            "Basic !",
            "Basic " + base64.b64encode(b"\xff:\xff").decode(),
            "x",
            "Bearer",
        ):
            assert client.get("/", headers={"Authorization": damaged}).status_code == 401


def test_this_machine_needs_a_key_for_all_it_does_once_there_is_one(
    open_server: Callable[..., Any], picture: bytes
) -> None:
    sent = {"data": {"id": "K"}, "files": {"image": picture}}
    with open_server() as (marklens, client):
        assert client.post(MARKS, **sent).status_code == 201
        key = make_key(marklens, "importer", Scope.INDEX)
        until(lambda: client.post(MARKS, **sent).status_code == 401)
        assert client.get(f"{MARKS}/K").status_code == 401  # it may come through a plain forwarder
        assert client.get("/", auth=("a", key), headers={"Accept": "text/html"}).status_code == 200
        assert client.post(MARKS, **sent, headers=bearer(key)).status_code == 200


def test_a_key_ends_when_it_is_revoked_or_expires(open_server: Callable[..., Any]) -> None:
    with open_server(host="0.0.0.0") as (marklens, client):  # noqa: S104
        soon = datetime.now(UTC) + timedelta(seconds=4)
        brief = make_key(marklens, "brief", Scope.READ, expires=soon)
        key = make_key(marklens, "long", Scope.READ)
        until(lambda: client.get("/", headers=bearer(key)).status_code == 200)
        marklens.register.keys.revoke("long", datetime.now(UTC))
        until(lambda: client.get("/", headers=bearer(key)).status_code == 401)
        until(lambda: client.get("/", headers=bearer(brief)).status_code == 401)
        assert datetime.now(UTC) >= soon


def test_the_register_holds_no_secret_and_the_last_use_of_a_key(
    open_server: Callable[..., Any], tmp_path: Path
) -> None:
    with open_server(host="0.0.0.0") as (marklens, client):  # noqa: S104
        key = make_key(marklens, "desk", Scope.READ)
        until(lambda: client.get("/", headers=bearer(key)).status_code == 200)
    with MarkLens.open(marklens.settings) as again:
        (held,) = again.register.keys.all()
    assert held.used is not None
    assert abs(datetime.now(UTC) - held.used) < timedelta(minutes=1)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes()


def test_the_last_use_is_written_at_most_once_a_minute(marklens: MarkLens) -> None:
    written = []

    class Noting(type(marklens.register.keys)):  # type: ignore[misc]
        def note_use(self, used: Any) -> None:
            written.append(dict(used))

    secret = make_key(marklens, "noted", Scope.READ, revoked=None)
    keys = marklens.register.keys
    ring = KeyRing(Noting(keys._reading, keys._writing))
    for _ in range(5):
        ring.refresh()
        assert ring.find(secret) is not None
    assert written == []  # the first refresh of all had nothing to note
    ring._noted -= 61  # seconds
    ring.refresh()
    ring.refresh()
    assert [list(one) for one in written] == [["noted"]]
    marklens.register.keys.revoke("noted", datetime.now(UTC))


def test_a_request_without_a_key_is_refused_before_its_body_has_come(
    open_server: Callable[..., Any],
) -> None:
    with open_server(api_token="t" * 20) as (_, client):
        where = urlsplit(str(client.base_url))
        with socket.create_connection((str(where.hostname), int(where.port or 0)), 20) as sender:
            sender.sendall(
                b"POST /api/v1/marks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            )
            assert sender.recv(4096).startswith(b"HTTP/1.1 401 ")


# Rates.


def test_a_client_that_asks_too_often_is_told_how_long_to_wait(
    open_server: Callable[..., Any],
) -> None:
    with open_server(host="0.0.0.0", rate_per_minute=12) as (marklens, client):  # noqa: S104
        keys = [make_key(marklens, name, Scope.READ) for name in ("a", "b")]
        until(lambda: not client.get("/healthz").is_error and not _ring(client, keys[1]))
        began, count = time.monotonic(), 0
        while (answer := client.get("/docs", headers=bearer(keys[0]))).status_code == 200:
            count += 1
        # Those of a minute at once, and as many as came back meanwhile.
        assert 12 <= count <= 12 + (time.monotonic() - began) / 5
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 5
        assert answer.json()["type"] == "urn:marklens:problem:too-many"
        assert client.get("/docs", headers=bearer(keys[1])).status_code == 200
        assert client.get(f"{MARKS}/x/image", headers=bearer(keys[0])).status_code == 404
        assert client.get("/healthz").status_code == 200


def _ring(client: httpx.Client, key: str) -> bool:
    """Whether the server does not know a key yet."""
    return client.get("/docs", headers=bearer(key)).status_code != 200


def test_guessing_keys_is_slowed_down_by_address(open_server: Callable[..., Any]) -> None:
    with open_server(api_token="t" * 20, rate_per_minute=10) as (_, client):
        statuses = [client.get("/", headers=bearer(f"guess {n}")).status_code for n in range(14)]
        assert statuses[:10] == [401] * 10
        assert statuses[-1] == 429


def test_a_bucket_fills_again_and_old_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("search_api.http.rates.monotonic", lambda: now[0])
    monkeypatch.setattr("search_api.http.rates._MOST_CLIENTS", 3)
    rates = Rates(6)
    assert [rates.wait_s("a") for _ in range(8)] == [0.0] * 6 + [10.0] * 2
    now[0] += 5
    assert rates.wait_s("a") == 5
    now[0] += 5
    assert rates.wait_s("a") == 0
    now[0] += 600
    assert [rates.wait_s("a") for _ in range(7)] == [0.0] * 6 + [10.0]
    for other in ("b", "c", "d", "e"):
        rates.wait_s(other)
    assert len(rates._buckets) == 3
    assert Rates(0).wait_s("a") == 0


# The audit log.


def test_every_write_over_http_is_noted_with_its_key_and_request(
    open_server: Callable[..., Any], picture: bytes
) -> None:
    with open_server() as (marklens, client):
        key = make_key(marklens, "importer", Scope.ADMIN)
        headers = bearer(key)
        until(lambda: client.get(AUDIT, headers=headers).status_code == 200)
        image = {"image": picture}
        watch = {"name": "w", "threshold": "0.9", "marks": "A"}
        answers = [
            client.post(MARKS, data={"id": "A"}, files=image, headers=headers),
            client.post("/api/v1/watches", data=watch, headers=headers),
            client.delete("/api/v1/watches/w", headers=headers),
            client.delete(f"{MARKS}/A", headers=headers),
        ]
        assert [one.status_code for one in answers] == [201, 201, 204, 204]
        assert client.delete(f"{MARKS}/A", headers=headers).status_code == 404
        entries = client.get(AUDIT, headers=headers).json()["entries"]
        noted = [(one["action"], one["subject"], one["who"], one["request"]) for one in entries[:4]]
        assert noted == [
            (action, subject, "key importer", answer.headers["x-request-id"])
            for action, subject, answer in zip(
                ("withdraw marks", "remove watch", "create watch", "write marks"),
                ("A", "w", "w", "A"),
                reversed(answers),
                strict=True,
            )
        ]
        assert (entries[4]["action"], entries[4]["subject"]) == ("create admin key", "importer")
        assert entries[4]["who"].startswith("account ")
        only = client.get(AUDIT, params={"who": "nobody"}, headers=headers).json()
        assert only == {"entries": []}
