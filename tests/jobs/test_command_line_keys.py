"""`marklens keys`, `marklens audit`, and serving other machines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
Parsed = Callable[[Any], Any]
Complaint = Callable[[Any], str]


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(
    run: Run, parsed: Parsed, complaint: Complaint
) -> None:
    made = run("keys", "create", "importer", "--scope", "index", "--expires", "90")
    assert (made.exit_code, "keep it now" in made.stderr) == (0, True)
    (secret,) = made.stdout.splitlines()
    assert len(secret) > 40
    assert run("keys", "create", "desk").exit_code == 0
    listed = run("keys", "list")
    assert secret not in listed.output
    desk, importer = parsed(run("keys", "list", "--json"))["keys"]
    assert (desk["name"], desk["scope"], desk["state"]) == ("desk", "read", "in force")
    assert (desk["expires"], desk["used"]) == (None, None)
    assert importer["expires"] > importer["created"]
    assert run("keys", "revoke", "importer").exit_code == 0
    assert parsed(run("keys", "list", "--json"))["keys"][1]["state"] == "revoked"
    assert "no key 'importer'" in complaint(run("keys", "revoke", "importer"))
    again = run("keys", "create", "importer")
    assert (again.exit_code, "choose another name" in complaint(again)) == (2, True)


@pytest.mark.parametrize("name", ["", "a\nb", " a", "x" * 65])
def test_a_name_that_cannot_be_listed_is_refused(run: Run, complaint: Complaint, name: str) -> None:
    refused = run("keys", "create", name)
    assert (refused.exit_code, "1 to 64" in complaint(refused)) == (2, True)


def test_the_audit_log_names_the_account_of_what_is_done_here(
    run: Run, parsed: Parsed, source: Path
) -> None:
    run("keys", "create", "desk")
    run("index", source)
    entries = parsed(run("audit", "--json"))["entries"]
    assert [one["action"] for one in entries] == [
        "end run: finished",
        "begin run",
        "create read key",
    ]
    assert entries[0]["subject"] == "run 1, 8 rows read"
    assert entries[1]["subject"] == str(source / "marks.csv")
    assert {one["request"] for one in entries} == {None}
    (who,) = {one["who"] for one in entries}
    assert who.startswith("account ")
    assert len(parsed(run("audit", "--json", "-n", "1"))["entries"]) == 1
    assert parsed(run("audit", "--json", "--who", "key desk"))["entries"] == []
    assert "begin run" in run("audit").stdout


def test_the_audit_log_is_pruned_up_to_a_day(run: Run, complaint: Complaint) -> None:
    run("keys", "create", "desk")
    kept = run("audit", "--forget-before", "2001-01-01")
    assert "0 writes of before 2001-01-01" in kept.stderr
    assert "create read key" in kept.stdout
    gone = run("audit", "--forget-before", "2999-12-31")
    assert "2 writes of before 2999-12-31" in gone.stderr
    assert "create read key" not in gone.stdout
    assert "forget audit log" in gone.stdout
    assert run("audit", "--forget-before", "yesterday").exit_code == 2


def test_other_machines_are_not_served_without_any_key(run: Run, complaint: Complaint) -> None:
    refused = run("serve", "--host", "0.0.0.0", "--port", "18743")  # noqa: S104
    assert refused.exit_code == 1
    assert "there must be a key" in complaint(refused)
