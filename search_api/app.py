"""The server as an application; `marklens serve` gives its connections their deadlines, too."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

from indexer.search.serving import prioritise_searches
from models.version import marklens_version
from search_api.batch.background import working
from search_api.http import middleware, openapi, problem_details
from search_api.http.access import Access
from search_api.http.metrics import Metrics
from search_api.http.rates import Rates
from search_api.http.routes import (
    audit,
    batches,
    facets,
    health,
    marks,
    queries,
    report,
    search,
    vienna,
    watches,
)
from search_api.http.traces import RequestTraces, exporting
from search_api.kept_pictures import purging
from search_api.key_ring import KeyRing
from search_api.log_records import keep_secrets_out
from search_api.marklens import MarkLens
from search_api.schemas import API
from search_api.settings import Settings
from search_api.watch.background import watching
from search_api.web import pages, plain

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_ROUTES = (search, report, batches, queries, marks, watches, vienna, facets, audit, health)
_DESCRIPTION = """Similar figurative trademarks by picture, with Vienna codes and filters.

Whatever takes a form (`multipart/form-data`) takes the same fields as a JSON object, too
(`application/json`): lists as arrays, pictures as base64 or data URLs.

HEAD is answered wherever GET is. An answer with an `ETag` is 304 for who sends that as
`If-None-Match` and would get the same again. Who is told to come again (429, 503) waits as long as
`Retry-After` says.

Errors are RFC 9457 problem details (`application/problem+json`): `detail` is one plain sentence
that says what is wrong and what to do about it, and `errors` names the fields at fault.
"""


def create_app(marklens: MarkLens) -> FastAPI:
    """Make the server of an open register, which stays its caller's to close."""
    settings = marklens.settings
    keep_secrets_out()
    traces = None if settings.traces_url is None else exporting(settings.traces_url)
    tracer = None if traces is None else traces.get_tracer("marklens")

    app = FastAPI(
        title="MarkLens",
        version=marklens_version(),
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # Swagger UI and ReDoc load their scripts from other hosts
        redoc_url=None,
        lifespan=partial(_lifespan, marklens, traces),
        generate_unique_id_function=_operation_id,
    )
    app.state.metrics = Metrics(tracer)
    app.state.asking = CapacityLimiter(4)
    for one in _ROUTES:
        app.include_router(one.router)
    for one in (pages, plain):
        app.include_router(one.router, include_in_schema=False)
    pages.mount_static(app)
    openapi.complete(app)
    problem_details.install(app, not_found_page=pages.not_found_page)
    _add_middleware(app, settings, tracer)
    return app


@asynccontextmanager
async def _lifespan(
    marklens: MarkLens, traces: "TracerProvider | None", app: FastAPI
) -> AsyncIterator[None]:
    """Follow the register while it is served."""
    try:
        app.state.marklens = marklens
        app.state.metrics.watch(marklens)
        app.state.keys = keys = KeyRing(marklens.register.keys)
        await run_in_threadpool(marklens.start_following)
        with _background(marklens, keys):
            yield
    finally:
        if traces is not None:
            await run_in_threadpool(traces.shutdown)  # sends what it holds


@contextmanager
def _background(marklens: MarkLens, keys: KeyRing) -> Iterator[None]:
    """What a server does beside answering, while the block runs."""
    following = keys.following(marklens.settings.poll_s)
    purged = purging(marklens.queries.kept)
    with prioritise_searches(), watching(marklens), working(marklens), purged, following:
        yield


def _add_middleware(app: FastAPI, settings: Settings, tracer: "Tracer | None") -> None:
    """Put around every request what all of them need; the last one added sees it first."""
    app.add_middleware(middleware.BodyLimit, limit=settings.max_upload_bytes)
    rates = Rates(settings.rate_per_minute)
    app.add_middleware(Access, rates=rates, page=pages.refused_page)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(middleware.ServerEnd)
    app.add_middleware(middleware.HeadRequests)
    app.add_middleware(middleware.SecurityHeaders)
    app.add_middleware(middleware.RequestMetrics, metrics=app.state.metrics)
    if tracer is not None:
        app.add_middleware(RequestTraces, tracer=tracer)
    app.add_middleware(middleware.RequestIds)


def _operation_id(route: APIRoute) -> str:
    return route.name
