"""`marklens watch`: lists that each indexing run is compared with."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from indexer.register import Register
from search_api.watch.watching import Watching

Run = Callable[..., Any]
Draw = Callable[..., Image.Image]


@pytest.fixture
def folder(tmp_path: Path, draw_mark: Draw) -> Path:
    """A folder of two pictures."""
    made = tmp_path / "first"
    made.mkdir()
    for number in range(2):
        draw_mark(number).save(made / f"old-{number}.png")
    return made


def test_an_indexing_run_says_what_came_near(
    run: Run, folder: Path, tmp_path: Path, draw_mark: Draw
) -> None:
    logo = tmp_path / "logo.png"
    draw_mark(50).save(logo)
    assert run("index", folder).exit_code == 0
    made = run("watch", "add", "ours", logo, "--mark", "old-1", "--threshold", "0.99")
    assert made.exit_code == 0, made.stderr
    assert "2 signs watched as ours" in made.stdout
    second = tmp_path / "second"
    second.mkdir()
    draw_mark(50).save(second / "same.png")
    draw_mark(1).save(second / "copy.png")
    draw_mark(7).save(second / "other.png")
    done = run("index", second)
    assert done.exit_code == 0
    assert "2 marks came near ours (2): marklens watch show NAME" in done.stderr
    shown = json.loads(run("watch", "show", "ours", "--json").stdout)
    found = {(one["sign"], one["mark"], round(one["score"], 6)) for one in shown["events"]}
    assert found == {("logo.png", "same", 1.0), ("old-1", "copy", 1.0)}
    assert "same" in run("watch", "show", "ours").stdout
    assert [one["read"] for one in shown["events"]] == [False, False]
    (listed,) = json.loads(run("watch", "list", "--json").stdout)["watches"]
    assert listed["unread"] == 2
    newest, older = (one["id"] for one in shown["events"])
    assert run("watch", "read", "ours", "--upto", str(older)).stdout == "1 new mark of ours\n"
    assert "new" in run("watch", "show", "ours").stdout
    assert run("watch", "read", "ours").stdout == "0 new marks of ours\n"
    assert " new " not in run("watch", "show", "ours").stdout
    assert newest > older
    for words in (
        ("read", "ours", "--upto"),
        ("show", "ours", "--after"),
        ("show", "ours", "--limit"),
    ):
        assert run("watch", *words, str(2**63)).exit_code == 2
    assert "came near" not in run("index", second).stderr


def test_what_another_process_compared_first_is_told_too_and_each_mark_counts_once(
    run: Run, folder: Path, tmp_path: Path, draw_mark: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("index", folder).exit_code == 0
    for name in ("first", "second"):
        run("watch", "add", name, "--mark", "old-1", "--threshold", "0.99")
    check = Watching.check

    def beaten(own: Watching) -> int:
        """Compare when all was compared already, as by a server beside."""
        assert check(own) == 2
        return check(own)

    monkeypatch.setattr(Watching, "check", beaten)
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    draw_mark(1).save(delivery / "copy.png")
    done = run("index", delivery, "--json")
    near = {"marks": 1, "watches": {"first": 1, "second": 1}}
    assert json.loads(done.stdout)["near"] == near
    assert "1 mark came near first (1), second (1): " in done.stderr
    draw_mark(1).save(delivery / "again.png")
    monkeypatch.undo()
    assert "1 mark came near first (1), second (1): " in run("index", delivery).stderr
    checked = run("watch", "check", "--json")
    assert json.loads(checked.stdout)["near"] == {"marks": 0, "watches": {}}
    assert run("watch", "check").stdout == "no mark came near\n"


def test_after_rebuild_with_another_network_the_next_run_is_compared(
    run: Run, environment: dict[str, str], folder: Path, tmp_path: Path, draw_mark: Draw
) -> None:
    run("index", folder)
    run("watch", "add", "ours", "--mark", "old-1", "--threshold", "0.99")
    url = f"sqlite:///{environment['MARKLENS_DATA_DIR']}/register.db"
    with closing(Register.open(url)) as register:
        (sign,) = register.watches.get("ours").signs
        register.watches.replace_embedding(replace(sign, fingerprint="another"))
    assert run("rebuild", "--encode").exit_code == 0
    second = tmp_path / "second"
    second.mkdir()
    draw_mark(1).save(second / "copy.png")
    assert "1 mark came near ours (1)" in run("index", second).stderr


def test_lists_are_listed_and_removed(run: Run, folder: Path) -> None:
    run("index", folder)
    assert "no watches" in run("watch", "list").stdout
    run("watch", "add", "a", "--mark", "old-0", "--nice", "25")
    listed = json.loads(run("watch", "list", "--json").stdout)["watches"]
    assert [(one["name"], one["signs"], one["asked"]) for one in listed] == [
        ("a", ["old-0"], {"nice": [25]})
    ]
    assert run("watch", "remove", "a").exit_code == 0
    assert run("watch", "remove", "a").exit_code == 2
    assert run("watch", "show", "a").exit_code == 2


def test_a_watch_is_changed(run: Run, folder: Path, tmp_path: Path, draw_mark: Draw) -> None:
    run("index", folder)
    run("watch", "add", "a", "--mark", "old-0", "--nice", "25", "--webhook", "https://a.invalid/x")
    draw_mark(7).save(tmp_path / "logo.png")
    words = ("--mark", "old-1", "--remove", "old-0", "--threshold", "0.8", "--no-webhook")
    changed = json.loads(run("watch", "edit", "a", tmp_path / "logo.png", *words, "--json").stdout)
    wanted = {"signs": ["old-1", "logo.png"], "threshold": 0.8, "webhook": None}
    assert changed | wanted | {"asked": {"nice": [25]}} == changed
    same = run("watch", "edit", "a", "--webhook", "https://b.invalid/x", "--mark", "old-1")
    assert same.stdout == "2 signs watched as a from 0.8\n"
    for words, sentence in (
        ((), "nothing is to be changed"),
        (("--remove", "old-0"), "does not watch old-0"),
        (("--remove", "old-1", "--remove", "logo.png"), "no sign would be left"),
        (("--threshold", "2"), "threshold is 2"),
    ):
        done = run("watch", "edit", "a", *words)
        assert done.exit_code == 2
        assert sentence in done.stderr
    assert run("watch", "edit", "none", "--threshold", "0.8").exit_code == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a"], "0 signs cannot be watched"),
        (["a", "missing.png"], "cannot be read"),
        (["a", "--mark", "none"], "none"),
        (["a", "--mark", "old-0", "--threshold", "2"], "threshold is 2"),
        (["a", "--mark", "old-0", "--nice", "99"], "Nice"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_sentence(
    run: Run, folder: Path, words: list[str], sentence: str
) -> None:
    run("index", folder)
    done = run("watch", "add", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr
