"""A server under load on loopback, beside the bare encoder: throughput, latency, errors, memory.

``python -m benchmarks.load [--clients 1 8 32] [--seconds 600] [--marks 200] [--out FILE]`` indexes
some marks of the demo register into a temporary folder, serves it in a process of its own, and asks
from this one: 70 % searches with a picture, 20 % classifications, 10 % marks registered, each by a
client that sends its next request once the last is answered, or when Retry-After says. All clients
come from one address. A third process asks for /healthz four times a second. Each of these requests
has one picture encoded, as the bare encoder encodes one; what the clients themselves take of the
same processors is told.

The bare encoder encodes the same pictures, decoded before, for an eighth of the time before each
number of clients and as long after it, in this process and as many at once as the server can have
under way: as many as there are clients, shared by the threads that the server encodes in, and in
each no more than the server encodes together. A single client's picture is decoded, encoded and
ranked one after the other, so its share of the bare encoder is what the encoder takes of the whole.

A table says for each number of clients what was measured and which target is missed. It exits with
1 where one is, or an answer is neither right nor a shed 503.
"""

import argparse
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from multiprocessing import get_context
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from indexer.ingest import IngestOptions
from models.images import decode_image
from search_api.demo import demo_register
from search_api.encoding_lane import TOGETHER
from search_api.marklens import MarkLens
from search_api.settings import Settings

API = "/api/v1"
HEALTH_EVERY_S, MEMORY_EVERY_S = 0.25, 2
SHARE_OF_ENCODER, HEALTH_MS, GROWTH = 0.9, 100, 1.1  # the targets


@dataclass
class Seen:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)  # of requests that were admitted
    statuses: Counter[int] = field(default_factory=Counter)
    health: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # megabytes, every two seconds
    faults: list[str] = field(default_factory=list)


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--marks", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pictures = sorted((demo_register() / "images").glob("*.png"))[:: max(1, 1900 // options.marks)]
    contents = [one.read_bytes() for one in pictures[: options.marks]]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), rate_per_minute=0)
        with MarkLens.open(settings) as marklens:
            index(marklens, options.marks)
            bare = Bare(marklens, contents)
            with serving(settings) as (address, pid):
                rows = [
                    measured(address, pid, clients, options.seconds, contents, bare)
                    for clients in options.clients
                ]
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(not show(rows, settings.queue_s))


def index(marklens: MarkLens, marks: int) -> None:
    """Index so many marks of the demo register, or a few more."""
    options = IngestOptions(stop=lambda: marklens.register.count() >= marks)
    marklens.ingest(demo_register(), options=options)


