"""Who may decode and encode now, who waits for how long, and who is turned away.

There is a lane for each kind of work, so that drawings, which may take seconds, hold up no
photograph. In a lane the clients take turns, whatever number of requests each has waiting. Pictures
that wait for the network are encoded together.
"""

import logging
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from threading import Event, Lock
from time import perf_counter

from PIL import Image

from indexer.register.audit import acting
from models.encoder import Encoded, Encoder, Prepared
from models.images import decode_image, decoders, media_type
from search_api.errors import TooBusy
from search_api.settings import Settings

logger = logging.getLogger(__name__)
DRAWING_S = 2  # of a processor, for an SVG or a page of a PDF that is waited for

TOGETHER = 4  # pictures: a quarter less of a processor for each; twice as many save little more
_GATHERED = 0.25  # of the time that encoding takes may be waited for others, while it is busy
_WITH_RANKING = 1.3  # as long as its encoding takes a search from its turn to its answer
_TOO_MANY = "Too many pictures wait to be looked at: try again in a few seconds."
_DRAWN = frozenset(("image/svg+xml", "application/gzip", "application/pdf"))

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
    """

    def __init__(self, seconds: float) -> None:
        # What is no request over HTTP, such as a batch, waits as long as it takes.
        self._seconds = seconds if acting.get() else None
        now = perf_counter()
        self._came = arrived.get() or now
        self.waited = now - self._came
        self.worked = 0.0
        arrived.set(None)

    def wait(self, called: Event, needed: float = 0.0, most: float = inf) -> None:
        """Wait until called, at most so many seconds, or until no more are left than are needed.

        A quarter of the time may be waited whatever is needed from the turn to the answer.
        """
        began, left = perf_counter(), min(self.left(needed), most)
        try:
            called.wait(None if left == inf else left)
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
        with self._passing_on(), patience.working():
            yield

    @contextmanager
    def _passing_on(self) -> Iterator[None]:
        """Pass on a turn that one has, once the block ends."""
        try:
            yield
        finally:
            with self._lock:
                self._pass_on()

    @property
    def _is_open(self) -> bool:
        """Whether who comes now has a turn at once."""
        return self._free > 0 and not self._queues

    @property
    def _needed(self) -> float:
        """Seconds from a turn to the answer, which is to come in time."""
        return 0.0

    def _enter(self, patience: Patience, picture: Prepared | None = None) -> "_Turn":
        """Wait for a turn, as `turn` does, or until another's turn is also for this picture."""
        mine = _Turn(_client(), picture)
        with self._lock:
            if self._is_open:
                self._free -= 1
                return mine
            self._queue_up(mine)
            needed = self._needed
        try:
            patience.wait(mine.called, needed)
        except BaseException:  # a signal: who waits no longer must not be called
            with self._lock:
                self._leave(mine)
                if mine.is_called and not mine.is_shared:
                    self._pass_on()
            raise
        with self._lock:
            self._leave(mine)
            self.turned_away += not mine.is_called
        if not mine.is_called:
            raise TooBusy(_TOO_MANY)
        return mine

    def _queue_up(self, turn: "_Turn") -> None:
        """Wait behind one's own; a client with many waiting makes room for one with few."""
        if self._count() >= self._waiting:
            greedy = self._greedy(turn.client)
            if greedy is None:
                self.turned_away += 1
                raise TooBusy(_TOO_MANY)
            sent_away = greedy[-1]
            self._leave(sent_away)
            sent_away.called.set()
        self._queues.setdefault(turn.client, deque()).append(turn)

    def _greedy(self, client: str) -> "deque[_Turn] | None":
        """The turns of a client that has to make room for another; None where none has."""
        most = max(self._queues.values(), key=len, default=None)
        own = len(self._queues.get(client, ()))
        return most if most is not None and len(most) > own + 1 else None

    def _leave(self, turn: "_Turn") -> None:
        queue = self._queues.get(turn.client)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[turn.client]

    def _pass_on(self) -> None:
        """Give a turn that has ended to the next client's first."""
        if self._queues:
            self._call_next()
        else:
            self._free += 1

    def _call_next(self, is_shared: bool = False) -> "_Turn":
        """Call the first who waits of the next client, who is then the last."""
        whose, queue = next(iter(self._queues.items()))
        turn = queue.popleft()
        self._queues.move_to_end(whose)
        if not queue:
            del self._queues[whose]
        turn.is_called, turn.is_shared = True, is_shared
        turn.called.set()
        return turn

    def _count(self) -> int:
        return sum(map(len, self._queues.values()))


