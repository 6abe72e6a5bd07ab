"""The lane in which pictures wait for the network, which encodes some of them together."""

import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from time import perf_counter

from models.encoder import Encoded, Encoder, Prepared
from search_api.errors import TooBusy
from search_api.lanes import TOO_MANY, Caller, Lane, Patience

logger = logging.getLogger(__name__)
TOGETHER = 4  # pictures: a quarter less of a processor for each; twice as many save little more
_WITH_RANKING = 1.3  # as long as its encoding takes a search from its turn to its answer


class EncodingLane(Lane):
    """Lets callers encode; what waits when a turn begins is encoded in it together.

    A picture that finds a turn free is encoded at once. Nobody waits so long that the answer would
    come too late, as long as encoding took before. All callers have one encoder.
    """

    def __init__(self, running: int, waiting: int) -> None:
        super().__init__(running, waiting)
        # Seconds, of the last calls of the network.
        self._took: deque[float] = deque([0.0], maxlen=16)

    @property
    def _needed(self) -> float:
        return _WITH_RANKING * max(self._took)

    def require_room(self, patience: Patience) -> None:
        """Turn away at once, before its picture is decoded, who would wait for a turn in vain.

        Raises:
            TooBusy: there is no room, or those who wait take all the time that there is.
        """
        mine = Caller()
        with self._changed:
            took = sum(self._took) / len(self._took)
            is_full = self._is_full() and self._greedy(mine.client) is None
            # Clients take turns: of each other's pictures no more come before than of one's own.
            own = len(self._queues.get(mine.client, ()))
            before = sum(min(len(queue), own + 1) for queue in self._queues.values())
            # One of the turns ends after half of its share of the time, then one after the other.
            expected = (before // TOGETHER + 0.5) * took / self.most
            has_to_wait = self._count() > self._free
            if has_to_wait and (is_full or patience.left(self._needed) < expected):
                self.turned_away += 1
                raise TooBusy(TOO_MANY)

    def encode(self, encoder: Encoder, picture: Prepared, patience: Patience) -> Encoded:
        """Encode one picture, in a turn of its own or in another's.

        Beside others the last digits of an embedding may be others, so who is to get the same
        again is encoded alone.

        Raises:
            TooBusy: as `turn` raises.
        """
        if patience.alone:
            return self._encode_alone(encoder, picture, patience)
        mine = _Picture(picture)
        with self._changed:
            self._wait(mine, patience)
            is_first = mine.is_queued
            if is_first:
                self._begin(mine)
                others = self._take_along()
        if is_first:
            with self._ending(), patience.working():
                before = perf_counter()
                encoded = _encode_together(encoder, picture, others)
                self._took.append(perf_counter() - before)
            return encoded
        with patience.working():
            shared = mine.encoded.result()
        return self._encode_alone(encoder, picture, patience) if shared is None else shared

    def _encode_alone(self, encoder: Encoder, picture: Prepared, patience: Patience) -> Encoded:
        with self.turn(patience):
            return encoder.encode_prepared([picture])

    def _take_along(self) -> "list[_Picture]":
        """The pictures next in the queue, which are encoded in the turn that begins."""
        taken: list[_Picture] = []
        while len(taken) + 1 < TOGETHER and isinstance(one := self._first(), _Picture):
            self._take(one)
            taken.append(one)
        return taken


class _Picture(Caller):
    """Somebody who wants a picture encoded.

    Attributes:
        picture: the picture.
        encoded: where it is encoded in another's turn: what came of it, None if that failed.
    """

    def __init__(self, picture: Prepared) -> None:
        super().__init__()
        self.picture = picture
        self.encoded: Future[Encoded | None] = Future()


def _encode_together(encoder: Encoder, picture: Prepared, others: Sequence[_Picture]) -> Encoded:
    """Encode a picture with others; alone where there are none, or that fails."""
    try:
        if others:
            found = encoder.encode_prepared([picture, *(one.picture for one in others)])
            for at, one in enumerate(others, 1):
                one.encoded.set_result(found.one(at))
            return found.one(0)
    except Exception:
        logger.exception("pictures cannot be encoded together: each is encoded alone")
    finally:
        for one in others:
            if not one.encoded.done():
                one.encoded.set_result(None)
    return encoder.encode_prepared([picture])
