"""Broken, oversized, hostile and crowded requests: each gets an answer, and never a failure."""

import contextvars
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.register.audit import Actor, acting
from models.images.decoder_pool import _Worker
from search_api.encoding_lane import EncodingLane
from search_api.errors import TooBusy
from search_api.lanes import Lane, Patience, arrived
from search_api.marklens import MarkLens

SEARCH, MARKS = "/api/v1/search", "/api/v1/marks"
BOUNDARY = "----edge"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
PROBLEM = "application/problem+json"
MARK_FIELDS = ("id", "text", "owner", "office", "status", "filed", "nice", "vienna", "x")

AsPng = Callable[[Image.Image], bytes]
Draw = Callable[..., Image.Image]


@pytest.fixture
def picture(draw_mark: Draw, as_png: AsPng) -> bytes:
    return as_png(draw_mark(5))


def raw(client: httpx.Client, request: bytes) -> bytes:
    """Send bytes as they are and return the answer as it comes."""
    address = (client.base_url.host, client.base_url.port or 80)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.rstrip().endswith(b"}"):
            part = connection.recv(65536)
            if not part:
                break
            answer += part
    return answer


def test_an_oversized_body_is_refused_by_its_announcement_alone(client: httpx.Client) -> None:
    head = (
        f"POST {SEARCH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\n"
        "Content-Length: 999999999999\r\n\r\n"
    )
    answer = raw(client, head.encode())
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
    assert b"urn:marklens:problem:too-large" in answer


def test_an_oversized_body_without_announcement_is_refused_on_the_way(
    client: httpx.Client,
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        ).encode()
        while sent < 60_000_000:
            sent += 50_000
            yield bytes(50_000)

    answer = client.post(SEARCH, content=endless(), headers={"Content-Type": MULTIPART})
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:marklens:problem:too-large"
    assert sent < 60_000_000


@pytest.mark.parametrize(
    ("kind", "body", "statuses"),
    [
        ("application/json", b"{", {400, 422}),
        ("image/png", b"\x89PNG", {415}),
        ("text/plain", b"mark_id=M-1", {415}),
        ("", b"mark_id=M-1", {415}),
        ("multipart/form-data", b"--x\r\n\r\n--x--", {400}),
        (MULTIPART, b"", {400, 422}),
        (MULTIPART, b"no boundary anywhere", {400}),
        (MULTIPART, f"--{BOUNDARY}\r\n".encode(), {400, 422}),
        (MULTIPART, f"--{BOUNDARY}\r\nContent-Disposition: x\r\n\r\nv\r\n".encode(), {400}),
        ("application/x-www-form-urlencoded", b"%zz=%%&&=&mark_id=%ff", {422, 404}),
        ("application/x-www-form-urlencoded", b"mark_id=" + b"x" * 200_000, {400, 422}),
        ("application/x-www-form-urlencoded", b"&".join([b"k=1"] * 2000), {400, 422}),
        ("multipart/form-data; boundary=" + "b" * 500, b"--b", {400}),
        (f"{MULTIPART}; charset=nonsense", f"--{BOUNDARY}--".encode(), {400, 422}),
    ],
)
def test_a_body_that_is_no_proper_form_is_refused(
    client: httpx.Client, kind: str, body: bytes, statuses: set[int]
) -> None:
    for path in (SEARCH, "/api/v1/classify", MARKS):
        answer = client.post(path, content=body, headers={"Content-Type": kind})
        assert answer.status_code in statuses, (path, answer.text)
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["status"] == answer.status_code


def test_other_addresses_and_methods_are_problems_too(client: httpx.Client) -> None:
    for method, path, status in (
        ("GET", SEARCH, 405),
        ("PUT", f"{MARKS}/M-1", 405),
        ("TRACE", "/api/v1/vienna", 405),
        ("GET", "/api/v2/search", 404),
        ("GET", f"{MARKS}/a%00b", 404),
        ("GET", f"{MARKS}/%ff%fe", 404),
        ("GET", f"{MARKS}/a%2Fb/image", 404),
        ("DELETE", f"{MARKS}/%2e%2e", 404),
        ("GET", f"{MARKS}/" + "x" * 2000, 422),
        ("GET", "/api/v1/vienna?source=guessed", 422),
    ):
        answer = client.request(method, path)
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.headers["content-type"] == PROBLEM
    assert client.put(SEARCH).headers["allow"] == "POST"


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    fields=st.dictionaries(
        st.sampled_from(MARK_FIELDS),
        st.one_of(st.text(max_size=30), st.sampled_from(["B-1", "03.01", "25", "2020-02-30"])),
        max_size=5,
    ),
    filename=st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
