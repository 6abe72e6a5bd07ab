"""Lanes, in which requests take turns: who may work now, who waits for how long, who is sent away.

In a lane the clients take turns, whatever number of requests each has waiting.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from threading import Condition
from time import perf_counter

from indexer.register.audit import acting
from search_api.errors import TooBusy

TOO_MANY = "Too many pictures wait to be looked at: try again in a few seconds."

# When the whole of the request had come (`perf_counter`), until somebody waits for it.
arrived: ContextVar[float | None] = ContextVar("arrived", default=None)


class Patience:
    """How long a request has waited, and may wait in all lanes together.

    The first one that is made for a request counts from when it had come: it may have waited for a
    thread already. From then on all counts but what is done in a turn, so that a picture which is
    slow to draw is not turned away for it.

    Attributes:
        waited: seconds so far.
        worked: seconds spent in turns so far.
        alone: whether it waits for turns of its own, which no other request is served in.
    """

    def __init__(self, seconds: float, *, alone: bool = False) -> None:
        self.alone = alone
        # What is no request over HTTP, such as a batch, waits as long as it takes.
        self._seconds = seconds if acting.get() else None
        now = perf_counter()
        self._came = arrived.get() or now
        self.waited = now - self._came
        self.worked = 0.0
        arrived.set(None)

    def wait(self, changed: Condition, until: Callable[[], bool], needed: float = 0.0) -> None:
        """Wait until something holds, or while more seconds are left than needed.

        A quarter of the time may be waited whatever is needed from the turn to the answer.
        """
        began, left = perf_counter(), self.left(needed)
        try:
            changed.wait_for(until, None if left == inf else left)
        finally:
            self.waited += perf_counter() - began

    def left(self, needed: float = 0.0) -> float:
        """Seconds that may still be waited; see `wait`."""
        if self._seconds is None:
            return inf
        spent = perf_counter() - self._came - self.worked
        return max(self._seconds - min(needed, self._seconds * 0.75) - spent, 0.0)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count the time in the block as spent in a turn."""
        began = perf_counter()
        try:
            yield
        finally:
            self.worked += perf_counter() - began


class Caller:
    """Somebody who wants a turn.

    Attributes:
        client: whose request it is, one name for all that are not of a request.
        is_queued: they wait, or are about to begin.
        is_sent_away: they waited in vain.
    """

    def __init__(self) -> None:
        actor = acting.get()
        self.client = actor.name if actor else ""
        self.is_queued = self.is_sent_away = False


class Lane:
    """Lets `running` callers work at once and `waiting` more wait.

    Without it a burst of queries would hold one decoded picture each in memory and fill the
    thread pool, so that not even other requests were answered.

    Attributes:
        most: how many may work at once.
        turned_away: how many waited in vain, or could not even wait.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self.most = self._free = running
        self._waiting = waiting
        self.turned_away = 0
        self._changed = Condition()  # held by whoever looks at what follows, or changes it
        # Of each client in turn, those who wait, the first first.
        self._queues: OrderedDict[str, deque[Caller]] = OrderedDict()

    @property
    def running(self) -> int:
        """How many work now."""
        return self.most - self._free

    @property
    def waiting(self) -> int:
        """How many wait now."""
        with self._changed:
            return self._count()

    @contextmanager
    def turn(self, patience: Patience) -> Iterator[None]:
        """Wait for a turn, and have it while the block runs.

        Raises:
            TooBusy: too many wait already, or the turn does not come in time.
        """
        mine = Caller()
        with self._changed:
            self._wait(mine, patience)
            self._begin(mine)
        with self._ending(), patience.working():
            yield

    @property
    def _needed(self) -> float:
        """Seconds from a turn to the answer, which is to come in time."""
        return 0.0

    def _wait(self, mine: Caller, patience: Patience) -> None:
        """Wait until it is one's turn, or until somebody takes one from the queue.

        Raises:
            TooBusy: as `turn` raises.
        """
        self._queue_up(mine)
        try:
            patience.wait(
                self._changed, lambda: not mine.is_queued or self._may_begin(mine), self._needed
            )
        except BaseException:  # a signal
            self._leave(mine)
            raise
        if mine.is_queued and not self._may_begin(mine):
            self._send_away(mine)
        if mine.is_sent_away:
            raise TooBusy(TOO_MANY)

    def _may_begin(self, caller: Caller) -> bool:
        return self._free > 0 and self._first() is caller

    def _begin(self, caller: Caller) -> None:
        self._free -= 1
        self._take(caller)

    def _take(self, caller: Caller) -> None:
        """Take the first from the queue, whose client is then the last."""
        self._leave(caller)
        if caller.client in self._queues:
            self._queues.move_to_end(caller.client)

    @contextmanager
    def _ending(self) -> Iterator[None]:
        """End a turn when the block ends."""
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _queue_up(self, caller: Caller) -> None:
        """Stand behind one's own; a client with many waiting makes room for one with few."""
        if self._is_full():
            greedy = self._greedy(caller.client)
            if greedy is None:
                self.turned_away += 1
                raise TooBusy(TOO_MANY)
            self._send_away(greedy[-1])
        self._queues.setdefault(caller.client, deque()).append(caller)
        caller.is_queued = True
        self._changed.notify_all()

    def _send_away(self, caller: Caller) -> None:
        self._leave(caller)
        caller.is_sent_away = True
        self.turned_away += 1

    def _leave(self, caller: Caller) -> None:
        if caller.is_queued:
            caller.is_queued = False
            queue = self._queues[caller.client]
            queue.remove(caller)
            if not queue:
                del self._queues[caller.client]
            self._changed.notify_all()

    def _greedy(self, client: str) -> deque[Caller] | None:
        """Those who wait of a client that has to make room for another; None where none has."""
        most = max(self._queues.values(), key=len, default=None)
        own = len(self._queues.get(client, ()))
        return most if most is not None and len(most) > own + 1 else None

    def _first(self) -> Caller | None:
        return next(iter(self._queues.values()))[0] if self._queues else None

    def _is_full(self) -> bool:
        """Whether no more may wait; the first in the queue do not, as far as turns are free."""
        return self._count() - self._free >= self._waiting

    def _count(self) -> int:
        return sum(map(len, self._queues.values()))
