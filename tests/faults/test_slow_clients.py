"""Clients that never finish a request, or never read an answer, keep nobody else waiting."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from PIL import Image

from search_api.marklens import MarkLens
from search_api.settings import Settings

ROOT = Path(__file__).parents[2]
Serve = Callable[..., AbstractContextManager[str]]
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
HALF_A_BODY = (
    b"POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n--x\r\n"
)
NOTHING = b""


@pytest.fixture
def serve(
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    serving: Callable[[MarkLens], AbstractContextManager[str]],
) -> Iterator[Callable[..., str]]:
    """A function (settings) → the address of a server with them."""
    with ExitStack() as stack:

        def start(**settings: object) -> str:
            marklens = stack.enter_context(MarkLens.open(tiny_settings(tmp_path, **settings)))
            return stack.enter_context(serving(marklens))

        yield start


def connect(address: str) -> socket.socket:
    where = urlsplit(address)
    return socket.create_connection((str(where.hostname), int(where.port or 0)), timeout=30)


def until_closed(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


@pytest.mark.parametrize("begun", [HALF_A_HEAD, HALF_A_BODY, NOTHING])
def test_half_open_requests_beyond_the_cap_do_not_end_service(
    serve: Callable[..., str], begun: bytes
) -> None:
    address = serve(max_connections=50, request_timeout_s=60)
    with ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(connect(address)).sendall(begun)
        for _ in range(3):
            assert httpx.get(f"{address}/healthz", timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("begun", "told"), [(HALF_A_HEAD, b" 408 "), (HALF_A_BODY, b" 408 "), (NOTHING, b" 408 ")]
)
def test_a_request_that_does_not_come_is_ended_at_its_deadline(
    serve: Callable[..., str], begun: bytes, told: bytes
) -> None:
    address = serve(request_timeout_s=1)
    with connect(address) as connection:
        connection.sendall(begun)
        began = time.monotonic()
        assert told in until_closed(connection)
        assert 0.5 < time.monotonic() - began < 10


def test_bytes_now_and_then_buy_no_time(serve: Callable[..., str]) -> None:
    address = serve(request_timeout_s=1)
    for begun, more in ((HALF_A_HEAD, b"X-A: b\r\n"), (HALF_A_BODY, b"a")):
        with connect(address) as connection:
            connection.sendall(begun)
            end = time.monotonic() + 15
            with suppress(BrokenPipeError, ConnectionResetError):
                while time.monotonic() < end:
                    connection.sendall(more)
                    time.sleep(0.1)
            assert time.monotonic() < end


def test_a_body_that_came_fast_and_stops_is_not_waited_for(serve: Callable[..., str]) -> None:
    head = HALF_A_BODY.replace(b"100000", b"2000000")
    part = b"Content-Disposition: form-data; name=image; filename=a\r\n\r\n"
    with connect(serve(request_timeout_s=1)) as connection:
        connection.sendall(head + part + b"a" * 1_000_000)
        assert b" 408 " in until_closed(connection)


def test_a_body_may_take_long_while_it_comes(serve: Callable[..., str]) -> None:
    address = serve(request_timeout_s=1)
    body = b"--x\r\nContent-Disposition: form-data; name=mark_id\r\n\r\n" + b"a" * 60_000
    body += b"\r\n--x--\r\n"
    head = (
        "POST /api/v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with connect(address) as connection:
        connection.sendall(head.encode())
        for place in range(0, len(body), 6_000):  # 2 seconds and more
            connection.sendall(body[place : place + 6_000])
            time.sleep(0.2)
        assert until_closed(connection).startswith(b"HTTP/1.1 4")


def test_an_answer_that_is_not_read_is_given_up(
    serve: Callable[..., str], as_png: Callable[[Image.Image], bytes]
) -> None:
    address = serve(request_timeout_s=1)
    noise = np.random.default_rng(7).integers(0, 256, (2500, 2500, 3), np.uint8)
    picture = as_png(Image.fromarray(noise))
    added = httpx.post(
        f"{address}/api/v1/marks", data={"id": "N"}, files={"image": picture}, timeout=60
    )
    assert added.status_code == 201
    with connect(address) as connection:
        connection.sendall(b"GET /api/v1/marks/N/image HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        time.sleep(3)
        assert len(until_closed(connection)) < len(picture)


def _process(settings: dict[str, str], port: int, files: int) -> "subprocess.Popen[bytes]":
    """A server in a process of its own that may open so many files."""
    script = f'ulimit -n {files}; exec "$0" -m search_api serve --port {port}'
    process = subprocess.Popen(  # noqa: S603
        ["/bin/bash", "-c", script, sys.executable],
        cwd=ROOT,
        env={"PATH": os.defpath, "OMP_NUM_THREADS": "1", **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 300
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200:
                return process
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_few_files_and_200_half_open_requests_leave_a_server_that_ends_in_time(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    settings = {
        "MARKLENS_DATA_DIR": str(tmp_path),
        "MARKLENS_CHECKPOINT": str(tiny_checkpoint),
        "MARKLENS_RUNTIME": "torch",
        "MARKLENS_DEVICE": "cpu",
        "MARKLENS_GRACEFUL_TIMEOUT_S": "2",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = _process(settings, port, files=200)
    try:
        with ExitStack() as stack:
            for n in range(200):
                slow = stack.enter_context(connect(f"http://127.0.0.1:{port}"))
                slow.sendall(HALF_A_BODY if n % 2 else HALF_A_HEAD)
            last = slow  # half a body
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30).status_code == 200
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
            assert time.monotonic() - began < 12  # the graceful timeout, and the way out
            assert until_closed(last).startswith(b"HTTP/1.1 503 ")
        assert process.returncode == 0, said
        assert b"Traceback" not in said, said
    finally:
        process.kill()
