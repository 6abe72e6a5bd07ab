"""Limits of requests a minute, for each client."""

from collections import OrderedDict
from time import monotonic

_MOST_CLIENTS = 10_000


class Rates:
    """Token buckets: a client may save up the requests of a minute; for the event loop alone."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, when

    def wait_s(self, client: str) -> float:
        """Take a request from a client's bucket: 0, or the seconds until there is one."""
        if not self._per_minute:
            return 0.0
        now, full = monotonic(), float(self._per_minute)
        tokens, since = self._buckets.pop(client, (full, now))
        tokens = min(full, tokens + (now - since) * full / 60)
        is_allowed = tokens >= 1
        self._buckets[client] = (tokens - is_allowed, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)  # who has not asked for longest
        return 0.0 if is_allowed else (1 - tokens) * 60 / full
