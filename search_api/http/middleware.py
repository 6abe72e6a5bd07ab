"""Middleware around every request: limit on bodies, security headers, counting."""

import logging
import re
import uuid
from asyncio import CancelledError
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search_api.errors import PROBLEMS, ServerEnds, TooLarge
from search_api.http.around import Around
from search_api.http.metrics import Metrics
from search_api.http.problem_details import problem_response
from search_api.lanes import arrived
from search_api.log_records import REQUEST_ID, request_id

logger = logging.getLogger("search_api.access")
_MAYBE_DONE = "Where it writes, look whether it was done; else send it again."
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer browsers send `Origin: null` with our own forms, as a foreign page would.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'self'"
    ),
}


class BodyLimit(Around):
    """Refuses a body over `limit` bytes, by its announced length or as soon as it has come.

    It notes when the last of a body has come, from when on the request waits for its turn.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        super().__init__(app)
        self._limit = limit

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        detail = f"The request is larger than {self._limit} bytes: send a smaller picture."
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._limit:
            response = problem_response(PROBLEMS[TooLarge], detail, scope["path"])
            response.headers["Connection"] = "close"  # rather than reading what follows
            await response(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, detail, {"Connection": "close"})
            arrived.set(perf_counter())
            return message

        arrived.set(perf_counter())
        await self._app(scope, limited, send)


class RequestIds(Around):
    """Gives each request an id, which its answer and all that is logged of it bear."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; a proxy may have given it an id already."""
        given = Headers(scope=scope).get(REQUEST_ID, "")
        identity = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        # Never reset: what answers failures lies outside of all middleware.
        request_id.set(identity)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = identity
            await send(message)

        await self._app(scope, receive, named)


_REQUEST_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)


class SecurityHeaders(Around):
    """Adds the headers that an answer does not set itself."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, secured)


class ServerEnd(Around):
    """Answers 503 where uvicorn cancels what took longer than a server that ends may wait."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except CancelledError:
            if not has_begun:  # else uvicorn closes the connection in the middle of the answer
                is_read = scope["method"] in ("GET", "HEAD")
                advice = "Send it again." if is_read else _MAYBE_DONE
                response = problem_response(PROBLEMS[ServerEnds], advice, scope["path"])
                await response(scope, receive, send)


class HeadRequests(Around):
    """Answers HEAD as GET is answered, without the body."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        scope["method"] = "GET"  # for the routes; the server is to see HEAD when it is answered

        async def bodiless(message: Message) -> None:
            scope["method"] = "HEAD"
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, bodiless)


class RequestMetrics(Around):
    """Counts requests by route, so that ids in paths do not each make a series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        super().__init__(app)
        self._metrics = metrics

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began, status = perf_counter(), 500
        self._metrics.in_flight.inc()

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            self._metrics.in_flight.dec()
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            seconds = perf_counter() - began
            self._metrics.request(method, route, status, seconds)
            answered = {"method": method, "route": route, "status": status}
            fields = {**answered, "ms": round(1000 * seconds, 1), "client": _client(scope)}
            logger.info("%s %s: %d", method, route, status, extra={"fields": fields})


def _client(scope: Scope) -> str | None:
    """The name of the key, or the address, of who asks."""
    client = scope.get("state", {}).get("client")
    return client.name if client else None


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
