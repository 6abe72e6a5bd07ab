"""Keys and the audit log, in SQLite and in PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from indexer.errors import BadKey, FingerprintMismatch, UnknownKey
from indexer.marks import EncodedMark, MarkRecord
from indexer.register import Register
from indexer.register.audit import Actor, acting
from indexer.register.keys import Key, Scope
from indexer.runs import RunCounts, RunPosition

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)


def key(name: str, **fields: Any) -> Key:
    return Key(name, Scope.INDEX, f"{name:0>64}", NOW, **fields)


def noted(register: Register) -> list[tuple[str, str]]:
    return [(one.action, one.subject) for one in reversed(register.audit.newest())]


def test_keys_are_kept_listed_by_name_and_revoked_once(register: Register) -> None:
    register.keys.add(key("b", expires=NOW + timedelta(days=1)))
    register.keys.add(key("a"))
    assert register.keys.all() == [key("a"), key("b", expires=NOW + timedelta(days=1))]
    register.keys.note_use({"a": NOW, "nobody": NOW})
    register.keys.revoke("a", NOW)
    assert register.keys.all()[0] == key("a", used=NOW, revoked=NOW)
    for name in ("a", "nobody"):
        with pytest.raises(UnknownKey, match=f"no key '{name}'"):
            register.keys.revoke(name, NOW)
    with pytest.raises(BadKey, match="is or was a key 'a'"):
        register.keys.add(key("a"))
    assert noted(register) == [
        ("create index key", "b"),
        ("create index key", "a"),
        ("revoke key", "a"),
    ]


def test_a_key_is_in_force_until_it_expires_or_is_revoked() -> None:
    assert key("a").is_live(NOW)
    assert key("a", expires=NOW + timedelta(seconds=1)).is_live(NOW)
    assert not key("a", expires=NOW).is_live(NOW)
    assert not key("a", revoked=NOW - timedelta(days=9)).is_live(NOW)


def test_every_write_is_noted_with_who_did_it_and_in_which_request(register: Register) -> None:
    token = acting.set(Actor("key importer", "request-7"))
    try:
        register.add([EncodedMark(MarkRecord(f"m{n}"), "d") for n in range(8)])
    finally:
        acting.reset(token)
    assert register.delete(["m1", "m2", "nobody"]) == 2
    assert register.delete(["nobody"]) == 0
    run = register.start_run("marks.csv", 1, 1)
    register.finish_run(RunPosition(run.id, 3, RunCounts(read=3)), "finished")
    assert noted(register) == [
        ("write marks", "m0, m1, m2, m3, m4 and 3 more"),
        ("withdraw marks", "m1, m2, nobody"),
        ("begin run", "marks.csv"),
        ("end run: finished", f"run {run.id}, 3 rows read"),
    ]
    written = register.audit.newest(who="key importer")
    assert [(one.action, one.request) for one in written] == [("write marks", "request-7")]
    assert abs(datetime.now(UTC) - written[0].at) < timedelta(minutes=1)
    (newest,) = register.audit.newest(limit=1)
    assert newest.who.startswith("account ")
    assert newest.request is None


def test_what_was_not_written_is_not_noted(register: Register, mark: Any) -> None:
    register.bind_fingerprint("f", 8)
    with pytest.raises(FingerprintMismatch):
        register.add([mark("a")])  # of 16 numbers
    register.keys.add(key("a"))
    with pytest.raises(BadKey):
        register.keys.add(key("a"))
    assert noted(register) == [("create index key", "a")]


def test_old_entries_are_forgotten_and_who_did_that_is_not(register: Register) -> None:
    for name in ("a", "b"):
        register.keys.add(Key(name, Scope.READ, f"{name:0>64}", NOW))
    assert register.audit.forget(datetime(2000, 1, 1, tzinfo=UTC)) == 0
    assert len(register.audit.newest()) == 3
    assert register.audit.forget(datetime.now(UTC) + timedelta(days=1)) == 3
    (kept,) = register.audit.newest()
    assert kept.action == "forget audit log"
    assert kept.subject.startswith("3 writes before ")
