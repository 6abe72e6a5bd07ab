"""`marklens status` and `rebuild`, and the settings that say which register and network."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from search_api.marklens import MarkLens
from search_api.settings import Settings

Run = Callable[..., Any]
Parsed = Callable[[Any], Any]
Complaint = Callable[[Any], str]


@pytest.mark.usefixtures("empty_register")
def test_status_tells_what_is_there(run: Run, source: Path, parsed: Parsed) -> None:
    empty = parsed(run("status", "--json"))
    assert (empty["marks"], empty["index"]["lag"], empty["runs"]) == (0, 0, [])
    run("index", source)
    behind = parsed(run("status", "--json"))
    assert (behind["marks"], behind["sequence"], behind["index"]["lag"]) == (8, 8, 8)
    # A server may hold one in memory all the same: no word may deny that.
    assert behind["index"]["state"].startswith("no snapshot yet: a running server has the index")
    run("rebuild")
    state = parsed(run("status", "--json"))
    assert state["index"] == {"state": "up to date", "sequence": 8, "lag": 0}
    assert (state["network"]["device"], state["network"]["runtime"]) == ("cpu", "torch")
    assert state["network"]["state"] == "ready"
    (last,) = state["runs"]
    assert (last["state"], last["read"], last["indexed"]) == ("finished", 8, 8)
    shown = run("status").stdout
    assert re.search(r"^marks: +8$", shown, re.MULTILINE)
    assert "torch on cpu" in shown


def test_rebuild_makes_the_index_and_encode_every_embedding(
    run: Run, source: Path, parsed: Parsed
) -> None:
    run("index", source)
    assert run("rebuild").stdout == "8 marks in the index, up to change 8\n"
    assert parsed(run("rebuild", "--json"))["encoded"] == 0
    again = parsed(run("rebuild", "--encode", "--json"))
    assert (again["marks"], again["skipped"]) == (8, [])


@pytest.mark.parametrize(
    "command",
    [["status"], ["search", "--text", "word"], ["keys", "list"], ["keys", "revoke", "desk"]],
)
def test_a_mistyped_data_folder_is_refused_where_a_register_is_read(
    run: Run, tmp_path: Path, complaint: Complaint, command: list[str]
) -> None:
    failed = run("--data-dir", tmp_path / "mistyped", *command)
    assert failed.exit_code == 1
    assert f"There is no register at {tmp_path / 'mistyped'}" in complaint(failed)
    assert "--data-dir" in complaint(failed)
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize("command", [["export", "backup.csv"], ["rebuild"]])
def test_where_no_register_is_none_is_made_and_no_backup_overwritten(
    run: Run,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    complaint: Complaint,
    command: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run("index", source)
    run("export", "backup.csv")
    before = (tmp_path / "backup.csv").read_bytes()
    failed = run("--data-dir", tmp_path / "mistyped", *command)
    assert failed.exit_code == 1
    assert "There is no register at" in complaint(failed)
    assert "mistyped" in complaint(failed)
    assert (tmp_path / "backup.csv").read_bytes() == before
    assert not (tmp_path / "mistyped").exists()


@pytest.mark.parametrize("words", [["all.foo"], ["all.jsonl", "--for-spreadsheets"]])
def test_a_table_of_an_unknown_format_is_bad_input(
    run: Run, empty_register: None, words: list[str], complaint: Complaint
) -> None:
    failed = run("export", *words)
    assert failed.exit_code == 2
    assert complaint(failed).startswith(words[0])


def test_another_network_is_refused_until_rebuilt(
    run: Run,
    source: Path,
    environment: dict[str, str],
    tmp_path: Path,
    parsed: Parsed,
    complaint: Complaint,
) -> None:
    run("index", source)
    environment["MARKLENS_CHECKPOINT"] = str(tmp_path / "nowhere")
    failed = run("search", source / "1.png")
    assert failed.exit_code == 1
    assert "nowhere" in complaint(failed)
    assert "cannot be loaded" in parsed(run("status", "--json"))["network"]["state"]


def test_a_setting_that_cannot_be_used_is_named(
    run: Run, environment: dict[str, str], complaint: Complaint
) -> None:
    environment["MARKLENS_PORT"] = "http"
    failed = run("status")
    assert failed.exit_code != 0
    assert "MARKLENS_PORT" in complaint(failed)


def test_the_data_folder_can_be_given_before_the_command(
    run: Run, source: Path, tmp_path: Path, parsed: Parsed
) -> None:
    run("--data-dir", tmp_path / "other", "index", source)
    assert parsed(run("--data-dir", tmp_path / "other", "status", "--json"))["marks"] == 8
    assert not (tmp_path / "data").exists()


def test_a_run_whose_process_was_killed_is_not_said_to_be_running(
    run: Run, source: Path, tmp_path: Path, parsed: Parsed
) -> None:
    run("index", source)
    data_dir = tmp_path / "data"
    with MarkLens.open(Settings(data_dir=data_dir)) as marklens:
        begun = marklens.register.start_run("/marks.csv", 1, 1)
        identity = marklens.register.identity()
    assert parsed(run("status", "--json"))["runs"][0]["state"] == "running"
    (data_dir / f".run-{identity[:12]}-{begun.id}.lock").touch()
    assert parsed(run("status", "--json"))["runs"][0]["state"] == "interrupted"
