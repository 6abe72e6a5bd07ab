"""PostgreSQL that stands still: nothing waits for it without an end, and all goes on after it."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from PIL import Image

from indexer.errors import DatabaseLost, DatabaseUnavailable
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from indexer.register.database import create_engine, parse_url, plain_errors
from search_api.marklens import MarkLens
from search_api.settings import Settings

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(own_postgres: Any) -> Iterator[str]:
    own_postgres.run("CREATE DATABASE marklens")
    yield own_postgres.url("marklens")
    own_postgres.send_signal(signal.SIGCONT)


def test_a_server_with_a_frozen_database_answers_at_once_or_refuses_in_time(
    own_postgres: Any,
    url: str,
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
) -> None:
    settings = tiny_settings(tmp_path, database_url=url, database_timeout_s=3, poll_s=0.2)
    with MarkLens.open(settings) as marklens:
        picture = as_png(draw_mark(1))
        for n in range(3):
            marklens.add(MarkRecord(f"M-{n}"), as_png(draw_mark(n)))
        with serving(marklens) as address, httpx.Client(base_url=address, timeout=60) as client:

            def search(_: int = 0) -> int:
                sent = {"image": picture}
                return client.post("/api/v1/search", files=sent).status_code

            assert search() == 200
            own_postgres.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            with ThreadPoolExecutor(50) as pool:
                searches = [pool.submit(search, n) for n in range(50)]  # more than threads
                for path, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 200)):
                    asked = time.monotonic()
                    answer = client.get(path)
                    assert answer.status_code == status, path
                    assert time.monotonic() - asked < 10, path  # 40 s is what it would wait
                assert "marklens_marks 3.0" in answer.text
                assert {one.result() for one in searches} == {503}
            assert time.monotonic() - began < 40
            own_postgres.send_signal(signal.SIGCONT)
            deadline = time.monotonic() + 30
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert search() == 200


def test_a_reader_gives_up_and_a_writer_loses_nothing_that_was_acknowledged(
    own_postgres: Any, url: str
) -> None:
    register = Register.open(url, answer_s=0.5)
    register.add([EncodedMark(MarkRecord("a"), "d")])
    own_postgres.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(DatabaseLost, match=r"no answer within|timeout expired"):
        register.count()
    assert time.monotonic() - began < 12  # the old connection, and a new one
    own_postgres.send_signal(signal.SIGCONT)
    assert register.count() == 1
    register.close()


def test_a_database_that_does_not_answer_at_first_is_said_in_time(
    own_postgres: Any, url: str
) -> None:
    own_postgres.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(DatabaseLost):
        Register.open(url)
    assert time.monotonic() - began < 12


def test_a_slow_statement_ends_and_its_connection_is_not_used_again(postgres_url: str) -> None:
    parsed = parse_url(postgres_url)
    engine = create_engine(parsed, answer_s=0.5)
    with (
        pytest.raises(DatabaseUnavailable, match=r"no answer within 0\.5 seconds"),
        plain_errors(parsed),
        engine.connect() as connection,
    ):
        connection.execute(sa.text("SELECT pg_sleep(30)"))
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT 7")) == 7
        assert connection.scalar(sa.text("SHOW statement_timeout")) == "30s"
    engine.dispose()


def test_a_full_pool_refuses_rather_than_waiting(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.register.database._CONNECT_S", 0.2)
    parsed = parse_url(postgres_url)
    engine = create_engine(parsed)
    held = [engine.connect() for _ in range(25)]
    with pytest.raises(DatabaseUnavailable, match="limit"), plain_errors(parsed):
        engine.connect()
    for connection in held:
        connection.close()
    engine.dispose()
