"""Webhooks reach no address of the own network, and hold up nothing."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer.errors import BadWatch
from indexer.marks import MarkRecord
from search_api.marklens import MarkLens
from search_api.settings import Settings
from search_api.watch import webhook
from search_api.watch.asked import NewWatch
from search_api.watch.background import watching
from search_api.watch.watching import Watching
from search_api.watch.webhook import WebhookFailed, check_public, check_url, is_public, post


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),  # noqa: S104
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "ff02::1"),
        *("fec0::1", "::7f00:1", "::ffff:0:7f00:1", "192.88.99.1", "168.63.129.16"),
        "::ffff:168.63.129.16",
    ],
)
def test_addresses_of_the_own_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "http://2130706433:9/"),
        *("http://0x7f.1:9/", "http://[::ffff:127.0.0.1]:9/"),
    ],
)
def test_no_spelling_of_the_own_machine_is_reached(url: str) -> None:
    with pytest.raises(WebhookFailed, match="not public"):
        post(url, {}, allow_private=False)
    with pytest.raises(BadWatch, match="not public"):
        check_public(url)


def test_a_watch_is_not_made_whose_webhook_is_sure_to_be_refused(
    tiny_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with MarkLens.open(tiny_settings(tmp_path)) as own:
        new = NewWatch("w", 0.99, mark_ids=["M-1"], webhook="http://127.0.0.1:9/")
        with pytest.raises(BadWatch, match="not public"):
            Watching(own).add(new)
    check_public("https://hooks.example.org/x")  # a name is looked up with each event


def test_the_address_that_was_checked_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that leads elsewhere when it is asked again (DNS rebinding) changes nothing."""
    asked: list[str] = []
    reached: list[Any] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.215.14" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
        reached.append(address)
        raise ConnectionRefusedError("as far as this test goes")

    monkeypatch.setattr(webhook.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(webhook.socket, "create_connection", connect)
    with pytest.raises(WebhookFailed, match="cannot be reached"):
        post("http://rebinding.example/", {}, allow_private=False)
    assert asked == ["rebinding.example"]
    assert reached == [("93.184.215.14", 80)]


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://example.org/", "example.org", "http://", "http://user@example.org/"),
        *("http://example.org:99999/", "http://exa mple.org/", "http://example.org/\r\nX: y"),
        *("https://example.org/" + "x" * 2000, "http://a..b/", f"http://{'a' * 64}.example/"),
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(BadWatch):
        check_url(url)


class Dripping:
    """A server that answers every webhook by a byte now and then, until it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()
        self.has_ended = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as connection:
            self.reached.set()
            with suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                for _ in range(300):  # a minute, for a server that waits for it
                    connection.sendall(b"a")
                    if self.let_go.wait(0.2):
                        break
            self.has_ended = True


def test_a_webhook_that_drips_keeps_no_mark_from_being_compared_and_no_server_from_ending(
    tiny_settings: Callable[..., Settings],
    tmp_path: Path,
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook, "DEADLINE_S", 3600)
    settings = tiny_settings(tmp_path, webhook_private=True, poll_s=0.05)
    content, hook, others = as_png(draw_mark(50)), Dripping(), set(threading.enumerate())
    new = NewWatch("w", 0.99, pictures=[("a.png", content)], webhook=hook.url)
    with MarkLens.open(settings) as own:
        Watching(own).add(new)
        with watching(own):
            own.add(MarkRecord(id="NEW-1"), content)
            assert hook.reached.wait(30)
            own.add(MarkRecord(id="NEW-2"), content)
            eventually(lambda: own.register.watches.get("w").unread == 2)
        assert not hook.has_ended
        hook.let_go.set()
        started = set(threading.enumerate()) - others
        eventually(
            lambda: not any(one.is_alive() for one in started if one.name == "marklens-webhooks")
        )


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
