"""Pictures that wait for the network are encoded together, and each as it would be alone."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexer.register.audit import Actor, acting
from marklens import MarkLens, ReportRequest, SearchRequest, make_report, report_bytes
from models.encoder import Encoded, Encoder, Prepared
from search_api.encoding_lane import EncodingLane
from search_api.errors import TooBusy
from search_api.lanes import Patience

Draw = Callable[..., Image.Image]


class Watched(Encoder):
    """The tiny network, which notes what it encodes at once, and fails at some pictures."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder.checkpoint, encoder.runtime)
        self.calls: list[list[Prepared]] = []
        self.delay_s = 0.0
        self.broken: Prepared | None = None

    @property
    def sizes(self) -> list[int]:
        return [len(one) for one in self.calls]

    def encode_prepared(self, pictures: Sequence[Prepared]) -> Encoded:
        self.calls.append(list(pictures))
        time.sleep(self.delay_s)
        if any(one is self.broken for one in pictures):
            raise MemoryError("of this picture")
        return super().encode_prepared(pictures)


class Noticed(Patience):
    """Patience that tells when its client waits."""

    def __init__(self, seconds: float, waits: threading.Event) -> None:
        super().__init__(seconds)
        self._waits = waits

    def wait(self, *of_what: Any, **how: Any) -> None:
        self._waits.set()
        super().wait(*of_what, **how)


class Clients:
    """Who ask for pictures to be encoded while a turn of the lane is taken."""

    def __init__(self, encoder: Encoder, waiting: int = 16, running: int = 1) -> None:
        self.encoder = Watched(encoder)
        self.lane = EncodingLane(running, waiting)
        self.found: dict[int, Encoded] = {}
        self.failed: dict[int, Exception] = {}
        self._threads: list[threading.Thread] = []

    def ask(self, name: str, at: int, picture: Prepared, seconds: float = 30) -> None:
        """Ask in a thread of its own, and return once it waits."""
        waits = threading.Event()

        def work() -> None:
            acting.set(Actor(name))
            try:
                self.found[at] = self.lane.encode(self.encoder, picture, Noticed(seconds, waits))
            except (MemoryError, TooBusy) as error:
                self.failed[at] = error

        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()
        assert waits.wait(60)

    def join(self, at: int | None = None) -> None:
        for thread in self._threads if at is None else [self._threads[at]]:
            thread.join(30)


@pytest.fixture
def clients(encoder: Encoder) -> Clients:
    return Clients(encoder)


@pytest.fixture
def asked() -> Iterator[None]:
    """Somebody asks in this thread, until the test has ended."""
    token = acting.set(Actor("somebody"))
    yield
    acting.reset(token)


@pytest.fixture
def pictures(encoder: Encoder, draw_mark: Draw) -> list[Prepared]:
    return [encoder.prepare(draw_mark(seed)) for seed in range(6)]


def test_what_waits_is_encoded_in_one_call_and_each_gets_its_own(
    clients: Clients, encoder: Encoder, pictures: list[Prepared]
) -> None:
    with clients.lane.turn(Patience(1)):
        for at, picture in enumerate(pictures):
            clients.ask(f"client {at}", at, picture)
    clients.join()
    assert clients.encoder.sizes == [4, 2]
    assert (clients.lane.running, clients.lane.waiting) == (0, 0)
    for at, picture in enumerate(pictures):
        alone = encoder.encode_prepared([picture])
        np.testing.assert_allclose(
            clients.found[at].probabilities, alone.probabilities, rtol=0, atol=1e-5
        )
        np.testing.assert_allclose(clients.found[at].wholes, alone.wholes, rtol=0, atol=1e-3)


def test_two_turns_share_what_waits(encoder: Encoder, pictures: list[Prepared]) -> None:
    clients = Clients(encoder, running=2)
    clients.encoder.delay_s = 0.5
    with clients.lane.turn(Patience(1)), clients.lane.turn(Patience(1)):
        for at, picture in enumerate(pictures):
            clients.ask(f"client {at}", at, picture)
    clients.join()
    assert sorted(clients.encoder.sizes) == [2, 4]
    assert (clients.lane.running, clients.lane.waiting) == (0, 0)


def test_a_picture_that_comes_when_nobody_is_encoding_is_encoded_at_once(
    clients: Clients, pictures: list[Prepared]
) -> None:
    for picture in pictures[:2]:
        clients.lane.encode(clients.encoder, picture, Patience(0))
    assert clients.encoder.sizes == [1, 1]


