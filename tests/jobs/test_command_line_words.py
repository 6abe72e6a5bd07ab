"""`marklens words`, and words read by `index` and left out by `search`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models import errors
from tests.lettering import lettered

Run = Callable[..., Any]
Parsed = Callable[[Any], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of three pictures: two with words, one without."""
    made = tmp_path / "pictures"
    made.mkdir()
    for name, text in (("lion", "LION CAFE"), ("disc", ""), ("tiger", "TIGER BAR")):
        lettered(text).save(made / f"{name}.png")
    return made


def test_the_words_of_a_picture_are_shown(run: Run, folder: Path, parsed: Parsed) -> None:
    shown = run("words", "show", folder / "lion.png")
    assert shown.exit_code == 0
    assert "LION CAFE" in shown.stdout
    assert "no words in" in run("words", "show", folder / "disc.png").stdout
    found = parsed(run("words", "show", folder / "tiger.png", "--json"))
    assert found["text"] == "TIGER BAR"


def test_marks_are_found_by_words_that_were_read_as_they_came(
    run: Run, folder: Path, parsed: Parsed
) -> None:
    shown = run("index", folder, "--read-words")
    assert "words were read in 2 of 3 pictures of marks without any" in shown.stdout
    assert "LION CAFE (read)" in run("search", "--text", "lyon cafe").stdout
    assert parsed(run("index", folder, "--read-words", "--json"))["words_read"] == 0
    bare = parsed(run("search", folder / "lion.png", "--ignore-words", "--json"))
    assert bare["hits"][0]["id"] == "disc"


def test_a_register_that_exists_is_read_once(run: Run, folder: Path, parsed: Parsed) -> None:
    run("index", folder)
    assert "LION" not in run("search", "--text", "lion cafe").stdout
    first = run("words", "read")
    assert first.stdout == "words were read in 2 of 3 pictures\n"
    assert "LION CAFE (read)" in run("search", "--text", "lion cafe").stdout
    again = parsed(run("words", "read", "--json"))
    assert again == {"read": 0, "with_words": 0, "skipped": [], "interrupted": False}


def test_without_the_extra_it_is_said_how_to_install_it(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("index", folder)
    monkeypatch.setattr(errors, "find_spec", lambda name: name != "rapidocr" or None)
    for words in (
        ("words", "show", folder / "lion.png"),
        ("words", "read"),
        ("index", folder, "--read-words"),
        ("search", folder / "lion.png", "--ignore-words"),
    ):
        refused = run(*words)
        assert refused.exit_code == 1
        assert "pip install '.[words]'" in refused.stderr
    assert run("search", folder / "lion.png").exit_code == 0