def test_no_mark_makes_the_server_fail(
    client: httpx.Client, picture: bytes, fields: dict[str, str], filename: str
) -> None:
    sent = {name: value.encode("utf-8", "replace") for name, value in fields.items()}
    answer = client.post(MARKS, data=sent, files={"image": (filename, picture)})
    assert answer.status_code < 500, (fields, filename, answer.text)
    if answer.is_success:
        assert client.delete(answer.headers["location"]).status_code == 204
    else:
        assert answer.json()["detail"]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(cut=st.floats(0, 1), noise=st.binary(max_size=40), at=st.floats(0, 1))
def test_no_damaged_picture_makes_the_server_fail(
    client: httpx.Client, picture: bytes, cut: float, noise: bytes, at: float
) -> None:
    place = int(at * len(picture))
    damaged = (picture[:place] + noise + picture[place + len(noise) :])[: int(cut * len(picture))]
    for path in (SEARCH, "/api/v1/classify"):
        answer = client.post(path, files={"image": damaged})
        assert answer.status_code in (200, 422), answer.text


def test_a_full_queue_turns_the_next_away_and_health_still_answers(
    client: httpx.Client, marklens: MarkLens, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = EncodingLane(running=1, waiting=0)
    monkeypatch.setattr(marklens.queries.admission, "encoding", lane)
    with lane.turn(Patience(1)):
        answer = client.post(SEARCH, files={"image": picture})
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdecimal()
        assert answer.json()["type"] == "urn:marklens:problem:too-busy"
        assert client.get("/healthz").status_code == 200
        by_mark = client.post(SEARCH, data={"mark_id": "M-1"})  # encodes nothing
        assert by_mark.status_code == 200
    assert client.post(SEARCH, files={"image": picture}).status_code == 200


def test_an_explanation_holds_up_no_search(
    client: httpx.Client, marklens: MarkLens, picture: bytes
) -> None:
    with marklens.queries.admission.lanes["explain"].turn(Patience(1)):
        assert client.post(SEARCH, files={"image": picture}).status_code == 200


def test_who_waits_too_long_is_told_when_to_come_again(
    client: httpx.Client, marklens: MarkLens, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = marklens.queries.admission.lanes["encode"]
    monkeypatch.setattr(marklens.queries.admission, "_wait_s", 0.4)
    with ExitStack() as turns:
        for _ in range(marklens.settings.encode_workers):
            turns.enter_context(lane.turn(Patience(1)))
        began = time.monotonic()
        answer = client.post(SEARCH, files={"image": picture})
        assert time.monotonic() - began >= 0.1  # the rest is put by for the turn
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdecimal()
        assert lane.waiting == 0
    assert client.post(SEARCH, files={"image": picture}).status_code == 200


def test_waiting_counts_from_when_all_of_the_request_had_come(
    client: httpx.Client, marklens: MarkLens, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[float | None] = []
    make = marklens.queries.admission.patience

    def noting(*, alone: bool) -> Patience:
        came.append(arrived.get())
        return make(alone=alone)

    monkeypatch.setattr(marklens.queries.admission, "patience", noting)
    request = httpx.Request("POST", "http://x/", files={"image": picture})
    body, ends = request.read(), []

    def slowly() -> Iterator[bytes]:
        yield body[:100]
        time.sleep(0.3)
        ends.append(time.perf_counter())
        yield body[100:]

    kind = {"content-type": request.headers["content-type"]}
    assert client.post(SEARCH, content=slowly(), headers=kind).status_code == 200
    assert len(came) == 1  # for all pictures of a request, and all lanes
    assert came[0] is not None
    assert came[0] >= ends[0]


def test_who_has_waited_for_a_thread_waits_less_for_a_turn() -> None:
    lane = Lane(running=1, waiting=4)

    def late() -> float:
        acting.set(Actor("late"))
        arrived.set(time.perf_counter() - 30)
        with pytest.raises(TooBusy), lane.turn(Patience(30)):
            pytest.fail("a second caller got in")
        return Patience(30).waited

    with lane.turn(Patience(1)):
        assert contextvars.copy_context().run(late) == 0  # what is begun later counts afresh


def test_slow_drawings_hold_up_no_other_picture(
    client: httpx.Client, marklens: MarkLens, picture: bytes
) -> None:
    lane = marklens.queries.admission.lanes["draw"]
    with ExitStack() as turns:
        while lane.running < marklens.queries.admission.lanes["draw"].most:
            turns.enter_context(lane.turn(Patience(1)))
        for path in (SEARCH, "/api/v1/classify", "/api/v1/classify/explain"):
            assert client.post(path, files={"image": picture}).status_code == 200


def test_a_drawing_that_takes_long_is_refused_over_http(client: httpx.Client) -> None:
    blur = '<filter id="f"><feGaussianBlur stdDeviation="99"/></filter>'
    boxes = '<rect filter="url(#f)" width="90" height="300"/>' * 3000
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 300">'
    answer = client.post(
        "/api/v1/classify", files={"image": f"{head}{blur}{boxes}</svg>"}, timeout=120
    )
    assert answer.status_code == 422
    assert "too much time" in answer.json()["detail"]


def test_a_crashing_decoder_ends_one_request_and_no_server(
    client: httpx.Client, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(worker: _Worker, content: bytes, request: object) -> None:
        os.kill(worker.process.pid, signal.SIGSEGV)
        worker.process.wait()
        worker._read(1, time.monotonic() + 30)

    for path in ("/api/v1/classify", "/api/v1/classify/explain", SEARCH):
        with monkeypatch.context() as patched:
            patched.setattr(_Worker, "decode", crash)
            answer = client.post(path, files={"image": picture})
        assert answer.status_code == 422
        assert answer.json()["type"] == "urn:marklens:problem:unreadable-image"
        assert client.post(path, files={"image": picture}).status_code == 200


def test_a_lane_lets_as_many_work_and_wait_as_it_says() -> None:
    lane = Lane(running=2, waiting=1)
    inside, release = threading.Semaphore(0), threading.Event()

    def work() -> None:
        with lane.turn(Patience(60)):
            inside.release()
            assert release.wait(60)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert inside.acquire(timeout=10)
    assert inside.acquire(timeout=10)
    assert not inside.acquire(timeout=0.2)  # the third one waits
    assert (lane.running, lane.waiting) == (2, 1)
    with pytest.raises(TooBusy), lane.turn(Patience(1)):
        pytest.fail("a fourth caller got in")
    release.set()
    for thread in threads:
        thread.join(10)
    assert inside.acquire(timeout=10)
    assert (lane.running, lane.waiting) == (0, 0)


def test_clients_take_turns_and_one_with_many_requests_makes_room() -> None:
    lane = Lane(running=1, waiting=4)
    served: list[str] = []

    def work(name: str) -> None:
        acting.set(Actor(name))
        try:
            with lane.turn(Patience(30)):
                served.append(name)
        except TooBusy:
            served.append(f"{name} sent away")

    def begin(name: str) -> threading.Thread:
        waiting, thread = lane.waiting, threading.Thread(target=work, args=(name,))
        thread.start()
        deadline = time.monotonic() + 10
        while lane.waiting == waiting and thread.is_alive() and time.monotonic() < deadline:
            if lane.waiting == 4 and served:
                break
            time.sleep(0.01)
        return thread

    with lane.turn(Patience(1)):
        threads = [begin("greedy") for _ in range(4)]
        threads += [begin("modest")]
        deadline = time.monotonic() + 10
        while not served and time.monotonic() < deadline:
            time.sleep(0.01)
        threads += [begin("greedy")]  # for whom there is no room now
        threads[-1].join(10)
    for thread in threads:
        thread.join(10)
    assert served[:2] == ["greedy sent away", "greedy sent away"]
    assert served[2:] == ["greedy", "modest", "greedy", "greedy"]


def test_searches_and_writes_at_once_all_get_right_answers(
    client: httpx.Client, draw_mark: Draw, as_png: AsPng
) -> None:
    faults: list[str] = []

    def search(seed: int) -> None:
        for _ in range(6):
            answer = client.post(SEARCH, files={"image": as_png(draw_mark(seed))}, data={"k": "1"})
            if answer.status_code != 200 or answer.json()["hits"][0]["id"] != f"M-{seed}":
                faults.append(answer.text)

    def write(number: int) -> None:
        for _ in range(4):
            image = {"image": as_png(draw_mark(100 + number))}
            added = client.post(MARKS, data={"id": f"W-{number}"}, files=image)
            found = client.post(SEARCH, files=image, data={"k": "1"}).json()
            gone = client.delete(f"{MARKS}/W-{number}")
            statuses = (added.status_code, gone.status_code)
            if statuses != (201, 204) or found["hits"][0]["id"] != f"W-{number}":
                faults.append(f"{statuses} {found}")

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(4)]
    threads += [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []


def test_requests_are_counted_by_route_and_not_by_id(client: httpx.Client) -> None:
    client.get(f"{MARKS}/M-1")
    client.get(f"{MARKS}/nobody-of-this-name")
    client.post(SEARCH, data={"mark_id": "M-1"})
    text = client.get("/metrics").text
    assert 'route="/api/v1/marks/{mark_id}",status="200"' in text
    assert 'route="/api/v1/marks/{mark_id}",status="404"' in text
    assert "nobody-of-this-name" not in text
    assert 'marklens_search_stage_seconds_count{stage="search"}' in text
    assert "marklens_sequence_lag 0.0" in text