@pytest.mark.usefixtures("asked")
def test_who_would_wait_in_vain_is_told_before_a_picture_is_decoded(
    encoder: Encoder, pictures: list[Prepared]
) -> None:
    clients = Clients(encoder, waiting=4)
    clients.lane.encode(clients.encoder, pictures[0], Patience(1))
    with clients.lane.turn(Patience(1)):
        clients.lane.require_room(Patience(0))  # nobody waits before it
        for at in range(4):
            clients.ask("greedy", at, pictures[at])
        with pytest.raises(TooBusy):
            clients.lane.require_room(Patience(0))  # four are encoded first
        clients.lane.require_room(Patience(30))  # the greedy one makes room
        acting.set(Actor("greedy"))
        with pytest.raises(TooBusy):
            clients.lane.require_room(Patience(30))
    clients.join()
    assert clients.lane.turned_away == 2
    assert sorted(clients.found) == [0, 1, 2, 3]


@pytest.mark.usefixtures("asked")
def test_who_comes_beside_a_client_with_many_pictures_is_not_told_so(
    clients: Clients, pictures: list[Prepared]
) -> None:
    clients.encoder.delay_s = 0.5
    began = time.monotonic()
    clients.lane.encode(clients.encoder, pictures[0], Patience(1))
    took = time.monotonic() - began
    clients.encoder.delay_s = 0
    with clients.lane.turn(Patience(1)):
        for at in range(8):
            clients.ask("greedy", at, pictures[0])
        clients.lane.require_room(Patience(2 * took))  # of those eight, one comes before
    clients.join()
    assert clients.lane.turned_away == 0


def test_a_picture_that_fails_fails_alone(clients: Clients, pictures: list[Prepared]) -> None:
    clients.encoder.broken = pictures[1]
    with clients.lane.turn(Patience(1)):
        for at in range(3):
            clients.ask(f"client {at}", at, pictures[at])
    clients.join()
    assert clients.encoder.sizes[0] == 3
    assert sorted(clients.found) == [0, 2]
    assert str(clients.failed[1]) == "of this picture"
    assert (clients.lane.running, clients.lane.waiting) == (0, 0)


def test_a_client_with_many_pictures_leaves_room_beside_them(
    clients: Clients, pictures: list[Prepared]
) -> None:
    with clients.lane.turn(Patience(1)):
        for at in range(5):
            clients.ask("greedy", at, pictures[at])
        clients.ask("modest", 5, pictures[5])
    clients.join()
    assert clients.encoder.sizes == [4, 2]
    assert any(one is pictures[5] for one in clients.encoder.calls[0])


@pytest.mark.usefixtures("asked")
def test_who_could_not_be_answered_in_time_is_told_before(
    clients: Clients, pictures: list[Prepared]
) -> None:
    lane = clients.lane
    clients.encoder.delay_s = 1.5  # so long takes the network here
    lane.encode(clients.encoder, pictures[0], Patience(1))
    with lane.turn(Patience(1)):
        began = time.monotonic()
        with pytest.raises(TooBusy), lane.turn(Patience(4)):
            pytest.fail("a second caller got in")
        assert time.monotonic() - began < 3


def test_what_else_is_done_in_a_turn_sends_nobody_away(
    clients: Clients, pictures: list[Prepared]
) -> None:
    with clients.lane.turn(Patience(1)):
        time.sleep(2)  # an explanation
    with clients.lane.turn(Patience(1)):
        clients.ask("somebody", 0, pictures[0], seconds=4)
        time.sleep(1.5)  # 1 s would be left if 1.3 times as long were put by
    clients.join()
    assert sorted(clients.found) == [0]


@pytest.mark.usefixtures("asked")
def test_what_is_done_in_a_turn_is_no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("search_api.lanes.perf_counter", lambda: clock[0])
    patience, other = Patience(2), EncodingLane(running=1, waiting=1)
    with other.turn(patience):
        clock[0] += 2.1  # a picture that is slow to decode
    clock[0] += 0.5
    assert patience.left() == pytest.approx(1.5)


def test_a_report_is_the_same_whoever_else_searches(
    marklens: MarkLens, draw_mark: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, lane = SearchRequest(draw_mark(3), k=5), marklens.queries.admission.encoding
    asked = ReportRequest(request, day=date(2026, 11, 29))
    alone = report_bytes(make_report(marklens, asked), "csv")
    encode, sizes = marklens.encoder.encode_prepared, []

    def counted(pictures: Sequence[Prepared]) -> Encoded:
        sizes.append(len(pictures))
        return encode(pictures)

    monkeypatch.setattr(marklens.encoder, "encode_prepared", counted)
    with ThreadPoolExecutor(4) as pool:
        with lane.turn(Patience(30)):
            others = [pool.submit(marklens.search, replace(request, k=1)) for _ in range(3)]
            while lane.waiting < 3:
                time.sleep(0.01)
            report = pool.submit(lambda: report_bytes(make_report(marklens, asked), "csv"))
            while lane.waiting < 4:
                time.sleep(0.01)
        assert report.result() == alone
        assert all(one.result().hits for one in others)
    assert sorted(sizes) == [1, 3], "the report's picture is encoded by itself"
