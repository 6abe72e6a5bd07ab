"""Who may decode and encode now, who waits for how long, and who is turned away.

There is a lane for each kind of work, so that drawings, which may take seconds, hold up no
photograph. In a lane the clients take turns, whatever number of requests each has waiting.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, Lock
from time import perf_counter

from PIL import Image

from indexer.register.audit import acting
from models.images import decode_image, decoders, media_type
from search_api.errors import TooBusy
from search_api.settings import Settings

DRAWING_S = 2  # of a processor, for an SVG or a page of a PDF that is waited for

_TOO_MANY = "Too many pictures wait to be looked at: try again in a few seconds."
_DRAWN = frozenset(("image/svg+xml", "application/gzip", "application/pdf"))

# When the whole of the request had come (`perf_counter`), until somebody waits for it.
arrived: ContextVar[float | None] = ContextVar("arrived", default=None)


class Patience:
    """How long a request has waited, and may wait in all lanes together.

    The first one that is made for a request counts from when it had come: it may have waited for a
    thread already.

    Attributes:
        waited: seconds so far.
    """

    def __init__(self, seconds: float) -> None:
        # What is no request over HTTP, such as a batch, waits as long as it takes.
        self._seconds = seconds if acting.get() else None
        came = arrived.get()
        self.waited = 0.0 if came is None else perf_counter() - came
        arrived.set(None)

    def wait(self, called: Event) -> None:
        """Wait until called, or until it is over."""
        left = None if self._seconds is None else max(self._seconds - self.waited, 0.0)
        began = perf_counter()
        try:
            called.wait(left)
        finally:
            self.waited += perf_counter() - began


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
        self._lock = Lock()
        # Of each client in turn, those who wait, the first first.
        self._queues: OrderedDict[str, deque[_Turn]] = OrderedDict()

    @property
    def running(self) -> int:
        """How many work now."""
        return self.most - self._free

    @property
    def waiting(self) -> int:
        """How many wait now."""
        with self._lock:
            return self._count()

    @contextmanager
    def turn(self, patience: Patience) -> Iterator[None]:
        """Wait for a turn, and have it while the block runs.

        Raises:
            TooBusy: too many wait already, or the turn does not come in time.
        """
        self._enter(patience)
        try:
            yield
        finally:
            with self._lock:
                self._pass_on()

    def _enter(self, patience: Patience) -> None:
        with self._lock:
            if self._free and not self._queues:
                self._free -= 1
                return
            actor = acting.get()
            mine = self._queue_up(actor.name if actor else "")
        try:
            patience.wait(mine.called)
        except BaseException:  # a signal: who waits no longer must not be called
            with self._lock:
                self._leave(mine)
                if mine.has_turn:
                    self._pass_on()
            raise
        with self._lock:
            self._leave(mine)
            self.turned_away += not mine.has_turn
        if not mine.has_turn:
            raise TooBusy(_TOO_MANY)

    def _queue_up(self, whose: str) -> "_Turn":
        """Wait behind one's own; a client with many waiting makes room for one with few.

        Raises:
            TooBusy: there is no room.
        """
        own = len(self._queues.get(whose, ()))
        if self._count() >= self._waiting:
            greedy = max(self._queues.values(), key=len, default=None)
            if greedy is None or len(greedy) <= own + 1:
                self.turned_away += 1
                raise TooBusy(_TOO_MANY)
            sent_away = greedy[-1]
            self._leave(sent_away)
            sent_away.called.set()
        turn = _Turn(whose)
        self._queues.setdefault(whose, deque()).append(turn)
        return turn

    def _leave(self, turn: "_Turn") -> None:
        queue = self._queues.get(turn.client)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[turn.client]

    def _pass_on(self) -> None:
        """Give a turn that has ended to the next client's first."""
        if not self._queues:
            self._free += 1
            return
        whose, queue = next(iter(self._queues.items()))
        turn = queue.popleft()
        self._queues.move_to_end(whose)
        if not queue:
            del self._queues[whose]
        turn.has_turn = True
        turn.called.set()

    def _count(self) -> int:
        return sum(map(len, self._queues.values()))


class _Turn:
    """Somebody who waits."""

    def __init__(self, whose: str) -> None:
        self.client = whose
        self.called = Event()
        self.has_turn = False


class Admission:
    """The lanes of one server; safe to share by threads.

    Attributes:
        lanes: by name: ``decode``, ``draw``, ``encode``, ``read`` (words) and ``report``.
    """

    def __init__(self, settings: Settings) -> None:
        self._wait_s, queue = settings.queue_s, settings.encode_queue
        drawing = max(1, decoders.size // 2)
        self.lanes: Mapping[str, Lane] = {
            "decode": Lane(max(1, decoders.size - drawing), queue // 2),
            "draw": Lane(drawing, queue // 4),
            "encode": Lane(settings.encode_workers, queue),
            "read": Lane(1, queue // 2),
            "report": Lane(settings.encode_workers, queue // 4),
        }

    @property
    def encoding(self) -> Lane:
        """Where the network is waited for."""
        return self.lanes["encode"]

    @property
    def reading(self) -> Lane:
        """Where the reader of words is waited for, which is slow to start."""
        return self.lanes["read"]

    def decoding(self, content: bytes) -> Lane:
        """Where a picture waits to be decoded."""
        return self.lanes["draw" if media_type(content) in _DRAWN else "decode"]

    def patience(self) -> Patience:
        """How long one request may wait."""
        return Patience(self._wait_s)

    def decode(
        self,
        content: bytes,
        name: str = "image",
        page: int = 1,
        patience: Patience | None = None,
    ) -> Image.Image:
        """Decode a picture that somebody waits for, when it is its turn.

        Raises:
            UnreadableImage: as `decode_image` raises; a drawing also if it takes longer than 2 s.
            TooBusy: too many pictures wait already.
        """
        with self.decoding(content).turn(patience or self.patience()):
            return decode_image(content, name, page, DRAWING_S)
