"""`marklens verify` goes on where something is damaged, and beside servers; so do repairs."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from indexer.index import snapshot_check
from indexer.index.snapshot_check import SnapshotCheck
from indexer.index.vectors.snapshot import MANIFEST
from models.vienna import ViennaCode

Held = Any  # the fixture's class


def update(held: Held, values: str, of: str = "EM-2") -> None:
    held.sql(f"UPDATE marks SET {values} WHERE id = '{of}'")  # noqa: S608 - ours


def test_of_a_damaged_file_nothing_else_is_said(held: Held) -> None:
    if not held.url.startswith("sqlite"):
        pytest.skip("PostgreSQL's files are checked by pg_amcheck")
    file = held.data / "register.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'marks'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    content[(root - 1) * size : (root - 1) * size + 200] = b"\xee" * 200
    file.write_bytes(content)
    code, found = held.verify()
    assert (code, found.keys()) == (1, {"database"})


@pytest.mark.parametrize("value", ["CAST(x'ff41' AS TEXT)", "x'ff41'"])
@pytest.mark.parametrize("column", ["owner", "status", "text"])
def test_a_value_that_is_no_text_leaves_the_others_checked(
    held: Held, column: str, value: str
) -> None:
    if not held.url.startswith("sqlite"):
        pytest.skip("PostgreSQL takes no such value")
    update(held, f"{column} = {value}")
    update(held, "number = 77", "EM-7")
    update(held, "digest = 'd'", "EM-3")
    code, found = held.verify()
    assert code == 1
    assert [one["subject"] for one in found["mark-unreadable"]["examples"]] == ["EM-2"]
    assert [one["subject"] for one in found["mark-altered"]["examples"]] == ["EM-3"]
    assert "left-over" not in found  # nobody knows its words


def test_what_was_found_is_said_though_the_rest_cannot_be_checked(held: Held) -> None:
    update(held, "digest = 'd'")
    shutil.rmtree(held.data / "images")
    (held.data / "images").mkdir()
    (held.data / "images" / "ab").write_bytes(b"no folder")
    result = held.run("verify", "--json")
    assert result.exit_code == 2
    assert "cannot be checked: cannot read from" in result.stderr
    assert [one["kind"] for one in json.loads(result.stdout)["found"]] == ["mark-altered"]


def test_what_nobody_thought_of_is_not_told_as_damage(
    run: Callable[..., Any], empty_register: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*_: object, **__: object) -> None:
        raise ValueError("a fault of ours")

    monkeypatch.setattr("indexer.verify.verify", check)
    result = run("verify")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "unexpected ValueError: a fault of ours" in result.stderr


def test_a_rebuild_that_was_stopped_is_named_and_no_mark(held: Held) -> None:
    held.sql("UPDATE meta SET value = 'unfinished rebuild for x' WHERE key = 'fingerprint'")
    code, found = held.verify()
    assert (code, found.keys()) == (1, {"network"})
    assert "goes on, or was stopped" in found["network"]["examples"][0]["details"]
    assert held.run("rebuild", "--encode").exit_code == 0
    assert held.verify() == (0, {})


@pytest.mark.parametrize("at", ["hashed", "opened"])
def test_a_snapshot_that_a_server_saves_meanwhile_is_no_damage(
    held: Held, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    of, name = (SnapshotCheck, "open") if at == "hashed" else (snapshot_check, "safe_open")
    look, saved = getattr(of, name), []

    def save_first(path: Path, **options: str) -> Any:
        if not saved:
            saved.append(path)
            before = list((held.data / "snapshots").glob("*.safetensors"))
            with held.register() as register:
                register.delete(["EM-5"])
            assert held.run("rebuild").exit_code == 0
            manifest = (held.data / "snapshots" / MANIFEST).read_text()
            for file in before:
                if file.name not in manifest:
                    file.unlink()
        return look(path, **options)

    monkeypatch.setattr(of, name, save_first)
    code, found = held.verify()
    assert saved
    assert (code, found.keys()) == (0, {"picture-of-no-mark"})


def test_damaged_trigrams_and_texts_are_mended_together(held: Held) -> None:
    if not held.url.startswith("sqlite"):
        pytest.skip("PostgreSQL keeps its trigrams itself")
    with closing(sqlite3.connect(held.data / "register.db")) as connection, connection:
        (trigger,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'mark_words_changed'"
        ).fetchone()
        connection.execute("DROP TRIGGER mark_words_changed")
        connection.execute("UPDATE marks SET text_folded = 'other' WHERE id < 'EM-4'")
        connection.execute(trigger)
        connection.execute("UPDATE mark_words_data SET block = x'00' WHERE id > 9")
    assert held.verify()[1].keys() == {"words"}
    result = held.run("rebuild", "--tables")
    assert result.exit_code == 0, result.output
    assert held.verify() == (0, {})


def test_tables_are_not_made_of_rows_that_cannot_be_read(held: Held) -> None:
    update(held, "lists = '[1]'")
    before = held.verify()
    result = held.run("rebuild", "--tables")
    assert result.exit_code == 1
    assert "Nothing was made anew" in result.stderr
    assert "Traceback" not in result.output
    assert held.verify() == before


def test_a_mark_that_lost_its_lists_stops_no_tables(held: Held) -> None:
    update(held, "lists = NULL")
    with held.register() as register:
        register.derived.make_anew()
        assert register.code_counts("assigned")[ViennaCode.parse("03.01.08")] == 2


def test_a_server_that_runs_counts_again_once_tables_are_made_anew(held: Held) -> None:
    with held.register() as server:
        counts = server.code_counts("assigned")
        held.sql("DELETE FROM mark_codes")
        with held.register() as other:
            assert other.code_counts("assigned") == {}
            assert held.run("rebuild", "--tables").exit_code == 0
            assert other.code_counts("assigned") == server.code_counts("assigned") == counts
    assert held.verify() == (0, {})


@pytest.mark.parametrize(
    ("behind", "code", "kind"),
    [
        (0, 0, None),
        (2, 0, "snapshot-behind"),
        (-2, 1, "snapshot-other"),
        (None, 1, "snapshot-other"),
    ],
)
def test_with_milvus_its_collection_is_looked_at_and_no_snapshot(
    held: Held,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    behind: int | None,
    code: int,
    kind: str | None,
) -> None:
    (held.data / "snapshots" / MANIFEST).write_text("damaged")  # of a time before Milvus
    environment["MARKLENS_INDEX"] = "milvus://127.0.0.1:1/marks"
    monkeypatch.setattr(  # a real server's position: tests/indexer/test_milvus.py
        "search_api.indexes.server_position",
        lambda _, register: ("Milvus", None if behind is None else register.sequence() - behind),
    )
    said, found = held.verify()
    assert (said, list(found)) == (code, [] if kind is None else [kind])
