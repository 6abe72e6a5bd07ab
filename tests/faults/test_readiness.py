"""What `/readyz` says, and what searches do, while something happens to a server that runs."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import httpx
import pytest
from PIL import Image

from indexer.marks import MarkRecord
from indexer.register import Register
from indexer.register.keys import Key, Scope
from search_api.key_ring import KeyRing, digest_of
from search_api.marklens import MarkLens
from search_api.request import SearchRequest
from search_api.settings import Settings


def test_a_server_whose_register_was_encoded_by_another_network_is_not_ready(
    tiny_settings: Callable[..., Settings],
    checkpoint_with_parts: Path,
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path: Path,
) -> None:
    settings = tiny_settings(tmp_path, poll_s=0.1)
    with MarkLens.open(settings) as marklens:
        marklens.add(MarkRecord(id="M-1"), as_png(draw_mark(1)))
        with serving(marklens) as address, httpx.Client(base_url=address, timeout=30) as client:
            assert client.get("/readyz").status_code == 200
            with MarkLens.open(tiny_settings(tmp_path, checkpoint=checkpoint_with_parts)) as other:
                other.rebuild(encode=True)
            deadline = time.monotonic() + 20
            while client.get("/readyz").status_code == 200 and time.monotonic() < deadline:
                time.sleep(0.1)
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert client.get("/healthz").status_code == 200


def test_a_snapshot_that_is_damaged_while_it_is_served_costs_no_search_and_is_replaced(
    tiny_settings: Callable[..., Settings],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = tiny_settings(tmp_path, poll_s=0.1)
    picture = {"image": as_png(draw_mark(1))}
    with MarkLens.open(settings) as first:
        first.add(MarkRecord(id="M-1"), picture["image"])
        first.rebuild()
    with MarkLens.open(settings) as marklens, serving(marklens) as address:

        def found() -> list[str]:
            answer = httpx.post(f"{address}/api/v1/search", files=picture, timeout=30)
            return sorted(hit["id"] for hit in answer.json()["hits"])

        assert found() == ["M-1"]
        for file in (tmp_path / "snapshots").iterdir():
            file.write_bytes(file.read_bytes()[:-3] + b"???")
        added = httpx.post(f"{address}/api/v1/marks", data={"id": "M-2"}, files=picture, timeout=30)
        assert added.status_code == 201
        assert found() == ["M-1", "M-2"]
        assert httpx.get(f"{address}/readyz", timeout=30).status_code == 200
    with MarkLens.open(settings) as again:  # the one before saved its own as it ended
        assert again.search(SearchRequest(picture["image"])).plan.sequence == 2
    assert "snapshot not used" not in caplog.text


def test_a_clock_that_is_set_back_keeps_keys_in_force_and_notes_their_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SetBack(datetime):
        hours = 0

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime(2026, 3, 1, 12, tzinfo=UTC) - timedelta(hours=cls.hours)

    monkeypatch.setattr("search_api.key_ring.datetime", SetBack)
    monkeypatch.setattr("search_api.key_ring._NOTE_EVERY_S", 0.0)
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    made = SetBack.now()
    register.keys.add(Key("desk", Scope.READ, digest_of("secret"), made, made + timedelta(days=1)))
    ring = KeyRing(register.keys)
    for hours in (0, 5, -2):  # back, and beyond
        SetBack.hours = hours
        ring.refresh()
        assert ring.find("secret") is not None
        ring.refresh()
        (key,) = register.keys.all()
        assert key.used == SetBack.now()
    register.close()
