"""Sends a JSON document to an address that a user gave, without leading into the own network.

An address is looked up once, all that it leads to must be public, and the connection goes to what
was looked up: a name that leads elsewhere a moment later (DNS rebinding) changes nothing. Redirects
are not followed.
"""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Timer
from typing import Any
from urllib.parse import SplitResult, urlsplit

from indexer.errors import BadWatch
from models.errors import MarkLensError
from models.redaction import HIDDEN, redacted
from models.version import marklens_version

TIMEOUT_S = 10.0  # of each step
DEADLINE_S = 30.0  # of all of them
_MAX_URL = 2000
# What `ipaddress` takes for addresses of the internet, and is none, or leads to any of IPv4.
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            *("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"),  # NAT64, 6to4, Teredo
            *("::/96", "::ffff:0:0:0/96"),  # IPv4 written as IPv6, in ways that are given up
            "fec0::/10",  # sites' own, before fc00::/7
            "192.88.99.0/24",  # relays of 6to4
            "168.63.129.16/32",  # Azure, to its own machines
        ),
    )
)
_ALLOWED_BY = "MARKLENS_WEBHOOK_PRIVATE=true allows that"


class WebhookFailed(MarkLensError):
    """A webhook that was not reached, or did not answer with success."""


def check_url(url: str) -> SplitResult:
    """Refuse what is no address of a webhook.

    Raises:
        BadWatch: it is none.
    """
    try:
        parts = urlsplit(url)
        port_is_right = parts.port is None or parts.port > 0
        (parts.hostname or "").encode("idna")  # as a look-up does: parts of 1 to 63 letters
    except ValueError:
        port_is_right, parts = False, SplitResult("", "", "", "", "")
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _MAX_URL
    known = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    if not (is_plain and known and port_is_right):
        raise BadWatch(
            f"{shown_url(url)[:80]!r} is no address of a webhook: write http:// or https://, a "
            "host and a path, without a user's name"
        )
    return parts


def check_public(url: str) -> None:
    """Refuse an address that by itself says that it is not public; names are not looked up.

    Raises:
        BadWatch: it is one, or none of a webhook.
    """
    host = check_url(url).hostname or ""
    is_local = host.rstrip(".").rpartition(".")[2] == "localhost"
    with suppress(socket.gaierror):  # a name: what it leads to is looked at with each event
        (*_, place), *_ = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
        is_local = not is_public(str(place[0]))
    if is_local:
        raise BadWatch(f"{host} is not public, so no webhook there is told; {_ALLOWED_BY}")


def shown_url(url: str) -> str:
    """An address without its query, in which services put their keys."""
    before, mark, _ = redacted(url).partition("?")
    return before + mark + (HIDDEN if mark else "")


def post(url: str, document: Mapping[str, Any], *, allow_private: bool) -> None:
    """Send a document.

    Raises:
        BadWatch: the address is none.
        WebhookFailed: it leads into the own network, cannot be reached or is not done in time, or
            answers with anything but success.
    """
    parts = check_url(url)
    try:
        address = _public_address(parts, allow_private=allow_private)
        connection = _connection(parts, address)
        alarm = Timer(DEADLINE_S, _cut, [connection])
        alarm.daemon = True  # a server that ends does not wait for it
        alarm.start()
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {
                "Content-Type": "application/json",
                "User-Agent": f"MarkLens/{marklens_version()}",
            }
            connection.request("POST", path, json.dumps(document).encode(), headers)
            status = connection.getresponse().status
        finally:
            alarm.cancel()
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise WebhookFailed(f"the webhook cannot be reached: {error}") from error
    if not 200 <= status < 300:
        raise WebhookFailed(f"the webhook answered with status {status}")


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a connection whose other side sends a byte now and then, for ever."""
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)


def _public_address(parts: SplitResult, *, allow_private: bool) -> str:
    """The first address that a host's name leads to, once all of them are known to be public."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if not allow_private and not is_public(address):
            raise WebhookFailed(
                f"the webhook's host leads to {address}, which is not public; {_ALLOWED_BY}"
            )
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an IP address is one of the internet, and not of a network of one's own."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast


def _connection(parts: SplitResult, address: str) -> http.client.HTTPConnection:
    """A connection to an address, which speaks as if to the host's name."""
    host, port = parts.hostname or "", parts.port

    def connect(*_: Any, **__: Any) -> socket.socket:
        default = 443 if parts.scheme == "https" else 80
        return socket.create_connection((address, port or default), TIMEOUT_S)

    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    connection._create_connection = connect  # type: ignore[attr-defined]  # what `connect` calls
    return connection
