"""Vienna codes by subject: everyday words, plurals, spellings, and the table that ships."""

from pathlib import Path

import pytest

import models.subjects
from models.subjects import everyday_words, find_subjects
from models.vienna import ViennaTree

tree = ViennaTree.load()


def first(text: str) -> str:
    return str(find_subjects(text)[0].code)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("tiara", "24.09"),
        ("puppy", "03.01.08"),
        ("airplane", "18.05.01"),
        ("aeroplane", "18.05.01"),
        ("swoosh", "26.11.12"),
        ("fleur-de-lis", "05.05.02"),
        ("Fleur de Lys", "05.05.02"),
        ("bunny", "03.05.01"),
        ("light bulb", "13.01.17"),
        ("Crêpes", "08.07.16"),
    ],
)
def test_everyday_words_find_their_code_first(asked: str, code: str) -> None:
    assert first(asked) == code


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fox", "foxes"),
        ("puppy", "puppies"),
        ("cookie", "cookies"),
        ("leaf", "leaves"),
        ("mouse", "mice"),
        ("woman", "women"),
        ("bus", "buses"),
        ("tyre", "tires"),
        ("harbour", "harbors"),
        ("grey", "gray"),
        ("jewellery", "jewelry"),
        ("plough", "plows"),
        ("cat", "CATS"),
    ],
)
def test_plurals_and_spellings_are_one(one: str, other: str) -> None:
    assert find_subjects(one) == find_subjects(other)


def test_whole_words_come_before_beginnings_and_say_by_which_word() -> None:
    found = find_subjects("bus")
    assert (str(found[0].code), found[0].by) == ("18.01.08", "bus")
    assert [one.fit for one in found] == sorted(one.fit for one in found)
    assert any("Busts".lower() in tree.title(one.code).lower() for one in found[1:])
    assert find_subjects("foxes")[0].by is None, "the title itself says it"


def test_every_word_must_fit() -> None:
    titles = [tree.title(one.code) for one in find_subjects("sea lions")]
    assert titles
    assert all("lion" in title.lower() for title in titles)
    assert find_subjects("sea xylophage") == []
    assert find_subjects("  ") == find_subjects("…") == []


def test_a_code_finds_itself_and_what_is_below_it() -> None:
    found = [str(one.code) for one in find_subjects("3.1")]
    assert found[0] == "03.01"
    assert all(code.startswith("03.01") for code in found)
    assert "03.01.08" in found
    assert find_subjects("03.77") == []


def test_the_table_names_codes_that_exist_once_and_words_that_titles_lack() -> None:
    table = Path(models.subjects.__file__).with_name("vienna_subjects.txt").read_text("utf-8")
    assert "Written by" in table.splitlines()[1], "who wrote it"
    codes = [line.partition(":")[0] for line in table.splitlines() if line[0] != "#"]
    assert codes == sorted(set(codes))
    assert len(everyday_words()) == len(codes) > 500
    for code, words in everyday_words().items():
        assert code in tree, code
        assert all(words), code
        for word in words:
            hit = next(one for one in find_subjects(word) if one.code == code)
            assert (hit.fit, hit.by) == (0, word), (code, word)
