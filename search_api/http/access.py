"""Who asks and what they may, told before a body is read: host names, keys, this machine, rates."""

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from indexer.register import keys
from indexer.register.audit import Actor, acting
from models.errors import MarkLensError
from search_api.errors import BadToken, NotAllowed, Problem, TooMany, UnknownHost, problem_for
from search_api.http.around import Around
from search_api.http.problem_details import problem_response
from search_api.http.rates import Rates
from search_api.key_ring import KeyRing, digest_of
from search_api.log_records import request_id
from search_api.settings import Settings

TOKEN_NAME = "MARKLENS_API_TOKEN"  # noqa: S105 - as what it is known in the audit log
# Told to everybody: whether the server runs, what every installation's page is made of, and feeds,
# whose address holds a secret of its own.
_OPEN = re.compile(r"/healthz|/readyz|/static/.*|/api/v1/watches/[^/]+/feed")
_WATCHES = "/watches"  # the page: asks for the key itself, as what it shows needs one to write
_PICTURE = re.compile(r"/api/v1/marks/[^/]+/image")
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
# A proxy on this machine asks in the name of anybody. Those that say nothing of it mostly speak
# HTTP/1.0, or pass on the host name that they are asked for.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


RefusedPage = Callable[[Request, Problem, str], Response]  # of a kind of problem, and its detail


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Attributes:
        name: of a key, or an address.
        scope: what they may; None for nothing.
        is_counted: whether their requests count against the limit.
        must_ask: why they may do no more.
    """

    name: str
    scope: keys.Scope | None
    is_counted: bool
    must_ask: type[BadToken] | type[NotAllowed] = NotAllowed


def require(needed: keys.Scope, scope: Scope) -> None:
    """Let a request pass whose client has a scope.

    Raises:
        BadToken: it has no key.
        NotAllowed: its key is of a lesser scope, or there are no keys at all.
    """
    client: Client = scope["state"]["client"]
    if client.scope is not None and client.scope >= needed:
        return
    word = needed.name.lower()
    if client.must_ask is BadToken:
        raise BadToken(f"Send a key of scope {word} in the header Authorization: Bearer …")
    raise NotAllowed(
        f"This needs a key of scope {word}: `marklens keys create NAME --scope {word}` makes one "
        f"on the server, or set {TOKEN_NAME} there."
    )


class Access(Around):
    """Refuses requests by their head alone, and tells the rest of the server who asks."""

    def __init__(self, app: ASGIApp, rates: Rates, page: RefusedPage) -> None:
        super().__init__(app)
        self._rates = rates
        self._page = page

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        state = scope["app"].state
        headers = Headers(scope=scope)
        try:
            client = self._admit(scope, headers, state.marklens.settings, state.keys)
        except MarkLensError as error:
            await self._refusal(scope, headers, error)(scope, receive, send)
            return
        acting.set(Actor(client.name, request_id.get()))
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers, error: MarkLensError) -> Response:
        """What says why a request is refused: a page to who reads pages, else problem details."""
        problem, reads_pages = problem_for(error), "text/html" in headers.get("accept", "")
        if reads_pages and not scope["path"].startswith("/api"):
            response = self._page(Request(scope), problem, str(error))
        else:
            response = problem_response(problem, str(error), scope["path"])
        if isinstance(error, TooMany):
            response.headers["Retry-After"] = str(ceil(error.retry_s))
        if isinstance(error, BadToken) and reads_pages:
            # A browser asks its user for a password then: the key.
            response.headers["WWW-Authenticate"] = 'Basic realm="MarkLens", charset="UTF-8"'
        return response

    def _admit(self, scope: Scope, headers: Headers, settings: Settings, ring: KeyRing) -> Client:
        """Who asks, once host name, key and rate are in order.

        Raises:
            BadToken, NotAllowed, TooMany: they are not.
        """
        _check_host(headers, settings)
        path, address = scope["path"], _network(scope)
        is_open = _OPEN.fullmatch(path) is not None
        secret, is_basic = _sent_secret(headers)
        if secret is None:
            client = _anonymous(scope, headers, settings, ring, address)
        else:
            found = (
                None if is_basic and _is_foreign(scope, headers) else _key(secret, settings, ring)
            )
            if found is None:
                self._count(address)
                raise BadToken(
                    "The key is wrong, expired or revoked, or comes from a foreign page."
                )
            client = Client(f"key {found.name}", found.scope, is_counted=True)
        is_picture = scope["method"] in _SAFE and _PICTURE.fullmatch(path) is not None
        if client.is_counted and not is_open and not is_picture:
            self._count(client.name)
        scope.setdefault("state", {})["client"] = client
        if not is_open:
            require(keys.Scope.INDEX if path == _WATCHES else keys.Scope.READ, scope)
        return client

    def _count(self, name: str) -> None:
        wait_s = self._rates.wait_s(name)
        if wait_s:
            raise TooMany(wait_s)


def _check_host(headers: Headers, settings: Settings) -> None:
    """Refuse names that are not the server's.

    A foreign page can point its own name at this server (DNS rebinding), and its browser then takes
    the two for one; it cannot do that with an address.
    """
    name = _host_name(headers.get("host", ""))
    names = settings.host_names
    if name and not _is_address(name) and name not in names and "*" not in names:
        raise UnknownHost("The name in the address must be one of MARKLENS_ALLOWED_HOSTS.")


def _key(secret: str, settings: Settings, ring: KeyRing) -> keys.Key | None:
    token = settings.api_token
    if token is not None:
        digest = digest_of(token.get_secret_value())
        if hmac.compare_digest(digest, digest_of(secret)):
            return keys.Key(TOKEN_NAME, keys.Scope.ADMIN, digest, keys.NEVER)
    return ring.find(secret)


def _anonymous(
    scope: Scope, headers: Headers, settings: Settings, ring: KeyRing, address: str
) -> Client:
    """What a request without a key may."""
    has_keys = settings.api_token is not None or not ring.is_empty
    must_ask = BadToken if has_keys else NotAllowed
    is_foreign = _is_foreign(scope, headers)
    is_trusted = settings.is_loopback and not has_keys  # a key says that others may come this way
    if is_trusted and not is_foreign and _is_from_here(scope, headers):
        return Client("this machine", keys.Scope.ADMIN, is_counted=False)
    may_read = settings.public_reading and not is_foreign
    return Client(address, keys.Scope.READ if may_read else None, True, must_ask)


def _is_from_here(scope: Scope, headers: Headers) -> bool:
    """Whether a program or browser of this machine asks, and no proxy for somebody else."""
    client = scope["client"][0] if scope["client"] else ""
    is_forwarded = scope["http_version"] == "1.0" or any(one in headers for one in _FORWARDED)
    return (
        not is_forwarded
        and _is_loopback(_host_name(headers.get("host", "")))
        and (_is_loopback(client))
    )


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another site asks: browsers let any page post a form to anywhere."""
    origin = headers.get("origin")
    return origin is not None and origin.partition("//")[2] != headers.get("host", "")


def _sent_secret(headers: Headers) -> tuple[str | None, bool]:
    """The key that is sent, and whether it is so by a browser, as its user's password."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip(), False
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2], True
        except (binascii.Error, UnicodeDecodeError):
            return "", True
    return (value, False) if scheme else (None, False)


def _host_name(address: str) -> str:
    """The name in a `Host` header; one that cannot be read is nobody's."""
    try:
        return (urlsplit(f"//{address}").hostname or "").rstrip(".")
    except ValueError:
        return "unreadable."


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ip_address(name).is_loopback)


def _network(scope: Scope) -> str:
    """Whose address it is: with IPv6 everybody has 2^64 of them."""
    name = scope["client"][0] if scope["client"] else ""
    if _is_address(name) and isinstance(ip_address(name), IPv6Address):
        return str(ip_network(f"{name.partition('%')[0]}/64", strict=False))
    return name or "unknown"
