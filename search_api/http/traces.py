"""OpenTelemetry traces of requests where MARKLENS_TRACES_URL is set; needs the extra traces."""

from collections.abc import Mapping
from time import time_ns
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import MissingPackage
from models.version import marklens_version
from search_api.http.around import Around
from search_api.log_records import request_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

_EXPORT_S = 2  # all tries together: a server that ends waits for them


def exporting(url: str) -> "TracerProvider":
    """What sends spans to a collector by OTLP over HTTP, in a thread of its own.

    Raises:
        MissingPackage: the extra is not installed.
    """
    MissingPackage.check("opentelemetry", "traces", "MARKLENS_TRACES_URL")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    about = {"service.name": "marklens", "service.version": marklens_version()}
    provider = TracerProvider(resource=Resource.create(about))
    exporter = OTLPSpanExporter(endpoint=url, timeout=_EXPORT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


class RequestTraces(Around):
    """Makes a span of each request, below the one that its header ``traceparent`` names."""

    def __init__(self, app: ASGIApp, tracer: "Tracer") -> None:
        super().__init__(app)
        self._tracer = tracer

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        above = extract(dict(Headers(scope=scope)))
        method = scope["method"]
        with self._tracer.start_as_current_span(method, above, SpanKind.SERVER) as span:
            try:
                await self._app(scope, receive, watched)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                span.update_name(f"{method} {route}")
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                span.set_attribute("marklens.request_id", request_id.get())


def trace_stages(tracer: "Tracer", milliseconds: Mapping[str, float]) -> None:
    """Make spans of a search's stages, one after the other up to now, below the request's."""
    began = time_ns() - int(sum(milliseconds.values()) * 1e6)
    for stage, spent in milliseconds.items():
        ended = began + int(spent * 1e6)
        tracer.start_span(stage, start_time=began).end(ended)
        began = ended
