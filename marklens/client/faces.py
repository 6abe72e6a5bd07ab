"""The two clients: the same calls, sent and awaited in each one's way."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import wraps
from typing import Any, Concatenate, Literal, ParamSpec, Self, TypeVar

import httpx

from marklens.client import calls
from marklens.client.answers import Event, ListedMark
from marklens.client.asking import Filter, Picture, Query
from marklens.client.calls import Call
from marklens.client.problems import Busy, ClientError, Unreachable, problem_of, sendable

P = ParamSpec("P")
T = TypeVar("T")

_FIRST_WAIT_S = 0.5  # doubled with each attempt, where the server does not say how long
_LONGEST_WAIT_S = 60.0


class _Attempts:
    """Counts the attempts of one call, and says how long to wait before the next."""

    def __init__(self, call: Call[Any], most: int) -> None:
        self._left = most if call.is_repeatable else 1
        self._wait_s = _FIRST_WAIT_S

    def after(self, outcome: httpx.Response | httpx.RequestError) -> float:
        """Seconds to wait after a failed attempt.

        Raises:
            ClientError: there is no use in another one, or none is left.
        """
        self._left -= 1
        if isinstance(outcome, httpx.TransportError):
            if self._left > 0 and isinstance(outcome, httpx.ConnectError):
                return self._next()
            raise Unreachable(f"the server does not answer: {outcome!r}") from outcome
        if isinstance(outcome, httpx.RequestError):
            raise ClientError(f"the server's answer cannot be read: {outcome!r}") from outcome
        problem = problem_of(outcome)
        if self._left <= 0 or not isinstance(problem, Busy):
            raise problem
        wait_s = self._next() if problem.retry_after_s is None else problem.retry_after_s
        if wait_s > _LONGEST_WAIT_S:
            raise problem
        return wait_s

    def _next(self) -> float:
        self._wait_s *= 2
        return self._wait_s / 2


def _sync(make: Callable[P, Call[T]]) -> Callable[Concatenate["Client", P], T]:
    @wraps(make)
    def run(self: "Client", /, *args: P.args, **options: P.kwargs) -> T:
        with sendable():
            call = make(*args, **options)
        return self.run(call)

    return run


def _async(make: Callable[P, Call[T]]) -> Callable[Concatenate["AsyncClient", P], Awaitable[T]]:
    @wraps(make)
    async def run(self: "AsyncClient", /, *args: P.args, **options: P.kwargs) -> T:
        with sendable():
            call = make(*args, **options)
        return await self.run(call)

    return run


def _headers(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


class Client:
    """A server of MarkLens, for programs that wait for each answer.

    Args:
        address: of the server, such as ``http://localhost:8000``.
        key: its API key, where it asks for one.
        timeout_s: seconds to wait for a connection, and for each part of an answer.
        attempts: how often a call is tried where the server is busy (429, 503, waiting as long as
            its ``Retry-After`` says) or cannot be connected to; calls that would do something
            twice are tried once.

    All of it raises a `ClientError` and nothing else; `marklens.client.problems` lists the kinds.
    """

    def __init__(
        self, address: str, *, key: str | None = None, timeout_s: float = 30.0, attempts: int = 3
    ) -> None:
        with sendable():
            self._http = httpx.Client(base_url=address, headers=_headers(key), timeout=timeout_s)
        self._attempts = attempts

    search = _sync(calls.search)
    classify = _sync(calls.classify)
    words = _sync(calls.words)
    explain = _sync(calls.explain)
    query_image = _sync(calls.query_image)
    forget = _sync(calls.forget)
    find_codes = _sync(calls.find_codes)
    vienna = _sync(calls.vienna)
    facets = _sync(calls.facets)
    page = _sync(calls.page)
    mark = _sync(calls.mark)
    image = _sync(calls.image)
    add = _sync(calls.add)
    delete = _sync(calls.delete)
    report = _sync(calls.report)
    batch = _sync(calls.batch)
    batch_state = _sync(calls.batch_state)
    batch_results = _sync(calls.batch_results)
    forget_batch = _sync(calls.forget_batch)
    watches = _sync(calls.watches)
    watch = _sync(calls.watch)
    add_watch = _sync(calls.add_watch)
    change_watch = _sync(calls.change_watch)
    delete_watch = _sync(calls.delete_watch)
    read_watch = _sync(calls.read_watch)
    events = _sync(calls.events)
    feed = _sync(calls.feed)
    audit = _sync(calls.audit)

    def marks(
        self, filter: Filter | None = None, order: str | None = None, page_size: int = 100
    ) -> Iterator[ListedMark]:
        """List all marks that pass a filter, asking for one page after the other."""
        after: str | None = ""
        while after is not None:
            page = self.page(filter, order, page_size, after)
            yield from page.marks
            after = page.next

    def search_all(
        self,
        pictures: Sequence[Picture],
        query: Query | None = None,
        format: Literal["csv", "xlsx", "jsonl", "pdf"] = "csv",
        poll_s: float = 1.0,
    ) -> bytes:
        """Search with each of many pictures: `batch`, and wait for its `batch_results`.

        Raises:
            ClientError: the batch was stopped.
        """
        batch = self.batch(pictures, query, format)
        while batch.state in ("waiting", "running"):
            time.sleep(poll_s)
            batch = self.batch_state(batch.id)
        if batch.error is not None:
            raise ClientError(f"the batch was stopped: {batch.error}")
        return self.batch_results(batch.id)

    def events_since(self, name: str, after: int = 0, page_size: int = 100) -> Iterator[Event]:
        """All that came near a watch above a number, the oldest first, page after page."""
        while found := self.events(name, after, page_size):
            yield from found
            after = found[-1].id

    def run(self, call: Call[T]) -> T:
        """Send a call, and again where that may help."""
        attempts = _Attempts(call, self._attempts)
        while True:
            try:
                outcome: httpx.Response | httpx.RequestError = self._http.send(
                    call.request(self._http)
                )
            except httpx.RequestError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.result(outcome)
            time.sleep(attempts.after(outcome))

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Use it as a context manager that closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close its connections."""
        self.close()


