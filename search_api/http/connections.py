"""Connections with deadlines and a cap: clients that send or read too slowly are cut off.

uvicorn has no deadline for the head or the body of a request, and its ``limit_concurrency`` turns
new requests away while half-open ones hold every place. Here the oldest connection that is not
being answered makes room instead, so that no number of half-open ones ends the service.
"""

import resource
from asyncio import BaseTransport, TimerHandle
from enum import Enum, auto
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from search_api.settings import Settings

# Bytes a second at which a body may come for as long as it takes, and an answer must be read.
_SLOWEST = 8192
# Files for the register, uploads and libraries, and for connections that are taken or cut off but
# not closed yet: asyncio takes a backlog of them at once, and then a second and a third.
_SPARE_FILES = 512
_BACKLOGS = 4
_MAX_HEAD = 32 * 1024
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def server_config(app: FastAPI, settings: Settings, **options: Any) -> uvicorn.Config:
    """How uvicorn serves an application under the limits of `settings`.

    Args:
        app: what is served.
        settings: deadlines and the most connections.
        options: others of uvicorn's.
    """
    most, spare = _affordable(settings.max_connections)
    return uvicorn.Config(
        app,
        http=partial(BoundedConnection, settings.request_timeout_s, most),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        forwarded_allow_ips=settings.trusted_proxies,
        backlog=spare // _BACKLOGS,
        timeout_graceful_shutdown=settings.graceful_timeout_s,
        h11_max_incomplete_event_size=_MAX_HEAD,
        **options,
    )


def _affordable(wanted: int) -> tuple[int, int]:
    """How many connections this process may have open, of those wanted, and how many other files.

    The limit is raised as far as it may be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_FILES
    if needed <= soft or soft == resource.RLIM_INFINITY:
        return wanted, _SPARE_FILES
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    spare = min(_SPARE_FILES, 3 * soft // 4)
    return min(wanted, soft - spare), spare


class _Phase(Enum):
    """What a connection waits for."""

    IDLE = auto()  # for the next request; uvicorn ends it after a few seconds
    HEAD = auto()
    BODY = auto()
    ANSWER = auto()


class BoundedConnection(H11Protocol):
    """One connection of a client.

    Args:
        patience_s: seconds for a whole head, for a body that comes slower than 8 KiB a second,
            and for an answer that is read no faster.
        most: connections at once.
        arguments: uvicorn's.
    """

    def __init__(self, patience_s: float, most: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._patience_s = patience_s
        self._most = most
        self._phase = _Phase.HEAD
        self._since = self._deadline = 0.0
        self._alarm: TimerHandle | None = None
        self._stalled: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a connection, in place of another one where there are too many."""
        has_room = len(self.connections) < self._most or self._make_room()
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn says it
        if not has_room:
            self._end(_FULL)
            return
        self._enter(_Phase.HEAD)

    def data_received(self, data: bytes) -> None:
        """Read what has come; bytes of a body buy it time."""
        if self._phase is _Phase.BODY:
            # No more than if it began now: a body that came fast and stops is not waited for.
            latest = self.loop.time() + self._patience_s
            self._deadline = min(self._deadline + len(data) / _SLOWEST, latest)
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Note that the client does not read; it has a while to go on."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self._patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, since the client reads."""
        super().resume_writing()
        self._stop_alarms(self._stalled)
        self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._stop_alarms(self._alarm, self._stalled)
        self._alarm = self._stalled = None
        super().connection_lost(exc)

    def _look(self) -> None:
        """See what the connection waits for now."""
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            is_idle = self.timeout_keep_alive_task is not None
            phase = _Phase.IDLE if is_idle else _Phase.HEAD
        else:
            phase = _Phase.BODY if cycle.more_body else _Phase.ANSWER
        if phase is not self._phase:
            self._enter(phase)

    def _enter(self, phase: _Phase) -> None:
        self._stop_alarms(self._alarm)
        self._alarm, self._phase, self._since = None, phase, self.loop.time()
        if phase in (_Phase.HEAD, _Phase.BODY):
            self._deadline = self._since + self._patience_s
            self._alarm = self.loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        """End the connection, unless its body has come fast enough to be waited for."""
        if self.loop.time() < self._deadline:
            self._alarm = self.loop.call_at(self._deadline, self._ring)
            return
        cycle: RequestResponseCycle | None = self.cycle
        self._end(b"" if cycle is not None and cycle.response_started else _TIMED_OUT)

    def _make_room(self) -> bool:
        """Cut off the connection that has waited longest unanswered; whether there was one."""
        waiting = [
            one
            for one in self.connections
            if isinstance(one, BoundedConnection) and one._phase is not _Phase.ANSWER
        ]
        if not waiting:
            return False
        oldest = min(waiting, key=lambda one: one._since)
        oldest.transport.abort()
        self.connections.discard(oldest)
        return True

    def _end(self, last_words: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(last_words)
            self.transport.close()

    @staticmethod
    def _stop_alarms(*alarms: TimerHandle | None) -> None:
        for alarm in alarms:
            if alarm is not None:
                alarm.cancel()
