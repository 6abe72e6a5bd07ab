"""Traces as a collector gets them over HTTP."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from PIL import Image

from models.errors import MissingPackage
from search_api.http.traces import exporting
from search_api.marklens import MarkLens
from search_api.settings import Settings

TRACE, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


Requests = list[ExportTraceServiceRequest]


@pytest.fixture
def collector() -> Iterator[tuple[str, Requests]]:
    """The address of a collector, and what it has got."""
    received: Requests = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
        server.shutdown()
        thread.join()


def test_a_search_is_a_span_with_its_stages_below_the_callers(
    tiny_settings: Callable[..., Settings],
    serving: Callable[[MarkLens], AbstractContextManager[str]],
    collector: tuple[str, Requests],
    draw_mark: Callable[..., Image.Image],
    as_png: Callable[[Image.Image], bytes],
    tmp_path: Path,
) -> None:
    url, received = collector
    settings = tiny_settings(tmp_path, traces_url=url)
    with MarkLens.open(settings) as marklens, serving(marklens) as address:
        answer = httpx.post(
            f"{address}/api/v1/search",
            files={"image": as_png(draw_mark(1))},
            headers={"traceparent": f"00-{TRACE}-{ABOVE}-01"},
            timeout=60,
        )
        assert answer.status_code == 200
    resources = [resource for one in received for resource in one.resource_spans]
    spans = [span for one in resources for scope in one.scope_spans for span in scope.spans]
    (request,) = [span for span in spans if span.name == "POST /api/v1/search"]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, ABOVE)
    told = {one.key: one.value for one in request.attributes}
    assert told["http.response.status_code"].int_value == 200
    assert told["marklens.request_id"].string_value == answer.headers["x-request-id"]
    stages = {span.name for span in spans if span.parent_span_id == request.span_id}
    assert {"decode", "wait", "encode", "search"} <= stages


def test_a_collector_that_is_away_is_not_tried_for_long() -> None:
    """A server that ends waits for that."""
    tries: list[str] = []

    class Away(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            tries.append(self.path)
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Away) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        traces = exporting(f"http://127.0.0.1:{server.server_port}/v1/traces")
        traces.get_tracer("test").start_span("one").end()
        traces.shutdown()
        server.shutdown()
        thread.join()
    assert 1 <= len(tries) <= 2  # of which the waits double


def test_without_the_extra_traces_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.errors.find_spec", lambda _: None)
    with pytest.raises(MissingPackage, match="extra 'traces'"):
        exporting("http://localhost:4318/v1/traces")
