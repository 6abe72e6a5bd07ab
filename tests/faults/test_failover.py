"""A primary that dies and a standby that takes its place; several servers and indexers at once."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from indexer.register import Register
from search_api.marklens import MarkLens
from search_api.settings import Settings

pytestmark = pytest.mark.postgres

MARKS, SEARCH = "/api/v1/marks", "/api/v1/search"
Serving = Callable[[MarkLens], AbstractContextManager[str]]
Draw = Callable[..., Image.Image]
AsPng = Callable[[Image.Image], bytes]


def wait_until(happened: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def standby(own_postgres: Any) -> Iterator[Any]:
    """A server that follows another, which acknowledges no write before both have it."""
    other = type(own_postgres)(own_postgres.binaries, own_postgres.account)
    try:
        subprocess.run(  # noqa: S603 - Debian's own binary
            [
                own_postgres.binaries / "pg_basebackup",
                *("-h", own_postgres.folder, "-U", "postgres", "-D", other.folder / "data"),
                *("--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=other.folder,
            **other.owner,
        )
        other.start()
        own_postgres.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        own_postgres.run("SELECT pg_reload_conf()")
        yield other
    finally:
        other.remove()


def write_until(
    over: threading.Event, address: str, picture: dict[str, bytes], acknowledged: list[str]
) -> None:
    """Write one mark after the other; nothing but a 503 may refuse one."""
    with httpx.Client(base_url=address, timeout=60) as client:
        for n in range(100_000):
            if over.is_set():
                return
            answer = client.post(MARKS, data={"id": f"M-{n}"}, files=picture)
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                acknowledged.append(f"M-{n}")


def is_level(address: str, sequence: int) -> bool:
    """Whether a server has seen all changes up to the last."""
    state = httpx.get(f"{address}/readyz", timeout=30).json()
    return (state.get("sequence"), state.get("lag")) == (sequence, 0)


def held_of(url: str, ids: list[str]) -> set[str]:
    """Those of some marks that a register holds."""
    register = Register.open(url)
    held = set(register.marks(ids))
    register.close()
    return held


def write_twelve(address: str, name: str, picture: dict[str, bytes]) -> list[str]:
    """Ids of marks that were written."""
    ids = [f"{name}-{n}" for n in range(12)]
    for mark_id in ids:
        answer = httpx.post(f"{address}{MARKS}", data={"id": mark_id}, files=picture, timeout=60)
        assert answer.status_code == 201, answer.text
    return ids


def test_a_standby_takes_over_and_no_acknowledged_write_is_lost(
    own_postgres: Any,
    standby: Any,
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    draw_mark: Draw,
    as_png: AsPng,
    serving: Serving,
) -> None:
    own_postgres.run("CREATE DATABASE marklens")
    both = f"host={own_postgres.folder},{standby.folder}&target_session_attrs=read-write"
    url = f"postgresql://postgres@/marklens?{both}"
    settings = tiny_settings(tmp_path, database_url=url, database_timeout_s=3, poll_s=0.2)
    picture = {"image": as_png(draw_mark(1, 64))}
    acknowledged: list[str] = []
    over = threading.Event()

    with (
        MarkLens.open(settings) as marklens,
        serving(marklens) as address,
        ThreadPoolExecutor(1) as pool,
    ):

        def ready() -> int:
            return httpx.get(f"{address}/readyz", timeout=30).status_code

        writing = pool.submit(write_until, over, address, picture, acknowledged)
        try:
            wait_until(lambda: len(acknowledged) >= 5 and ready() == 200)
            own_postgres.stop()
            wait_until(lambda: ready() == 503)
            before = len(acknowledged)
            standby.run("SELECT pg_promote()")
            wait_until(lambda: ready() == 200 and len(acknowledged) > before + 2)
        finally:
            over.set()
        writing.result()
        found = httpx.post(f"{address}{SEARCH}", files=picture, timeout=60)
        assert found.status_code == 200
    assert held_of(standby.url("marklens"), acknowledged) == set(acknowledged)


# FastAPI silences it while it builds forms, which two applications in a process do at once.
@pytest.mark.filterwarnings("ignore:The 'alias' attribute with value")
def test_two_servers_and_two_indexers_at_once_lose_nothing_and_find_all(
    postgres_url: str,
    index: Callable[..., list[dict[str, Any]]],
    place: Any,
    table: Path,
    office_file: Path,
    tiny_settings: Callable[..., Settings],
    draw_mark: Draw,
    as_png: AsPng,
    serving: Serving,
) -> None:
    shared = type(place)(place.folder, postgres_url)
    settings = tiny_settings(place.folder, database_url=postgres_url, poll_s=0.1)
    picture = {"image": as_png(draw_mark(1, 64))}
    with (
        MarkLens.open(settings) as one,
        MarkLens.open(settings) as other,
        serving(one) as first,
        serving(other) as second,
        ThreadPoolExecutor(3) as pool,
    ):
        runs = pool.submit(index, shared.job(table), shared.job(office_file))
        written = [
            pool.submit(write_twelve, *one, picture) for one in ((first, "a"), (second, "b"))
        ]
        ids = {mark_id for ids in written for mark_id in ids.result()}
        assert [answer["status"] for answer in runs.result()] == [0, 0]
        assert not any("error" in answer for answer in runs.result())
        sequence = one.register.sequence()
        changes = one.register.changes(0, 10_000)
        live = {one.id for one in changes if not one.deleted and one.embedding is not None}
        assert ids < live
        assert len(live) > len(ids) + 20
        for address in (first, second):
            wait_until(partial(is_level, address, sequence))
            answer = httpx.post(f"{address}{SEARCH}", data={"k": "100"}, files=picture, timeout=60)
            assert {hit["id"] for hit in answer.json()["hits"]} == live