class EncodingLane(Lane):
    """Lets callers encode; what waits when a turn comes is encoded in it together.

    A picture that comes when nothing is encoded is encoded at once, alone. One that finds a place
    beside others that are being encoded waits a little for more: until as many wait as are encoded
    together, another place is free, or a quarter of an encoding's time has passed. Meanwhile the
    processors are busy with those others. Nobody waits so long that the answer would come too late,
    as long as encoding took before. All callers have one encoder.
    """

    def __init__(self, running: int, waiting: int) -> None:
        super().__init__(running, waiting)
        # Seconds, of the last calls of the network; what else is done in a turn is rare.
        self._took: deque[float] = deque([0.0], maxlen=16)
        self._gathering: Event | None = None  # of who waits for others; set when enough are there
        self._enough = min(TOGETHER, waiting + 1)  # pictures

    @property
    def _is_open(self) -> bool:
        return super()._is_open and self._gathering is None

    @property
    def _needed(self) -> float:
        return _WITH_RANKING * max(self._took)

    def require_room(self, patience: Patience) -> None:
        """Turn away at once, before its picture is decoded, who would wait for a turn in vain.

        Raises:
            TooBusy: there is no room, or those who wait take all the time that there is.
        """
        client = _client()
        with self._lock:
            waiting, took = self._count(), sum(self._took) / len(self._took)
            is_full = waiting >= self._waiting and self._greedy(client) is None
            # Clients take turns: of each other's pictures no more come before than of one's own.
            own = len(self._queues.get(client, ()))
            before = sum(min(len(queue), own + 1) for queue in self._queues.values())
            # One of the turns ends after half of its share of the time, then one after the other.
            expected = (before // TOGETHER + 0.5) * took / self.most
            if waiting and (is_full or patience.left(self._needed) < expected):
                self.turned_away += 1
                raise TooBusy(_TOO_MANY)

    def encode(self, encoder: Encoder, picture: Prepared, patience: Patience) -> Encoded:
        """Encode one picture, in a turn of its own or in another's.

        Raises:
            TooBusy: as `turn` raises.
        """
        mine = self._enter(patience, picture)
        if not mine.is_shared:
            with self._passing_on():
                self._gather(patience)
                with patience.working():
                    before = perf_counter()
                    self._encode_together(encoder, mine)
                    encoded = mine.encoded or encoder.encode_prepared([picture])
                    self._took.append(perf_counter() - before)
            return encoded
        with patience.working():
            mine.ended.wait()
        if mine.encoded is not None:
            return mine.encoded
        with self.turn(patience):
            return encoder.encode_prepared([picture])

    def _gather(self, patience: Patience) -> None:
        """Wait for others, in a turn that one has, while some are being encoded."""
        with self._lock:
            if self._gathering or self.running == 1 or self._count() + 1 >= self._enough:
                return  # nobody encodes, or enough are there
            self._gathering = Event()
        try:
            patience.wait(self._gathering, self._needed, _GATHERED * max(self._took))
        finally:
            with self._lock:
                self._gathering = None

    def _queue_up(self, turn: "_Turn") -> None:
        super()._queue_up(turn)
        if self._gathering is not None and self._count() + 1 >= self._enough:
            self._gathering.set()

    def _pass_on(self) -> None:
        if self._gathering is None:
            super()._pass_on()
        else:  # those who wait are gathered
            self._free += 1
            self._gathering.set()

    def _encode_together(self, encoder: Encoder, mine: "_Turn") -> None:
        """Encode a picture with those that wait; if that fails, or none waits, none is encoded."""
        turns = [mine]
        try:
            with self._lock:
                while self._queues and len(turns) < TOGETHER:
                    if next(iter(self._queues.values()))[0].picture is None:
                        break
                    turns.append(self._call_next(is_shared=True))
                while self._free and self._queues:  # turns that ended meanwhile
                    self._free -= 1
                    self._call_next()
            if len(turns) > 1:
                found = encoder.encode_prepared([one.picture for one in turns if one.picture])
                for at, one in enumerate(turns):
                    one.encoded = found.one(at)
        except Exception:
            logger.exception("pictures cannot be encoded together: each is encoded alone")
        finally:
            for one in turns:
                one.ended.set()


def _client() -> str:
    """Whose request it is, one name for all that are not of a request."""
    actor = acting.get()
    return actor.name if actor else ""


class _Turn:
    """Somebody who waits.

    Attributes:
        picture: to be encoded with others; None where something else is done in the turn.
        called: set when the turn has come (`is_called`), or somebody is sent away.
        is_shared: it is part of another's, who encodes the picture.
        ended: set when that other has, or has failed to.
        encoded: what came of it.
    """

    def __init__(self, client: str, picture: Prepared | None) -> None:
        self.client = client
        self.picture = picture
        self.called, self.ended = Event(), Event()
        self.is_called = self.is_shared = False
        self.encoded: Encoded | None = None


class Admission:
    """The lanes of one server; safe to share by threads.

    Attributes:
        encoding: where the network is waited for.
        lanes: by name: ``decode``, ``draw``, ``encode``, ``read`` (words) and ``report``.
    """

    def __init__(self, settings: Settings) -> None:
        self._wait_s, queue = settings.queue_s, settings.encode_queue
        drawing = max(1, decoders.size // 2)
        self.encoding = EncodingLane(settings.encode_workers, queue)
        self.lanes: Mapping[str, Lane] = {
            "decode": Lane(max(1, decoders.size - drawing), queue // 2),
            "draw": Lane(drawing, queue // 4),
            "encode": self.encoding,
            "read": Lane(1, queue // 2),
            "report": Lane(settings.encode_workers, queue // 4),
        }

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
        self, content: bytes, name: str = "image", page: int = 1, patience: Patience | None = None
    ) -> Image.Image:
        """Decode a picture that somebody waits for, when it is its turn.

        Raises:
            UnreadableImage: as `decode_image` raises; a drawing also if it takes longer than 2 s.
            TooBusy: too many pictures wait already.
        """
        with self.decoding(content).turn(patience or self.patience()):
            return decode_image(content, name, page, DRAWING_S)
