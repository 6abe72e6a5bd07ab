"""Metrics of a server for Prometheus; each application has a registry of its own."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters and times of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
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
        self._stage_seconds = Histogram(
            "marklens_search_stage_seconds",
            "Time a search spent in each stage.",
            ["stage"],
            buckets=(0.0001, 0.0005, 0.001, *_SECONDS),
            registry=self._registry,
        )
        self._marks = Gauge(
            "marklens_marks", "Live marks in the register.", registry=self._registry
        )
        self._sequence = Gauge(
            "marklens_sequence", "Number of the register's last change.", registry=self._registry
        )
        self._lag = Gauge(
            "marklens_sequence_lag",
            "Changes of the register that this server's index has not seen yet.",
            registry=self._registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def search(self, milliseconds: Mapping[str, float]) -> None:
        """Note where the time of a search went."""
        for stage, spent in milliseconds.items():
            self._stage_seconds.labels(stage).observe(spent / 1000)

    def register(self, marks: int, sequence: int, indexed: int) -> None:
        """Note the register's state and the change up to which the index goes."""
        self._marks.set(marks)
        self._sequence.set(sequence)
        self._lag.set(max(0, sequence - indexed))

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
