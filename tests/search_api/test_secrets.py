"""Passwords and keys stand in no answer, log, status or exception, whatever URL they came in."""

import io
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from indexer.errors import DatabaseUnavailable
from indexer.register import Register
from models.redaction import redacted
from search_api.cli import app
from search_api.marklens import MarkLens
from search_api.settings import BadSettings, Settings

SECRET = "s3kr1t"  # noqa: S105
Serving = Callable[[MarkLens], AbstractContextManager[str]]

URLS = (
    f"postgresql://u:{SECRET}@127.0.0.1:1/db",
    f"postgresql://127.0.0.1:1/db?user=u&password={SECRET}",
    f"postgresql://u@/db?host=/nowhere&password={SECRET}",
    f"postgresql://u@/db?host=/nowhere&sslpassword={SECRET}&passfile=/{SECRET}",
    f"postgresql://u@/db?host=/nowhere&options=-c%20a.b%3D{SECRET}",
    f"postgresql://u:p@ss{SECRET}@127.0.0.1:1/db",
    f"postgresql://u:pa/{SECRET}@127.0.0.1:1/db",
    f"postgresql://u@127.0.0.1:{SECRET}/db",
    f"mysql://u:{SECRET}@host/db",
    f"sqlite:///:memory:?password={SECRET}",
    f"://u:{SECRET}@host",
)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, with tracebacks, by any logger."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    yield text
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("url", URLS)
def test_no_exception_or_command_tells_a_password(
    url: str, tmp_path: Path, log: io.StringIO
) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        Register.open(url)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in str(caught.value)
    assert SECRET not in told.replace(url, "")  # this test's own line
    settings = Settings(database_url=url)
    assert SECRET not in f"{settings!r} {settings}"
    environment = {"MARKLENS_DATABASE_URL": url, "MARKLENS_DATA_DIR": str(tmp_path)}
    result = CliRunner().invoke(app, ["status"], env=environment)
    assert (result.exit_code, SECRET in result.output) == (1, False)
    assert SECRET not in log.getvalue()


def test_options_that_are_no_secrets_leave_the_message_as_it_is() -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        Register.open(f"postgresql://127.0.0.1:1/db?connect_timeout=11&password={SECRET}")
    assert "connect_timeout=11" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_setting_that_cannot_be_used_is_not_repeated() -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.read(port=SECRET, api_token=[SECRET])
    assert SECRET not in "".join(traceback.format_exception(caught.value)).replace("SECRET", "")


@pytest.mark.postgres
def test_a_lost_database_is_answered_with_fixed_texts_and_told_in_the_log(
    own_postgres: Any,
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    serving: Serving,
    log: io.StringIO,
) -> None:
    own_postgres.run("CREATE DATABASE marklens")
    url = f"{own_postgres.url('marklens')}&password={SECRET}"
    with MarkLens.open(tiny_settings(tmp_path, database_url=url, poll_s=3600)) as marklens:
        assert SECRET not in marklens.register.url
        with serving(marklens) as address, httpx.Client(base_url=address, timeout=60) as client:
            own_postgres.stop()
            for path in (
                "/readyz",
                "/api/v1/marks/M-1",
                "/api/v1/marks?owner=x",
                "/results?text=a",
            ):
                answer = client.get(path)
                assert answer.status_code in (503, 422), answer.text
                identity = answer.headers["x-request-id"]
                assert identity in answer.text
                for secret in (SECRET, str(own_postgres.folder), "postgres"):
                    assert secret not in answer.text
                (line,) = [one for one in log.getvalue().splitlines() if identity in one]
                assert "failed" in line
    assert SECRET not in log.getvalue()


def test_a_damaged_picture_store_is_answered_without_server_paths(
    client: httpx.Client, marklens: MarkLens, log: io.StringIO
) -> None:
    digest = client.get("/api/v1/marks/M-4").json()["image_digest"]
    file = marklens.images.folder / digest[:2] / digest
    content = file.read_bytes()
    try:
        for damage in (lambda: file.write_bytes(b"damaged"), file.unlink):
            damage()
            answer = client.get("/api/v1/marks/M-4/image")
            assert answer.status_code == 500
            assert str(marklens.settings.data_dir) not in answer.text
            assert answer.headers["x-request-id"] in answer.json()["detail"]
            assert str(marklens.images.folder) in log.getvalue()
    finally:
        file.write_bytes(content)


def test_a_request_keeps_the_id_that_a_proxy_gave_it(client: httpx.Client) -> None:
    given = client.get("/healthz", headers={"X-Request-Id": "from-proxy-17"})
    assert given.headers["x-request-id"] == "from-proxy-17"
    for forged in ("a", "x y" * 9, "x" * 65, "é" * 9):
        made = client.get("/healthz", headers={"X-Request-Id": forged.encode()})
        assert made.headers["x-request-id"] != forged
        assert len(made.headers["x-request-id"]) == 32


def test_what_is_logged_is_redacted_arguments_and_tracebacks_too(
    client: httpx.Client, log: io.StringIO
) -> None:
    logger = logging.getLogger("anything")
    logger.error("GET %s took %d", f"/watches/x/feed?key={SECRET}", 3)
    logger.error("Authorization: Bearer %s, password=%s", SECRET, SECRET)
    try:
        int(f"https://u:{SECRET}@host/")
    except ValueError:
        logger.exception("failed")
    text = log.getvalue()
    assert "took 3" in text
    assert "'https://u:***@host/'" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a:b@c/d", "https://a:***@c/d"),
        ("x://a:b@/c@d e@f", "x://a:***@d e@f"),
        ("?password=a&k=1", "?password=***&k=1"),
        ("API_TOKEN=a, PGPASSWORD=b", "API_TOKEN=***, PGPASSWORD=***"),
        (f"/queries/{'a' * 32}/image", "/queries/***/image"),
        (f"GET /?query={'0' * 32}&query={'1' * 32}", "GET /?query=***&query=***"),
        ("/results?query=lion", "/results?query=lion"),
        ("monkey business, mail@host", "monkey business, mail@host"),
        ("http://host:80/a?k=1", "http://host:80/a?k=1"),
    ],
)
def test_secrets_in_texts_are_hidden_and_the_rest_stays(text: str, shown: str) -> None:
    assert redacted(text) == shown
