"""A server that is killed in the middle of a batch: the next one goes on where it was."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

ROOT = Path(__file__).parents[2]
PICTURES = 40
URL = "/api/v1/batches"


@contextmanager
def server(environment: dict[str, str]) -> Iterator[httpx.Client]:
    """A server in a process of its own, which is killed at the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "search_api", "serve", "--port", str(port)]
    given = {"PATH": os.defpath, **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until(lambda: process.poll() is None and answers(client))
            yield client
    finally:
        process.kill()
        process.wait()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_that_starts_again_goes_on_with_a_batch(
    environment: dict[str, str],
    run: Callable[..., Any],
    source: Path,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
) -> None:
    assert run("index", source).exit_code == 0
    pictures = [("images", (f"{n:02}.png", as_png(draw_mark(n)))) for n in range(PICTURES)]
    with server(environment) as client:
        sent = client.post(URL, files=pictures, data={"k": "1", "format": "jsonl"}).json()
        path = f"{URL}/{sent['id']}"
        until(lambda: client.get(path).json()["done"] >= 3)
    journal = Path(environment["MARKLENS_DATA_DIR"]) / "batches" / sent["id"] / "out"
    done = (journal / "results.jsonl.part" / "done.jsonl").read_bytes()
    assert 3 <= done.count(b"\n") < PICTURES
    with server(environment) as client:
        until(lambda: client.get(path).json()["state"] == "done")
        found = client.get(f"{path}/results").text.splitlines()
    assert len(found) == PICTURES
    assert not (journal / "results.jsonl.part").exists()
