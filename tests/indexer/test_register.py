"""The register's promises, asked of SQLite and of a real PostgreSQL alike."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.errors import FingerprintMismatch, UnknownMark
from indexer.marks import (
    Change,
    EncodedMark,
    Facets,
    MarkRecord,
    RunCounts,
    RunPosition,
    StoredPrediction,
)
from indexer.register import Register
from models.vienna import PredictedCode, ViennaCode

SUN, TREE, TREE_1 = (ViennaCode.parse(text) for text in ("01.03", "05.01", "05.01.01"))
FACE, STAR = ViennaCode.parse("02.01"), ViennaCode.parse("01.01.02")
CODES = (SUN, TREE, TREE_1, FACE, STAR)


def mark(mark_id: str, seed: int = 0, **fields: object) -> EncodedMark:
    """A mark with everything filled in, the same for the same seed."""
    rng = np.random.default_rng(seed)
    record = MarkRecord(
        mark_id,
        text=f"Word {seed}",
        owner="Ünïversal Ltd",
        office=("EM", "US")[seed % 2],
        status=("registered", "filed", "expired")[seed % 3],
        filed=date(2020, 1, 1) + timedelta(days=seed),
        registered=date(2021, 1, 1) + timedelta(days=seed),
        nice=tuple(int(n) for n in rng.choice(np.arange(1, 46), seed % 4, replace=False)),
        vienna=CODES[seed % 3 : 3],
        image_name=f"{mark_id}.png",
    )
    return EncodedMark(
        dataclasses.replace(record, **fields),
        digest=f"{seed:064x}",
        image_digest=f"{seed + 7:064x}",
        pixels_digest=f"{seed + 7:032x}",
        media_type="image/png",
        width=320,
        height=200 + seed,
        embedding=rng.normal(size=16).astype(np.float16),
        predicted=(PredictedCode(FACE, float(rng.random())), PredictedCode(STAR, 0.07)),
        confident=frozenset({FACE}) if seed % 2 else frozenset(),
    )


def as_change(written: EncodedMark, sequence: int) -> Change:
    """What followers must be told of a mark that was written."""
    record = written.record
    predicted = sorted(written.predicted, key=lambda one: (-one.probability, one.code))
    return Change(
        record.id,
        sequence,
        deleted=False,
        embedding=written.embedding,
        assigned=record.vienna,
        predicted=tuple(
            StoredPrediction(one.code, one.probability, one.code in written.confident)
            for one in predicted
        ),
        nice=record.nice,
        status=record.status,
        office=record.office,
        filed=record.filed,
    )


def plain(change: Change) -> dict[str, object]:
    """A change that == compares, the embedding to the bit."""
    values = {one.name: getattr(change, one.name) for one in dataclasses.fields(change)}
    vector = change.embedding
    return values | {"embedding": None if vector is None else (vector.dtype.str, vector.tobytes())}


# What is written is what is read.


def test_a_mark_comes_back_as_it_was_written(register: Register) -> None:
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
    assert change == Change("bare", 1, deleted=False)


@pytest.mark.parametrize("mark_id", ["a'b", 'a"b', "a%b", "a_b", "a\\b", "日本語", "🦊", "x" * 128])
def test_ids_are_taken_literally(register: Register, mark_id: str) -> None:
    register.add([mark(mark_id, 1), mark("other", 2)])
    assert register.mark(mark_id).record.id == mark_id
    assert register.delete([mark_id]) == 1
    assert set(register.marks([mark_id, "other"])) == {"other"}


def test_probabilities_given_as_numpy_numbers_come_back_to_the_bit(register: Register) -> None:
    seen = PredictedCode(SUN, np.float32(0.1))  # type: ignore[arg-type]
    register.add([EncodedMark(MarkRecord("a"), "d", predicted=(seen,))])
    assert register.mark("a").predicted == (PredictedCode(SUN, float(np.float32(0.1))),)


def test_an_embedding_cut_out_of_a_larger_array_is_stored_whole(register: Register) -> None:
    table = np.arange(12, dtype=np.float16).reshape(3, 4)
    register.add([EncodedMark(MarkRecord("a"), "d", embedding=table[:, 1])])
    (change,) = register.changes(0, 1)
    assert change.embedding is not None
    assert change.embedding.tolist() == [1.0, 5.0, 9.0]


def test_marks_come_in_the_order_asked_for_and_unknown_ones_are_left_out(
    register: Register,
) -> None:
    register.add([mark(f"m{i}", i) for i in range(5)])
    assert list(register.marks(["m3", "gone", "m0", "m4"])) == ["m3", "m0", "m4"]


@pytest.mark.parametrize("unknown", ["gone", "", "a\x00b", "\ud800", "a/b", "x" * 4000])
def test_an_id_that_is_not_held_is_an_unknown_mark_whatever_it_is_made_of(
    register: Register, unknown: str
) -> None:
    register.add([mark("a")])
    with pytest.raises(UnknownMark):
        register.mark(unknown)
    assert register.digests([unknown, "a"]) == {"a": mark("a").digest}
    assert register.delete([unknown]) == 0


def test_thousands_of_ids_may_be_asked_for_at_once(register: Register) -> None:
    register.add([EncodedMark(MarkRecord(f"m{i}"), str(i)) for i in range(1300)])
    ids = [f"m{i}" for i in range(1300)]
    assert list(register.marks(ids)) == ids
    assert register.digests(ids) == {f"m{i}": str(i) for i in range(1300)}
    assert register.delete(ids) == 1300


# Numbers, rewriting, withdrawing.


def test_numbers_rise_by_one_a_mark_in_the_order_written(register: Register) -> None:
    assert register.sequence() == 0
    assert register.add([mark("a"), mark("b")]) == 2
    assert register.add([mark("c")]) == 3
    assert [(c.id, c.sequence) for c in register.changes(0, 9)] == [("a", 1), ("b", 2), ("c", 3)]
    assert register.sequence() == 3


def test_a_rewritten_mark_replaces_all_it_had_and_moves_to_the_end(register: Register) -> None:
    register.add([mark("a", 3), mark("b", 1)])
    bare = EncodedMark(MarkRecord("a", text="new"), "other")
    assert register.add([bare]) == 3
    assert register.mark("a").record == bare.record
    assert [plain(c) for c in register.changes(0, 9)] == [
        plain(as_change(mark("b", 1), 2)),
        plain(as_change(bare, 3)),
    ]
    assert register.count() == 2


def test_writing_the_same_mark_again_changes_nothing_but_its_number(register: Register) -> None:
    register.add([mark("a", 3)])
    before = register.mark("a")
    register.add([mark("a", 3)])
    after = register.mark("a")
    assert dataclasses.replace(after, sequence=1, updated=before.updated) == before
    assert register.count() == 1


def test_of_an_id_given_twice_at_once_the_last_counts(register: Register) -> None:
    assert register.add([mark("a", 1), mark("b", 2), mark("a", 3)]) == 2
    assert register.mark("a").record == mark("a", 3).record


def test_writing_nothing_takes_no_number(register: Register) -> None:
    register.add([mark("a")])
    assert register.add([]) == 1
    assert register.delete([]) == 0
    assert register.sequence() == 1


def test_a_withdrawn_mark_leaves_only_its_id_and_a_new_number(register: Register) -> None:
    register.add([mark("a", 1), mark("b", 2)])
    assert register.delete(["a", "gone", "a"]) == 1
    assert register.changes(2, 9) == [Change("a", 3, deleted=True)]
    assert register.marks(["a"]) == {}
    assert register.digests(["a", "b"]) == {"b": mark("b", 2).digest}
    assert register.count() == 1
    assert register.ids_with_text("word 1").tolist() == []
    assert register.encodings([mark("a", 1).pixels_digest or ""]) == {}
    assert register.code_counts("assigned").get(TREE_1, 0) == 1  # only b bears it now


def test_withdrawing_twice_changes_nothing_the_second_time(register: Register) -> None:
    register.add([mark("a")])
    assert register.delete(["a"]) == 1
    assert register.delete(["a"]) == 0
    assert register.sequence() == 2


def test_a_withdrawn_mark_can_be_written_again(register: Register) -> None:
    register.add([mark("a", 1)])
    register.delete(["a"])
    register.add([mark("a", 2)])
    assert [plain(c) for c in register.changes(0, 9)] == [plain(as_change(mark("a", 2), 3))]


def test_a_write_that_fails_leaves_no_trace(register: Register) -> None:
    register.bind_fingerprint("net", 16)
    register.add([mark("a", 1)])
    odd = EncodedMark(MarkRecord("c"), "d", embedding=np.zeros(8, np.float16))
    with pytest.raises(FingerprintMismatch, match=r"\(8,\).*\(16,\)"):
        register.add([mark("b", 2), odd])
    assert (register.sequence(), register.count()) == (1, 1)
    assert register.add([mark("b", 2)]) == 2


# Following.


def test_changes_come_in_pages_that_miss_and_repeat_nothing(register: Register) -> None:
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


def test_changes_stop_at_the_number_asked_for(register: Register) -> None:
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
    register: Register, steps: list[tuple[str, list[tuple[str, int]]]], page: int
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
        mark_id: plain(as_change(one, replica[mark_id].sequence)) for mark_id, one in model.items()
    }
    assert {mark_id: plain(change) for mark_id, change in replica.items()} == expected
    held = register.marks(list("abcde"))
    assert {i: m.record for i, m in held.items()} == {i: m.record for i, m in model.items()}
    assert {i: m.sequence for i, m in held.items()} == {i: c.sequence for i, c in replica.items()}
    assert register.count() == len(model)


def test_a_mark_and_its_codes_are_always_of_one_version(register: Register) -> None:
    versions = [mark("a", seed) for seed in (1, 2)]
    expected = [plain(as_change(one, 0)) for one in versions]
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


# What is asked by words, codes and pictures.


def found(register: Register, text: str) -> set[str]:
    sequences: Sequence[int] = register.ids_with_text(text).tolist()
    assert sequences == sorted(sequences)
    return {c.id for s in sequences for c in register.changes(s - 1, 1)}


@pytest.mark.parametrize(
    ("words", "text", "matches"),
    [
        ("Café Noir", "café", True),
        ("CAFÉ", "fé", True),
        ("Cafe\u0301", "CAFÉ", True),  # composed and decomposed
        ("straße", "STRASSE", True),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("ЯНДЕКС", "яндекс", True),
        ("ＡＣＭＥ", "acme", True),  # full-width
        ("İstanbul", "i\u0307stanbul", True),
        ("花王", "王", True),
        ("100% pure", "0% p", True),
        ("1000 pure", "0% p", False),
        ("a_b", "a_b", True),
        ("axb", "a_b", False),
        ("back\\slash", "k\\s", True),
        ("a/b", "a/b", True),
        ("a//b", "a/b", False),
        ("it's", "t's", True),
        ("acme", "acmes", False),
        (None, "", False),
    ],
)
def test_words_are_found_anywhere_in_any_case_and_literally(
    register: Register, words: str | None, text: str, matches: bool
) -> None:
    register.add([mark("a", 1, text=words), mark("b", 1, text="\U0001f98a")])
    assert ("a" in found(register, text)) == matches
    assert found(register, "\U0001f98a") == {"b"}


# Whole letters only: a part that cuts a letter from its accent is no part of the words.
LETTERS = st.text(st.sampled_from("aAß\u00e9\u00c9ſﬁ%_\\/'* "), max_size=5)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=LETTERS, text=LETTERS, after=LETTERS, other=LETTERS)
def test_looking_for_words_agrees_with_python(
    register: Register, before: str, text: str, after: str, other: str
) -> None:
    register.add([mark("has", 1, text=before + text + after), mark("may", 1, text=other)])
    expected = {"has"} | ({"may"} if folded(text) in folded(other) else set())
    assert found(register, text) == expected


def folded(text: str) -> str:
    return text.replace("ﬁ", "fi").casefold()


def test_codes_are_counted_with_all_that_lies_below_each_mark_once(register: Register) -> None:
    both = EncodedMark(
        MarkRecord("a", vienna=(TREE_1, ViennaCode.parse("05.03"))),
        "d",
        predicted=(PredictedCode(TREE, 0.9), PredictedCode(STAR, 0.2)),
        confident=frozenset({TREE}),
    )
    register.add([both, EncodedMark(MarkRecord("b", vienna=(ViennaCode(5),)), "d")])
    assigned = {"05": 2, "05.01": 1, "05.01.01": 1, "05.03": 1}
    counts = {str(code): n for code, n in register.code_counts("assigned").items()}
    assert counts == assigned
    predicted = {str(code): n for code, n in register.code_counts("predicted").items()}
    assert predicted == {"05": 1, "05.01": 1}  # the star was not seen confidently
    assert {str(code): n for code, n in register.code_counts("either").items()} == assigned


def test_counts_of_codes_follow_every_write(register: Register) -> None:
    register.add([EncodedMark(MarkRecord("a", vienna=(SUN,)), "d")])
    assert register.code_counts("either")[SUN] == 1
    register.add([EncodedMark(MarkRecord("b", vienna=(SUN,)), "d")])
    assert register.code_counts("either")[SUN] == 2
    register.delete(["a", "b"])
    assert register.code_counts("either") == {}


def test_facets_name_what_live_marks_have_with_counts(register: Register) -> None:
    assert register.facets() == Facets()
    register.add(
        [
            mark("a", 0, status="filed", office="US", nice=(1, 2), filed=date(2020, 1, 1)),
            mark("b", 0, status="filed", office=None, nice=(2,), filed=date(2021, 1, 1)),
            mark("c", 0, status="expired", office="EM", nice=(), filed=None),
            mark("d", 0, status="dead", office="XX", nice=(9,), filed=date(1999, 1, 1)),
        ]
    )
    register.delete(["d"])
    assert register.facets() == Facets(
        {"expired": 1, "filed": 2},
        {"EM": 1, "US": 1},
        {1: 1, 2: 2},
        (date(2020, 1, 1), date(2021, 1, 1)),
    )


def test_what_the_network_said_of_a_picture_is_known_by_its_pixels(register: Register) -> None:
    carrier = mark("a", 1)
    register.add([carrier, mark("b", 2)])
    digest = carrier.pixels_digest or ""
    known = register.encodings([digest, "unknown"])
    assert known.keys() == {digest}
    embedding, predicted, confident = known[digest]
    assert embedding.tobytes() == carrier.embedding.tobytes()
    assert set(predicted) == set(carrier.predicted)
    assert confident == carrier.confident == {FACE}


# Which network, which database.


def test_a_register_holds_embeddings_of_one_network(register: Register) -> None:
    assert register.bound() is None
    register.bind_fingerprint("one", 16)
    register.bind_fingerprint("one", 16)
    assert register.bound() == ("one", 16)
    with pytest.raises(FingerprintMismatch, match="rebuild --encode"):
        register.bind_fingerprint("two", 16)
    register.rebind_fingerprint("two", 32)
    assert register.bound() == ("two", 32)


# Runs over sources.


def test_a_runs_position_is_saved_with_the_marks_up_to_there(register: Register) -> None:
    run = register.start_run("/data/marks.csv", 1234, 5)
    assert (run.state, run.position, run.counts, run.finished) == ("running", 0, RunCounts(), None)
    assert register.last_runs() == [run]
    counts = RunCounts(read=2, indexed=2)
    register.add([mark("a"), mark("b")], RunPosition(run.id, 2, counts))
    assert register.last_runs() == [dataclasses.replace(run, position=2, counts=counts)]
    register.add([], RunPosition(run.id, 3, RunCounts(read=3, indexed=2, rejected=1)))
    assert register.last_runs()[0].position == 3
    assert register.sequence() == 2


def test_a_write_that_fails_does_not_move_its_run(register: Register) -> None:
    register.bind_fingerprint("net", 16)
    run = register.start_run("x", 1, 1)
    odd = EncodedMark(MarkRecord("c"), "d", embedding=np.zeros(8, np.float16))
    with pytest.raises(FingerprintMismatch):
        register.add([odd], RunPosition(run.id, 9, RunCounts(read=9)))
    assert register.last_runs() == [run]


def test_a_finished_run_says_how_it_ended(register: Register) -> None:
    run = register.start_run("x", 1, 1)
    register.finish_run(run.id, "failed", 7, RunCounts(read=7, rejected=7), "rejects.csv")
    (ended,) = register.last_runs()
    assert (ended.state, ended.position, ended.rejects_file) == ("failed", 7, "rejects.csv")
    assert ended.started == run.started
    assert ended.finished is not None
    assert ended.finished.utcoffset() == timedelta(0)


def test_the_newest_runs_come_first_and_can_be_asked_of_one_source(register: Register) -> None:
    ids = [register.start_run(source, 1, 1).id for source in ("x", "y", "x", "y", "x", "y", "x")]
    assert [run.id for run in register.last_runs()] == ids[:1:-1]
    assert [run.id for run in register.last_runs(2, "x")] == [ids[6], ids[4]]
