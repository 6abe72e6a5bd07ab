"""Words read in the pictures of marks without any are kept, found and told apart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from indexer.ingest.read_words import read_words
from indexer.marks import EncodedMark, Mark, MarkRecord
from indexer.pages import WORDS_ORDER, Page
from indexer.query import Filter
from indexer.register import Register
from indexer.register.image_store import ImageStore
from tests.lettering import lettered

BY_WORDS = Page(20, order=WORDS_ORDER)


def with_picture(mark_id: str, image: str = "a", **fields: str | None) -> EncodedMark:
    read = fields.pop("words_read", None)
    record = MarkRecord(mark_id, **fields)  # type: ignore[arg-type]
    return EncodedMark(record, f"{mark_id}{image}", image * 64, words_read=read)


def found(register: Register, text: str) -> list[Mark]:
    listed, _ = register.find_words(Filter(text=text), BY_WORDS)
    return [one.mark for one in listed]


def test_words_read_are_found_like_given_ones_and_told_apart(register: Register) -> None:
    register.add([with_picture("read", words_read="Google"), with_picture("given", text="Google")])
    read, given = sorted(found(register, "gogle"), key=lambda mark: mark.words_read is None)
    assert (read.record.id, read.record.text, read.words_read) == ("read", None, "Google")
    assert (given.record.id, given.record.text, given.words_read) == ("given", "Google", None)
    assert read.words == given.words == "Google"
    passing, total = register.find(Filter(text="oogl"), Page(5))
    assert [mark.record.id for mark in passing] == ["given", "read"]
    assert total == 2
    register.delete(["read"])
    assert [mark.record.id for mark in found(register, "gogle")] == ["given"]


def test_words_read_stay_with_the_picture_they_were_read_in(register: Register) -> None:
    register.add([with_picture("m", words_read="Google")])
    register.add([with_picture("m", owner="Somebody")])
    assert register.mark("m").words_read == "Google"
    assert len(found(register, "gogle")) == 1
    register.add([with_picture("m", image="b")])
    assert register.mark("m").words_read is None
    assert found(register, "gogle") == []
    register.add([with_picture("m", words_read="Google"), with_picture("n", words_read="")])
    register.add([with_picture("m", text="Lion"), with_picture("n")])
    assert register.mark("m").words_read is None
    assert register.mark("n").words_read == ""
    assert found(register, "gogle") == []
    assert len(found(register, "lion")) == 1


def test_a_reading_that_comes_too_late_changes_nothing(register: Register) -> None:
    register.add([with_picture(name) for name in "abcde"] + [with_picture("z", words_read="")])
    due = register.words_read.due("", 10)
    assert [unread.id for unread in due] == list("abcde")
    register.add([with_picture("a", text="Lion"), with_picture("b", image="b")])
    register.delete(["c"])
    before = register.sequence()
    register.words_read.save([(unread, "Google") for unread in due])
    assert [mark.record.id for mark in found(register, "gogle")] == ["d", "e"]
    assert register.mark("a").words == "Lion"
    assert register.sequence() == before + 2
    assert [change.id for change in register.changes(before, 10)] == ["d", "e"]
    assert [unread.id for unread in register.words_read.due("", 10)] == ["b"]
    assert register.words_read.count_due() == 1


def test_pictures_are_read_once_and_reading_goes_on_where_it_stopped(
    register: Register,
    tmp_path: Path,
    as_png: Callable[[Image.Image], bytes],
    draw_mark: Callable[..., Image.Image],
) -> None:
    images = ImageStore(tmp_path / "images")
    cafe, figure = as_png(lettered("LION CAFE")), as_png(draw_mark(1))
    words, nothing = images.put(cafe), images.put(figure)
    marks = [replace(with_picture(f"m{at:02}"), image_digest=nothing) for at in range(40)]
    marks[3] = replace(marks[3], image_digest=words)
    marks[35] = replace(marks[35], image_digest=words)
    register.add([*marks, with_picture("lost"), EncodedMark(MarkRecord("none"), "none")])
    steps: list[tuple[int, int]] = []
    stopped = read_words(register, images, lambda *step: steps.append(step), lambda: bool(steps))
    assert (stopped.read, stopped.with_words, stopped.interrupted) == (31, 1, True)
    assert steps == [(32, 41)]
    rest = read_words(register, images)
    assert (rest.read, rest.with_words, rest.interrupted) == (9, 1, False)
    assert [mark_id for mark_id, _ in rest.skipped] == ["lost"]
    assert [mark.record.id for mark in found(register, "lyon cafe")] == ["m03", "m35"]
    assert read_words(register, images).read == 0
    assert [entry.action for entry in register.audit.newest(3)].count("read words") == 2


@pytest.mark.parametrize("text", ["", None])
def test_only_marks_without_words_are_read(register: Register, text: str | None) -> None:
    register.add([with_picture("m", text=text), with_picture("n", text="Lion")])
    assert [unread.id for unread in register.words_read.due("", 10)] == ["m"]
