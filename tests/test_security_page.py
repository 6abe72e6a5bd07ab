"""docs/security.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_test_that_the_threat_model_names_exists() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    there = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 25
    assert named <= there, sorted(named - there)


def test_every_threat_has_a_defence_and_a_test() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    table = page.partition("| threat | defence | tried by |\n")[2].partition("\n\n")[0]
    rows = table.splitlines()[1:]
    assert len(rows) > 10
    for row in rows:
        _, threat, defence, tests, _ = row.split("|")
        assert threat.strip()
        assert defence.strip()
        assert "`test_" in tests, threat
