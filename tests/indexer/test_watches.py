"""Watches in SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from indexer.errors import BadWatch, UnknownWatch
from indexer.register import Register
from indexer.register.watch_rows import NearMark, Watch, WatchedSign
from models.encoder import Embedding
from models.vienna import ViennaCode

NOW = datetime(2026, 11, 29, 9, tzinfo=UTC)


def sign(label: str, rows: int) -> WatchedSign:
    vectors = np.arange(rows * 4, dtype=np.float16).reshape(rows, 4)
    boxes = np.full((rows, 4), 0.25, np.float32)
    embedding = Embedding(vectors, boxes, b"places")
    return WatchedSign(0, label, None, "a" * 64, "network", embedding, {ViennaCode(3, 1): 0.5})


def watch(name: str, *signs: WatchedSign) -> Watch:
    return Watch(name, 0.5, {"nice": [9]}, None, "key", 10, NOW, 0, None, None, signs)


def test_a_watch_is_kept_as_it_was_made(register: Register) -> None:
    watches = register.watches
    watches.add(watch("b", sign("one", 1), sign("three", 3)))
    watches.add(watch("a", sign("two", 2)))
    assert [one.name for one in watches.all()] == ["a", "b"]
    kept = watches.get("b")
    assert (kept.threshold, kept.asked, kept.checked, kept.created) == (0.5, {"nice": [9]}, 10, NOW)
    assert [one.label for one in kept.signs] == ["one", "three"]
    for made, held in zip((sign("one", 1), sign("three", 3)), kept.signs, strict=True):
        assert np.array_equal(made.embedding.vectors, held.embedding.vectors)
        assert np.array_equal(made.embedding.boxes, held.embedding.boxes)
        assert held.embedding.places == b"places"
        assert held.shown == {ViennaCode(3, 1): 0.5}
    with pytest.raises(BadWatch, match="already"):
        watches.add(watch("b", sign("x", 1)))


def test_what_came_near_is_noted_once_a_picture_and_delivered_once(register: Register) -> None:
    watches = register.watches
    watches.add(watch("a", sign("one", 1)))
    number = watches.get("a").signs[0].id
    first = NearMark(number, "M-1", "d" * 64, 11, 0.75)
    assert watches.note("a", 11, [first], NOW) == 1
    again = NearMark(number, "M-1", "d" * 64, 12, 0.75)
    redrawn = NearMark(number, "M-1", "e" * 64, 13, 0.8)
    assert watches.note("a", 13, [again, redrawn], NOW + timedelta(hours=1)) == 1
    assert watches.get("a").checked == 13
    assert watches.note("a", 5, [], NOW) == 0
    assert watches.get("a").checked == 13
    events = watches.events("a")
    assert [(one.mark_id, one.sequence, one.score) for one in events] == [
        ("M-1", 13, 0.8),
        ("M-1", 11, 0.75),
    ]
    assert watches.events("a", after=events[1].id) == events[:1]
    assert watches.events("a", 0, 1) == events[1:]
    assert watches.events("a", limit=1) == events[:1]
    waiting = watches.events("a", 0, undelivered=True)
    assert waiting == events[::-1]
    watches.delivered("a", [waiting[0].id])
    assert watches.events("a", 0, undelivered=True) == waiting[1:]


def test_a_failure_is_kept_until_the_webhook_is_reached(register: Register) -> None:
    watches = register.watches
    watches.add(watch("a", sign("one", 1)))
    watches.failed("a", 3, NOW, "away")
    failed = watches.get("a")
    assert (failed.failures, failed.next_try, failed.last_error) == (3, NOW, "away")
    watches.delivered("a", [])
    assert (watches.get("a").failures, watches.get("a").next_try) == (0, None)


def test_a_removed_watch_takes_all_of_it_along(register: Register) -> None:
    watches = register.watches
    watches.add(watch("a", sign("one", 1)))
    number = watches.get("a").signs[0].id
    watches.note("a", 11, [NearMark(number, "M-1", "d" * 64, 11, 0.75)], NOW)
    watches.remove("a")
    assert watches.all() == []
    assert watches.events("a") == []
    assert watches.note("a", 12, [NearMark(number, "M-2", "d" * 64, 12, 0.75)], NOW) == 0
    for call in (watches.remove, watches.get):
        with pytest.raises(UnknownWatch):
            call("a")


def test_numbers_of_a_removed_watch_are_not_given_again(register: Register) -> None:
    watches, numbers = register.watches, []
    for mark_id in ("M-1", "M-2", "M-3"):
        watches.add(watch("a", sign("one", 1)))
        (made,) = watches.get("a").signs
        assert watches.note("a", 11, [NearMark(made.id, mark_id, "d" * 64, 11, 0.75)], NOW) == 1
        (event,) = watches.events("a")
        numbers.append((made.id, event.id))
        watches.remove("a")
    assert numbers == sorted(set(numbers))
    assert len({event for _, event in numbers}) == 3
    watches.add(watch("a", sign("another", 1)))  # while the first was still being compared
    (first, _), *_ = numbers
    assert watches.note("a", 12, [NearMark(first, "M-4", "d" * 64, 12, 0.75)], NOW) == 0
    assert watches.events("a") == []


def test_a_changed_watch_keeps_what_its_other_signs_found(register: Register) -> None:
    watches = register.watches
    watches.add(watch("a", sign("one", 1), sign("two", 1)))
    one, two = watches.get("a").signs
    found = [NearMark(number, "M-1", "d" * 64, 11, 0.75) for number in (one.id, two.id)]
    assert watches.note("a", 11, found, NOW) == 2
    values = {"threshold": 0.9, "webhook": "https://a.invalid/"}
    watches.change("a", values, [sign("three", 3)], [two])
    changed = watches.get("a")
    assert (changed.threshold, changed.webhook) == (0.9, "https://a.invalid/")
    assert [held.label for held in changed.signs] == ["one", "three"]
    assert [event.sign for event in watches.events("a")] == ["one"]
    assert watches.events("a", 0, undelivered=True) == []  # from before there was a webhook
    later = [NearMark(held, "M-2", "d" * 64, 12, 0.95) for held in (one.id, two.id)]
    assert watches.note("a", 12, later, NOW) == 1  # found while the second was removed
    watches.change("a", {"webhook": "https://b.invalid/"}, [], [])
    assert [event.mark_id for event in watches.events("a", 0, undelivered=True)] == ["M-2"]
    with pytest.raises(UnknownWatch):
        watches.change("none", {"threshold": 0.9}, [], [])


def test_what_was_read_stays_read_and_what_comes_after_is_new(register: Register) -> None:
    watches = register.watches
    watches.add(watch("a", sign("one", 1)))
    watches.add(watch("b", sign("two", 1)))
    number = watches.get("a").signs[0].id
    for place in (1, 2, 3):
        watches.note("a", place, [NearMark(number, f"M-{place}", "d" * 64, place, 0.75)], NOW)
    newest, middle, _ = watches.events("a")
    watches.read("a", middle.id)
    watches.read("a", 0)  # what was read stays so
    assert [one.is_read for one in watches.events("a")] == [False, True, True]
    assert [(one.name, one.unread) for one in watches.all()] == [("a", 1), ("b", 0)]
    watches.read("a", newest.id + 1000)  # of what is still to come nothing was read
    watches.note("a", 4, [NearMark(number, "M-4", "d" * 64, 4, 0.75)], NOW)
    assert watches.get("a").unread == 1
    watches.read("a")
    assert watches.get("a").unread == 0
    with pytest.raises(UnknownWatch):
        watches.read("none")
