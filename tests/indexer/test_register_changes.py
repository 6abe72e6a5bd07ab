"""Writing again, withdrawing, and what followers are told of it, on SQLite and PostgreSQL."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import FingerprintMismatch
from indexer.marks import Change, EncodedMark, MarkRecord, StoredPrediction
from indexer.register import Register
from models.encoder import Embedding
from models.vienna import ViennaCode

Mark = Callable[..., EncodedMark]  # the fixture `mark`
TREE_1 = ViennaCode.parse("05.01.01")


def as_change(written: EncodedMark, sequence: int, number: int) -> Change:
    """What followers must be told of a mark that was written, first under a number."""
    record = written.record
    predicted = sorted(written.predicted, key=lambda one: (-one.probability, one.code))
    return Change(
        record.id,
        sequence,
        deleted=False,
        number=number,
        embedding=None if written.embedding is None else written.embedding.vectors,
        assigned=record.vienna,
        predicted=tuple(
            StoredPrediction(one.code, one.probability, one.code in written.confident)
            for one in predicted
        ),
        nice=record.nice,
        status=record.status,
        office=record.office,
        filed=record.filed,
        registered=record.registered,
    )


def plain(change: Change) -> dict[str, object]:
    """A change that == compares, the embedding to the bit."""
    values = {one.name: getattr(change, one.name) for one in dataclasses.fields(change)}
    vector = change.embedding
    return values | {"embedding": None if vector is None else (vector.dtype.str, vector.tolist())}


def test_numbers_rise_by_one_a_mark_in_the_order_written(register: Register, mark: Mark) -> None:
    assert register.sequence() == 0
    assert register.add([mark("a"), mark("b")]) == 2
    assert register.add([mark("c")]) == 3
    assert [(c.id, c.sequence) for c in register.changes(0, 9)] == [("a", 1), ("b", 2), ("c", 3)]
    assert register.sequence() == 3


def test_a_rewritten_mark_replaces_all_it_had_and_moves_to_the_end(
    register: Register, mark: Mark
) -> None:
    register.add([mark("a", 3), mark("b", 1)])
    bare = EncodedMark(MarkRecord("a", text="new"), "other")
    assert register.add([bare]) == 3
    assert register.mark("a").record == bare.record
    assert [plain(c) for c in register.changes(0, 9)] == [
        plain(as_change(mark("b", 1), 2, 2)),
        plain(as_change(bare, 3, 1)),
    ]
    assert register.count() == 2


def test_writing_the_same_mark_again_changes_nothing_but_its_number(
    register: Register, mark: Mark
) -> None:
    register.add([mark("a", 3)])
    before = register.mark("a")
    register.add([mark("a", 3)])
    after = register.mark("a")
    assert dataclasses.replace(after, sequence=1, updated=before.updated) == before
    assert register.count() == 1


def test_of_an_id_given_twice_at_once_the_last_counts(register: Register, mark: Mark) -> None:
    assert register.add([mark("a", 1), mark("b", 2), mark("a", 3)]) == 2
    assert register.mark("a").record == mark("a", 3).record


def test_writing_nothing_takes_no_number(register: Register, mark: Mark) -> None:
    register.add([mark("a")])
    assert register.add([]) == 1
    assert register.delete([]) == 0
    assert register.sequence() == 1


def test_a_mark_keeps_its_number_whatever_happens_to_it(register: Register, mark: Mark) -> None:
    def numbers() -> dict[str, int]:
        return {change.id: change.number for change in register.changes(0, 9)}

    register.add([mark("a", 1), mark("b", 2)])
    expected = numbers()
    assert len({*expected.values()}) == 2
    register.add([mark("b", 3)])
    register.delete(["a"])
    assert numbers() == expected
    register.add([mark("a", 4), mark("c", 5)])
    found = numbers()
    assert {name: found[name] for name in "ab"} == expected
    assert len({*found.values()}) == 3
    assert register.ids_numbered([found["c"], found["a"], 99]) == {
        found["a"]: "a",
        found["c"]: "c",
    }
    assert sorted(register.numbers_of(["a", "x", "b"])) == sorted(expected.values())
    assert register.marks_numbered([found["c"]])[found["c"]].record == mark("c", 5).record


def test_a_withdrawn_mark_leaves_only_its_id_and_a_new_number(
    register: Register, mark: Mark
) -> None:
    register.add([mark("a", 1), mark("b", 2)])
    assert register.delete(["a", "gone", "a"]) == 1
    assert register.changes(2, 9) == [Change("a", 3, deleted=True, number=1)]
    assert register.marks(["a"]) == {}
    assert register.digests(["a", "b"]) == {"b": mark("b", 2).digest}
    assert register.count() == 1
    assert register.numbers_with_text("word 1").tolist() == []
    assert register.encodings([mark("a", 1).pixels_digest or ""]) == {}
    assert register.code_counts("assigned").get(TREE_1, 0) == 1  # only b bears it now


def test_withdrawing_twice_changes_nothing_the_second_time(register: Register, mark: Mark) -> None:
    register.add([mark("a")])
    assert register.delete(["a"]) == 1
    assert register.delete(["a"]) == 0
    assert register.sequence() == 2


def test_a_withdrawn_mark_can_be_written_again(register: Register, mark: Mark) -> None:
    register.add([mark("a", 1)])
    register.delete(["a"])
    register.add([mark("a", 2)])
    assert [plain(c) for c in register.changes(0, 9)] == [plain(as_change(mark("a", 2), 3, 1))]


def test_a_write_that_fails_leaves_no_trace(register: Register, mark: Mark) -> None:
    register.bind_fingerprint("net", 16)
    register.add([mark("a", 1)])
    short = Embedding.without_boxes(np.zeros(8, np.float16))
    odd = EncodedMark(MarkRecord("c"), "d", embedding=short)
    with pytest.raises(FingerprintMismatch, match="have 8 numbers, the register's 16"):
        register.add([mark("b", 2), odd])
    assert (register.sequence(), register.count()) == (1, 1)
    assert register.add([mark("b", 2)]) == 2


# Following.


def test_changes_come_in_pages_that_miss_and_repeat_nothing(register: Register, mark: Mark) -> None:
    register.add([mark(f"m{i}", i) for i in range(23)])
    register.delete(["m4", "m20"])
    after, seen = 0, []
    while page := register.changes(after, 5):
        assert len(page) <= 5
        seen += page
        after = page[-1].sequence
    assert [plain(c) for c in seen] == [plain(c) for c in register.changes(0, 100)]
    assert [c.sequence for c in seen] == sorted({c.sequence for c in seen})
    assert [c.id for c in seen if c.deleted] == ["m20", "m4"]


def test_changes_stop_at_the_number_asked_for(register: Register, mark: Mark) -> None:
    register.add([mark(f"m{i}", i) for i in range(6)])
    assert [c.sequence for c in register.changes(1, 9, upto=4)] == [2, 3, 4]


def operations() -> st.SearchStrategy[list[tuple[str, list[tuple[str, int]]]]]:
    one = st.tuples(st.sampled_from("abcde"), st.integers(0, 11))
    return st.lists(
        st.tuples(st.sampled_from(["add", "add", "delete", "follow"]), st.lists(one, max_size=4)),
        max_size=25,
    )


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=operations(), page=st.integers(1, 7))
def test_whoever_replays_the_changes_holds_what_the_register_holds(
    register: Register, steps: list[tuple[str, list[tuple[str, int]]]], page: int, mark: Mark
) -> None:
    register.delete(list("abcde"))  # one register serves all examples
    model: dict[str, EncodedMark] = {}
    replica: dict[str, Change] = {}
    after = register.sequence()
    for action, given_marks in [*steps, ("follow", [])]:
        if action == "add":
            written = [mark(mark_id, seed) for mark_id, seed in given_marks]
            register.add(written)
            model |= {one.record.id: one for one in written}
        elif action == "delete":
            ids = [mark_id for mark_id, _ in given_marks]
            assert register.delete(ids) == len(model.keys() & set(ids))
            model = {mark_id: one for mark_id, one in model.items() if mark_id not in ids}
        else:
            after = follow(register, replica, after, page)
            assert_same(register, model, replica)


def follow(register: Register, replica: dict[str, Change], after: int, page: int) -> int:
    while changes := register.changes(after, page):
        for change in changes:
            assert change.sequence > after
            after = change.sequence
            replica.pop(change.id, None)
            if not change.deleted:
                replica[change.id] = change
    return after


def assert_same(
    register: Register, model: dict[str, EncodedMark], replica: dict[str, Change]
) -> None:
    expected = {
        mark_id: plain(as_change(one, replica[mark_id].sequence, replica[mark_id].number))
        for mark_id, one in model.items()
    }
    assert {mark_id: plain(change) for mark_id, change in replica.items()} == expected
    held = register.marks(list("abcde"))
    assert {i: m.record for i, m in held.items()} == {i: m.record for i, m in model.items()}
    assert {i: m.sequence for i, m in held.items()} == {i: c.sequence for i, c in replica.items()}
    assert register.count() == len(model)


def test_a_mark_and_its_codes_are_always_of_one_version(register: Register, mark: Mark) -> None:
    versions = [mark("a", seed) for seed in (1, 2)]
    expected = [plain(as_change(one, 0, 1)) for one in versions]
    register.add(versions[:1])

    def rewrite() -> None:
        for turn in range(120):
            register.add([versions[turn % 2]])

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(rewrite)
        while not writing.done():
            (change,) = register.changes(0, 10)
            assert plain(dataclasses.replace(change, sequence=0)) in expected
        writing.result()