class AsyncClient:
    """The same for asyncio; see `Client`."""

    def __init__(
        self, address: str, *, key: str | None = None, timeout_s: float = 30.0, attempts: int = 3
    ) -> None:
        with sendable():
            self._http = httpx.AsyncClient(
                base_url=address, headers=_headers(key), timeout=timeout_s
            )
        self._attempts = attempts

    search = _async(calls.search)
    classify = _async(calls.classify)
    words = _async(calls.words)
    explain = _async(calls.explain)
    query_image = _async(calls.query_image)
    forget = _async(calls.forget)
    find_codes = _async(calls.find_codes)
    vienna = _async(calls.vienna)
    facets = _async(calls.facets)
    page = _async(calls.page)
    mark = _async(calls.mark)
    image = _async(calls.image)
    add = _async(calls.add)
    delete = _async(calls.delete)
    report = _async(calls.report)
    batch = _async(calls.batch)
    batch_state = _async(calls.batch_state)
    batch_results = _async(calls.batch_results)
    forget_batch = _async(calls.forget_batch)
    watches = _async(calls.watches)
    watch = _async(calls.watch)
    add_watch = _async(calls.add_watch)
    change_watch = _async(calls.change_watch)
    delete_watch = _async(calls.delete_watch)
    read_watch = _async(calls.read_watch)
    events = _async(calls.events)
    feed = _async(calls.feed)
    audit = _async(calls.audit)

    async def marks(
        self, filter: Filter | None = None, order: str | None = None, page_size: int = 100
    ) -> AsyncIterator[ListedMark]:
        """List all marks that pass a filter, asking for one page after the other."""
        after: str | None = ""
        while after is not None:
            page = await self.page(filter, order, page_size, after)
            for mark in page.marks:
                yield mark
            after = page.next

    async def search_all(
        self,
        pictures: Sequence[Picture],
        query: Query | None = None,
        format: Literal["csv", "xlsx", "jsonl", "pdf"] = "csv",
        poll_s: float = 1.0,
    ) -> bytes:
        """Search with each of many pictures: `batch`, and wait for its `batch_results`.

        Raises:
            ClientError: the batch was stopped.
        """
        batch = await self.batch(pictures, query, format)
        while batch.state in ("waiting", "running"):
            await asyncio.sleep(poll_s)
            batch = await self.batch_state(batch.id)
        if batch.error is not None:
            raise ClientError(f"the batch was stopped: {batch.error}")
        return await self.batch_results(batch.id)

    async def events_since(
        self, name: str, after: int = 0, page_size: int = 100
    ) -> AsyncIterator[Event]:
        """All that came near a watch above a number, the oldest first, page after page."""
        while found := await self.events(name, after, page_size):
            for event in found:
                yield event
            after = found[-1].id

    async def run(self, call: Call[T]) -> T:
        """Send a call, and again where that may help."""
        attempts = _Attempts(call, self._attempts)
        while True:
            try:
                outcome: httpx.Response | httpx.RequestError = await self._http.send(
                    call.request(self._http)
                )
            except httpx.RequestError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.result(outcome)
            await asyncio.sleep(attempts.after(outcome))

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Use it as a context manager that closes it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close its connections."""
        await self.close()
