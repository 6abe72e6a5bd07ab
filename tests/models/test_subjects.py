"""Vienna codes by subject: everyday words, plurals, spellings, and the table that ships."""

from pathlib import Path

import pytest

import models.subjects
from models.subjects import MOST, everyday_words, find_subjects
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


def test_codes_with_all_words_come_before_those_with_most_and_the_noun_counts_most() -> None:
    found = find_subjects("sea lions")
    titles = [tree.title(one.code).lower() for one in found]
    whole = [title for one, title in zip(found, titles, strict=True) if one.fit < MOST]
    assert whole
    assert titles[: len(whole)] == whole
    assert all("sea lions" in title for title in whole)
    assert first("red star") == "01.01"
    assert first("green swiss cross") == "24.13.01"
    assert first("xylophage sea") == "06.03.04", "a word that no code has is passed over"
    assert find_subjects("  ") == find_subjects("…") == find_subjects("xyzzy") == []


def test_a_misspelt_word_is_one_letter_away_and_words_that_are_right_are_kept() -> None:
    assert first("crwon") == "24.09"
    assert first("papilon") == "03.13.01"
    assert all("beer" not in (one.by or "") for one in find_subjects("deer"))
    assert find_subjects("zat") == [], "words of three letters are near too many others"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("couronne", "24.09"),
        ("Œil", "02.09.04"),
        ("chevaux", "03.03.01"),
        ("oiseaux", "03.07"),
        ("feuille d’érable", "05.03.04"),
        ("tête de lion", "03.01.16"),
        ("lion's head", "03.01.16"),
        ("head of a lion", "03.01.16"),
    ],
)
def test_french_words_and_phrases_in_any_order_find_their_code(asked: str, code: str) -> None:
    assert first(asked) == code


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
