"""What is written is what is read, asked of SQLite and of a real PostgreSQL alike."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from indexer.errors import FingerprintMismatch, UnknownMark
from indexer.marks import Change, EncodedMark, MarkRecord
from indexer.register import Register
from models.encoder import Embedding
from models.vienna import PredictedCode, ViennaCode

Mark = Callable[..., EncodedMark]  # the fixture `mark`
SUN = ViennaCode.parse("01.03")


def test_a_mark_comes_back_as_it_was_written(register: Register, mark: Mark) -> None:
    written = mark("EM-1", seed=1)
    before = datetime.now(UTC)
    sequence = register.add([written])
    held = register.mark("EM-1")
    assert held.record == written.record
    assert (held.sequence, held.image_digest) == (sequence, written.image_digest)
    assert (held.media_type, held.width, held.height) == ("image/png", 320, 201)
    assert set(held.predicted) == set(written.predicted)  # the very floats
    assert held.updated.utcoffset() == timedelta(0)
    assert before <= held.updated <= datetime.now(UTC)


def test_a_mark_with_nothing_but_an_id_comes_back(register: Register) -> None:
    register.add([EncodedMark(MarkRecord("bare"), "d")])
    held = register.mark("bare")
    assert held.record == MarkRecord("bare")
    assert (held.image_digest, held.width, held.predicted) == (None, None, ())
    (change,) = register.changes(0, 10)
    assert change == Change("bare", 1, deleted=False, number=1)


@pytest.mark.parametrize("mark_id", ["a'b", 'a"b', "a%b", "a_b", "a\\b", "日本語", "🦊", "x" * 128])
def test_ids_are_taken_literally(register: Register, mark_id: str, mark: Mark) -> None:
    register.add([mark(mark_id, 1), mark("other", 2)])
    assert register.mark(mark_id).record.id == mark_id
    assert register.delete([mark_id]) == 1
    assert set(register.marks([mark_id, "other"])) == {"other"}


def test_probabilities_given_as_numpy_numbers_come_back_to_the_bit(register: Register) -> None:
    seen = PredictedCode(SUN, np.float32(0.1))  # type: ignore[arg-type]
    register.add([EncodedMark(MarkRecord("a"), "d", predicted=(seen,))])
    assert register.mark("a").predicted == (PredictedCode(SUN, float(np.float32(0.1))),)


def test_an_embedding_cut_out_of_a_larger_array_is_stored_whole(register: Register) -> None:
    embedding = Embedding.without_boxes(np.arange(12, dtype=np.float16).reshape(3, 4)[:, 1])
    register.add([EncodedMark(MarkRecord("a"), "d", embedding=embedding)])
    (change,) = register.changes(0, 1)
    assert change.embedding is not None
    assert change.embedding.tolist() == [[1.0, 5.0, 9.0]]


def test_marks_come_in_the_order_asked_for_and_unknown_ones_are_left_out(
    register: Register,
    mark: Mark,
) -> None:
    register.add([mark(f"m{i}", i) for i in range(5)])
    assert list(register.marks(["m3", "gone", "m0", "m4"])) == ["m3", "m0", "m4"]


@pytest.mark.parametrize("unknown", ["gone", "", "A 1", "a\x00b", "\ud800", "a/b", "x" * 4000])
def test_an_id_that_is_not_held_is_an_unknown_mark_whatever_it_is_made_of(
    register: Register, unknown: str, mark: Mark
) -> None:
    register.add([mark("a")])
    with pytest.raises(UnknownMark) as raised:
        register.mark(unknown)
    assert str(raised.value) == f"The register holds no mark {unknown!r}."
    assert register.digests([unknown, "a"]) == {"a": mark("a").digest}
    assert register.delete([unknown]) == 0


def test_thousands_of_ids_may_be_asked_for_at_once(register: Register) -> None:
    register.add([EncodedMark(MarkRecord(f"m{i}"), str(i)) for i in range(1300)])
    ids = [f"m{i}" for i in range(1300)]
    assert list(register.marks(ids)) == ids
    assert register.digests(ids) == {f"m{i}": str(i) for i in range(1300)}
    assert register.delete(ids) == 1300


def test_a_register_holds_embeddings_of_one_network(register: Register) -> None:
    assert register.bound() is None
    register.bind_fingerprint("one", 16)
    register.bind_fingerprint("one", 16)
    assert register.bound() == ("one", 16)
    with pytest.raises(FingerprintMismatch, match="rebuild --encode"):
        register.bind_fingerprint("two", 16)
    register.rebind_fingerprint("two", 32)
    assert register.bound() == ("two", 32)


def test_the_embedding_of_a_mark_is_its_latest(register: Register, mark: Mark) -> None:
    register.add([mark("a", 1), EncodedMark(MarkRecord("bare"), "d")])
    register.add([mark("a", 2)])
    found = register.embedding("a")
    assert found is not None
    written = mark("a", 2).embedding
    assert found.vectors.tolist() == written.vectors.tolist()
    assert found.boxes.tolist() == written.boxes.tolist()
    assert [register.embedding(mark_id) for mark_id in ("bare", "unknown", "a\0")] == [None] * 3
