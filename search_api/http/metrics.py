"""Metrics of a server for Prometheus; each application has a registry of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from indexer.query import PlanReport
from models.images import decoders
from search_api.http.traces import trace_stages
from search_api.marklens import MarkLens

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHORT = (0.0001, 0.0005, 0.001, *_SECONDS)


class Metrics:
    """Counters and times of one server."""

    def __init__(self, tracer: "Tracer | None" = None) -> None:
        """Begin at nothing; stages of searches become spans, too, where there is a tracer."""
        self._tracer = tracer
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "marklens_requests",
            "Answered HTTP requests.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "marklens_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "marklens_requests_in_flight", "Requests being answered.", registry=self._registry
        )
        self._stage_seconds = Histogram(
            "marklens_search_stage_seconds",
            "Time a search spent in each stage; `wait` is for a turn to decode and encode.",
            ["stage"],
            buckets=_SHORT,
            registry=self._registry,
        )
        self._plans = Counter(
            "marklens_searches", "Searches by how they ran.", ["plan"], registry=self._registry
        )
        self._sql_seconds = Histogram(
            "marklens_sql_seconds",
            "Time of each statement that the database ran.",
            buckets=_SHORT,
            registry=self._registry,
        )
        self._sql_errors = Counter(
            "marklens_sql_errors", "Statements that failed.", registry=self._registry
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def search(self, plan: PlanReport) -> None:
        """Note how a search ran, and where its time went."""
        self._plans.labels(plan.kind).inc()
        for stage, spent in plan.milliseconds.items():
            self._stage_seconds.labels(stage).observe(spent / 1000)
        if self._tracer is not None:
            trace_stages(self._tracer, plan.milliseconds)

    def watch(self, marklens: MarkLens) -> None:
        """Report on an open register, too, from now on."""
        self._registry.register(_State(marklens))
        marklens.register.observe_statements(self._statement)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def _statement(self, seconds: float | None) -> None:
        if seconds is None:
            self._sql_errors.inc()
        else:
            self._sql_seconds.observe(seconds)


class _State(Collector):
    """What is read when Prometheus asks; the database is not: it may be what does not answer."""

    def __init__(self, marklens: MarkLens) -> None:
        self._marklens = marklens

    def collect(self) -> Iterator[Metric]:
        """Read it."""
        yield from self._index()
        yield from self._lanes()
        yield GaugeMetricFamily(
            "marklens_decoders", "Processes that decode pictures.", value=decoders.count
        )
        asked = CounterMetricFamily(
            "marklens_thumbnails",
            "Thumbnails asked for, by whether they were there.",
            labels=["result"],
        )
        found = self._marklens.images.thumbnails
        asked.add_metric(["hit"], found.hits)
        asked.add_metric(["miss"], found.misses)
        yield asked

    def _index(self) -> Iterator[Metric]:
        ready = self._marklens.ready
        yield GaugeMetricFamily("marklens_ready", "1 once searches are answered.", value=ready)
        if not ready:
            return
        state = self._marklens.follower.status
        lag = max(0, state.committed - state.sequence)
        for name, text, value in (
            ("marklens_marks", "Live marks in the index.", state.live),
            ("marklens_sequence", "Number of the register's last change.", state.committed),
            ("marklens_sequence_lag", "Changes that this server's index has not seen yet.", lag),
            ("marklens_index_failing", "1 while the index cannot follow.", bool(state.error)),
        ):
            yield GaugeMetricFamily(name, text, value=value)

    def _lanes(self) -> Iterator[Metric]:
        running = GaugeMetricFamily(
            "marklens_lane_running", "Turns that are taken.", labels=["lane"]
        )
        waiting = GaugeMetricFamily(
            "marklens_lane_waiting", "Requests in the queue.", labels=["lane"]
        )
        sent = CounterMetricFamily(
            "marklens_lane_turned_away", "Requests sent away.", labels=["lane"]
        )
        for name, lane in self._marklens.queries.admission.lanes.items():
            running.add_metric([name], lane.running)
            waiting.add_metric([name], lane.waiting)
            sent.add_metric([name], lane.turned_away)
        yield from (running, waiting, sent)
