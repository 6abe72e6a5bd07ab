"""Two writers at once, in SQLite and in PostgreSQL: none undoes what the other has written."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexer.errors import ChangedMeanwhile
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from indexer.runs import RunCounts, RunPosition

Office = Any  # the fixture `office`
Mark = Callable[..., EncodedMark]  # the fixture `mark`
FIELDS = "id,image,text,owner,status"


class LateRegister(Register):
    """One in which somebody else writes between the preparing and the writing of a batch."""

    meanwhile: list[Callable[[], object]]

    def add(self, *args: Any, **kwargs: Any) -> int:
        while self.meanwhile:
            self.meanwhile.pop()()
        return super().add(*args, **kwargs)


@pytest.fixture
def late(office: Office, register_url: str) -> Iterator[Office]:
    """An office that holds m0 to m3 with their pictures, and writes late."""
    held = LateRegister.open(register_url)
    held.meanwhile = []
    held.bind_fingerprint(office.encoder.fingerprint, office.encoder.dimension)
    office = replace(office, register=held)
    for seed in range(5):
        office.picture(f"{seed}.png", seed)
    rows = [f"m{n},{n}.png,word {n},old owner,filed" for n in range(4)]
    office.ingest_file(_table(office, "all.csv", FIELDS, *rows))
    yield office
    held.close()


@pytest.fixture
def other(late: Office, register_url: str) -> Iterator[Office]:
    """Another process's office, with the same pictures and register."""
    held = Register.open(register_url)
    yield replace(late, register=held)
    held.close()


def _table(office: Office, name: str, header: str, *rows: str) -> Path:
    path: Path = office.folder / name
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def _states(office: Office, *ids: str) -> Path:
    """A table of new states, and of nothing else."""
    return _table(office, "states.csv", "id,status", *(f"{one},opposed" for one in ids))


def test_two_tables_at_once_both_change_what_they_name(late: Office, other: Office) -> None:
    states = _states(late, "m0", "m1", "m2", "m3")
    owners = _table(other, "owners.csv", "id,owner", "m1,new owner", "m3,new owner")
    late.register.meanwhile.append(lambda: other.ingest_file(owners))
    assert late.counts(late.ingest_file(states)) == (4, 0, 4, 0, 0)
    assert [(one.record.status, one.record.owner) for one in other.register.every_mark()] == [
        ("opposed", "old owner"),
        ("opposed", "new owner"),
    ] * 2
    assert other.counts(other.ingest_file(states)) == (4, 0, 0, 4, 0)
    (run,) = late.register.last_runs(1, str(states))
    assert (run.state, run.counts.read) == ("finished", 4)


def test_a_change_of_the_state_alone_leaves_a_picture_that_came_meanwhile(
    late: Office, other: Office
) -> None:
    pictures = _table(other, "pictures.csv", "id,image", "m0,4.png", "m1,")
    late.register.meanwhile.append(lambda: other.ingest_file(pictures))
    late.ingest_file(_states(late, "m0", "m1"))
    drawn = other.register.mark("m0")
    assert (drawn.record.status, drawn.record.image_name) == ("opposed", "4.png")
    assert late.images.get(drawn.image_digest) == (late.folder / "4.png").read_bytes()
    other.ingest_file(_table(other, "new.csv", "id,image", "same,4.png"))
    first, second = (other.register.embedding(one) for one in ("m0", "same"))
    assert first.vectors.tolist() == second.vectors.tolist()
    bare = other.register.mark("m1")
    assert (bare.record.status, bare.image_digest) == ("opposed", None)
    assert other.register.embedding("m1") is None


def test_a_mark_that_came_meanwhile_keeps_what_a_table_leaves_out(
    late: Office, other: Office
) -> None:
    new = _table(other, "new.csv", FIELDS, "m9,4.png,word 9,owner,filed")
    late.register.meanwhile.append(lambda: other.ingest_file(new))
    late.ingest_file(_states(late, "m9"))
    mark = other.register.mark("m9")
    assert (mark.record.owner, mark.record.status) == ("owner", "opposed")
    assert mark.image_digest is not None


def test_of_a_mark_that_was_withdrawn_meanwhile_nothing_old_comes_back(
    late: Office, other: Office
) -> None:
    late.register.meanwhile.append(lambda: other.register.delete(["m0"]))
    late.ingest_file(_states(late, "m0", "m1"))
    mark = other.register.mark("m0")  # as if the table had come after the withdrawal
    assert (mark.record, mark.image_digest) == (MarkRecord("m0", status="opposed"), None)
    assert other.register.mark("m1").record.owner == "old owner"


def test_what_somebody_else_has_written_just_so_is_not_written_again(
    late: Office, other: Office
) -> None:
    states = _states(late, "m0", "m1")
    late.register.meanwhile.append(lambda: other.ingest_file(states))
    late.ingest_file(states)
    assert late.register.sequence() == 4 + 2
    assert {one.state for one in late.register.last_runs()} == {"finished"}


def test_an_offices_update_leaves_what_was_registered_by_hand_meanwhile(
    late: Office, other: Office, st66: Any
) -> None:
    late.ingest_file(st66.write(late.folder / "1.xml", [st66.mark(1, "LION", "0.png")]))
    held = other.register.mark("XX-1").record
    by_hand = EncodedMark(replace(held, owner="by hand"), "digest")
    late.register.meanwhile.append(lambda: other.register.add([by_hand]))
    update = """<TradeMark operationCode="Update">
      <RegistrationOfficeCode>XX</RegistrationOfficeCode>
      <ApplicationNumber>1</ApplicationNumber>
      <MarkCurrentStatusCode>Opposed</MarkCurrentStatusCode>
    </TradeMark>"""
    late.ingest_file(st66.write(late.folder / "2.xml", [update]))
    assert other.register.mark("XX-1").record == replace(held, owner="by hand", status="opposed")


def test_a_picture_that_cannot_be_had_leaves_the_one_that_came_meanwhile(
    late: Office, other: Office
) -> None:
    good = _table(other, "good.csv", "id,image", "m0,4.png")
    late.register.meanwhile.append(lambda: other.ingest_file(good))
    late.ingest_file(_table(late, "bad.csv", FIELDS, "m0,gone.png,word,owner,filed"))
    mark = other.register.mark("m0")
    assert (mark.record.image_name, mark.record.text) == ("4.png", "word")
    assert late.images.get(mark.image_digest) == (late.folder / "4.png").read_bytes()


def test_marks_that_changed_since_they_were_seen_are_not_written(
    register: Register, mark: Mark
) -> None:
    register.add([mark("a"), mark("b")])
    register.delete(["b"])
    run = register.start_run("x", 1, 1)
    reached = RunPosition(run.id, 9, RunCounts(read=9))
    for seen in ({"a": 0}, {"a": 2}, {"b": 2}, {"a": 1, "b": 1}):
        with pytest.raises(ChangedMeanwhile):
            register.add([mark("a", 1), mark("b", 1)], reached, seen=seen)
    assert (register.sequence(), register.last_runs()) == (3, [run])
    register.add([mark("a", 1), mark("b", 1), mark("c")], reached, seen={"a": 1, "b": 0, "c": 0})
    assert (register.count(), register.last_runs()[0].position) == (3, 9)