class Bare:
    """The encoder alone, in as many threads as the server encodes in."""

    def __init__(self, marklens: MarkLens, contents: list[bytes]) -> None:
        self._encoder, self._threads = marklens.encoder, marklens.settings.encode_workers
        self._images = [decode_image(one) for one in contents]

    def rate(self, seconds: float, at_once: int) -> float:
        """Pictures encoded in a second, so many at once, or as many as the server would."""
        threads = min(at_once, self._threads)
        together = min(at_once // threads, TOGETHER)
        end = time.perf_counter() + seconds

        def work(seed: int) -> int:
            drawn, done = random.Random(seed), 0
            while time.perf_counter() < end:
                self._encoder.encode(drawn.choices(self._images, k=together))
                done += together
            return done

        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            done = sum(pool.map(work, range(threads)))
        return done / (time.perf_counter() - began)


@contextmanager
def serving(settings: Settings) -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its address and process id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,  # noqa: TID251 - handed on
        "MARKLENS_DATA_DIR": str(settings.data_dir),
        "MARKLENS_RATE_PER_MINUTE": "0",
        "MARKLENS_CHECKPOINT": str(settings.checkpoint or ""),
    }
    command = [sys.executable, "-m", "search_api", "serve", "--port", str(port)]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 180
        try:
            while not _is_ready(address):
                if server.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the server does not start")
                time.sleep(0.2)
            yield address, server.pid
        finally:
            server.terminate()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def measured(
    address: str, pid: int, clients: int, seconds: float, contents: list[bytes], bare: Bare
) -> dict[str, float]:
    """Put a number of clients on the server, and print what came of it."""
    before = bare.rate(seconds / 8, clients)
    seen = Seen()
    began = time.perf_counter()
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        health = apart.submit(watch_health, address, seconds)
        busy = time.process_time()
        _load(address, pid, clients, seconds, contents, seen)
        spent, busy = time.perf_counter() - began, time.process_time() - busy
        seen.health, faults = health.result()
        seen.faults += faults
    after = bare.rate(seconds / 8, clients)
    row = {
        "clients": clients,
        "answered_per_s": len(seen.seconds) / spent,
        "bare_encoder_per_s": (before + after) / 2,
        "share": len(seen.seconds) / spent / ((before + after) / 2),
        "p50_ms": 1000 * float(np.percentile(seen.seconds, 50)),
        "p99_ms": 1000 * float(np.percentile(seen.seconds, 99)),
        "client_cpu_ms": 1000 * busy / len(seen.seconds),  # for each answer
        "shed_503": seen.statuses[503],
        "faults": len(seen.faults),
        "health_p99_ms": 1000 * float(np.percentile(seen.health, 99)),
        "memory_mb": seen.memory[len(seen.memory) // 4],  # once all is warm
        "memory_after_mb": max(seen.memory[-len(seen.memory) // 4 :]),
    }
    print(", ".join(f"{name} {value:.4g}" for name, value in row.items()), *seen.faults[:3])
    return row


def show(rows: list[dict[str, float]], queue_s: float) -> bool:
    """Print a table with verdicts; whether all targets are met."""
    table = Table()
    targets = ("", "", f">= {SHARE_OF_ENCODER}", "", f"<= {1000 * queue_s:.0f}", "", "", "0")
    heads = ("clients", "answers/s", "of bare encoder", "p50 ms", "p99 ms", "CPU ms of clients")
    heads += ("shed", "faults")
    heads += ("health p99 ms", "memory MB", "missed")
    targets += (f"< {HEALTH_MS}", "flat", "")
    for head, target in zip(heads, targets, strict=True):
        table.add_column(f"{head}\n{target}", justify="right")
    missed = [list(judged(row, queue_s)) for row in rows]
    for row, misses in zip(rows, missed, strict=True):
        table.add_row(
            f"{row['clients']:.0f}",
            f"{row['answered_per_s']:.1f}",
            f"{row['share']:.2f} ({row['bare_encoder_per_s']:.1f}/s)",
            *(f"{row[one]:.0f}" for one in ("p50_ms", "p99_ms")),
            f"{row['client_cpu_ms']:.1f}",
            *(f"{row[one]:.0f}" for one in ("shed_503", "faults")),
            f"{row['health_p99_ms']:.0f}",
            f"{row['memory_mb']:.0f} -> {row['memory_after_mb']:.0f}",
            ", ".join(misses) or "none",
        )
    Console(width=140).print(table)
    return not any(missed)


def judged(row: dict[str, float], queue_s: float) -> Iterator[str]:
    """The targets that a row misses; a request is to be answered by its deadline or shed."""
    if row["faults"]:
        yield "faults"
    if row["share"] < SHARE_OF_ENCODER:
        yield "share"
    if row["p99_ms"] > 1000 * queue_s:
        yield "p99"
    if row["health_p99_ms"] > HEALTH_MS:
        yield "health"
    if row["memory_after_mb"] > GROWTH * row["memory_mb"] + 100:
        yield "memory"


def watch_health(address: str, seconds: float) -> tuple[list[float], list[str]]:
    """Ask whether a server is alive for so long; how long each answer took, and what was wrong."""
    connection = HTTPConnection(address.removeprefix("http://"), timeout=60)
    end, took, faults = time.perf_counter() + seconds, [], []
    while time.perf_counter() < end:
        began = time.perf_counter()
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - began)
        if answer.status != 200:
            faults.append(f"health {answer.status}")
        time.sleep(HEALTH_EVERY_S)
    return took, faults


def _load(
    address: str, pid: int, clients: int, seconds: float, contents: list[bytes], seen: Seen
) -> None:
    end = time.perf_counter() + seconds
    with ThreadPoolExecutor(clients + 1) as pool:
        asking = [
            pool.submit(_ask, address, number, end, contents, seen) for number in range(clients)
        ]
        for one in (pool.submit(_weigh, pid, end, seen), *asking):
            one.result()


def _ask(address: str, number: int, end: float, contents: list[bytes], seen: Seen) -> None:
    """One client: as light as can be, since it takes its time from the server's."""
    connection = HTTPConnection(address.removeprefix("http://"), timeout=60)
    drawn, asked = random.Random(number), 0
    while time.perf_counter() < end:
        image, kind, asked = drawn.choice(contents), drawn.random(), asked + 1
        path, fields = "classify", {}
        if kind < 0.7:
            path, fields = "search", {"k": "20"}
        elif kind >= 0.9:
            path, fields = "marks", {"id": f"LOAD-{number}-{asked % 50}"}
        began = time.perf_counter()
        connection.request("POST", f"{API}/{path}", _form(image, fields), _HEADERS)
        answer = connection.getresponse()
        content, retry_s = answer.read(), answer.headers["retry-after"]
        seen.statuses[answer.status] += 1
        if answer.status in (200, 201):
            seen.seconds.append(time.perf_counter() - began)
        elif answer.status == 503 and retry_s:
            connection.close()
            wait = float(retry_s) * drawn.uniform(0.5, 1.5)
            time.sleep(max(0.0, min(wait, end - time.perf_counter())))
        else:
            seen.faults.append(f"{answer.status} {content[:200]!r}")
    connection.close()


_HEADERS = {"Content-Type": "multipart/form-data; boundary=load", "Accept-Encoding": "gzip"}


def _form(image: bytes, fields: dict[str, str]) -> bytes:
    """A picture and texts as a browser sends them."""
    texts = [f'{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    file = b'image"; filename="mark.png"\r\nContent-Type: image/png\r\n\r\n' + image
    start = b'--load\r\nContent-Disposition: form-data; name="'
    return b"".join(start + one + b"\r\n" for one in (*texts, file)) + b"--load--\r\n"


def _weigh(pid: int, end: float, seen: Seen) -> None:
    while time.perf_counter() < end:
        seen.memory.append(_memory(pid))
        time.sleep(MEMORY_EVERY_S)


def _memory(pid: int) -> float:
    """Resident megabytes of a process and its children."""
    of = {}
    for one in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = one.read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        of[int(one.parent.name)] = (int(fields[1]), int(fields[21]))
    family, size = {pid}, 0
    while size != len(family):
        size = len(family)
        family |= {child for child, (parent, _) in of.items() if parent in family}
    return sum(of[one][1] for one in family if one in of) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
