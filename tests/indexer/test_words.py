"""Words compared by spelling and sound, blind to case, accents, width and script."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from indexer.words.forms import Words, fold, keys, sound
from indexer.words.likeness import WordMatch, match_all, match_words
from tests.likeness_loop import of_texts

WILD = st.text(max_size=30)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORD = st.text(st.sampled_from(LETTERS), min_size=3, max_size=14)


def match(asked: str, mark: str) -> WordMatch | None:
    return match_words(Words.of(asked), Words.of(mark))


@pytest.mark.parametrize(
    ("asked", "mark", "kind"),
    [
        ("google", "Google", "exact"),
        ("cafe", "Café", "exact"),
        ("CAFÉ", "cafe\u0301", "exact"),
        ("MULLER", "Müller", "exact"),
        ("Mueller", "Müller", "exact"),
        ("Müller", "MUELLER", "exact"),
        ("ＴＯＲＶＯ", "Torvo", "exact"),
        ("strasse", "Straße", "exact"),
        ("Loreal", "L’Oréal", "exact"),
        ("redbull", "Red Bull", "exact"),
        ("red bull", "REDBULL", "exact"),
        ("king lion", "Lion King", "exact"),
        ("花王", "花王", "exact"),
        ("lion", "Lion King", "holds"),
        ("王", "花王", "holds"),
        ("torvo", "ТОРВО", "latin"),
        ("soni", "ソニー", "latin"),
        ("goog", "Google", "begins"),
        ("oogl", "Google", "contains"),
        ("gogle", "Google", "sounds"),
        ("kodak", "Codac", "sounds"),
        ("yandex", "Яндекс", "sounds"),
        ("polystation", "PlayStation", "sounds"),
        ("sansung", "Samsung", "letters"),
        ("fanasenic", "Panasonic", "letters"),
        ("lion cafe", "LION", "some words"),
        ("starbucks", "Mercedes", None),
        ("!", "Google", None),
        ("google", "", None),
    ],
)
def test_how_words_match_is_said(asked: str, mark: str, kind: str | None) -> None:
    found = match(asked, mark)
    assert (None if found is None else found.kind) == kind


def test_matches_are_said_in_plain_words() -> None:
    said = {
        mark: found.said
        for mark in ("Nike", "Nika", "Nike Air", "Nikea")
        if (found := match("nike", mark)) is not None
    }
    assert said == {
        "Nike": "same words",
        "Nika": "sounds alike",
        "Nike Air": "same words among others",
        "Nikea": "begins like it",
    }
    found = match("sansung", "Samsung")
    assert found is not None
    assert (found.said, found.letters) == ("1 letter differs", 1)
    some = match("lion cafe bar", "Lion Cafe")
    assert some is not None
    assert some.said == "2 of 3 words"


def test_the_nearer_word_scores_higher() -> None:
    marks = ["Google", "Gogle Maps", "Google Cloud Platform", "Goggles", "Gobble"]
    scores = [found.score for mark in marks if (found := match("gogle", mark))]
    assert len(scores) == len(marks)
    assert scores == sorted(scores, reverse=True)


def test_the_score_is_made_as_the_documentation_says() -> None:
    def score(asked: str, mark: str) -> float:
        found = match(asked, mark)
        return 0.0 if found is None else found.score

    assert score("gogle", "Google") == pytest.approx(5 / 6 + (1 / 6) / 2)
    assert score("goog", "Google") == pytest.approx(4 / 6 + (2 / 6) * 2 / 3)
    assert score("sansung", "Samsung") == pytest.approx(6 / 7)
    assert score("lion", "Lion King") == pytest.approx(0.8 + 0.2 * 4 / 8)
    assert score("lion cafe", "Lion") == pytest.approx(4 / 8)
    assert score("lion cafe", "Lion Bar") == pytest.approx(5 / 8)  # without blanks 3 of 8 differ
    assert score("torvo", "ТОРВО") == pytest.approx(0.95)


@given(WILD)
@example("İ")
@example("ŉ")
@example("\u1e9e")
@example("ǰ")
@example("ﬃ")
@example("Ω\u0301")
def test_folding_twice_changes_nothing_and_stays_in_normal_form(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)


@given(WILD)
def test_any_text_is_exactly_like_itself(text: str) -> None:
    words = Words.of(text)
    found = match_words(words, words)
    assert (found is None) == (not words.words)
    if found is not None:
        assert (found.kind, found.score, found.letters) == ("exact", 1.0, 0)


@given(WILD, WILD)
def test_likeness_goes_from_0_to_1_and_case_does_not_matter(asked: str, mark: str) -> None:
    found = match(asked, mark)
    if found is not None:
        assert 0.5 <= found.score <= 1
        assert 0 < found.found <= found.of
    assert match(asked.upper().lower(), mark) == match(asked.upper(), mark)


# Few letters, so that words are like each other in every way; umlauts have two spellings.
ALIKE = st.lists(st.text(st.sampled_from("aekcöüл花"), min_size=1, max_size=6), max_size=4)


@given(ALIKE.map(" ".join), st.lists(ALIKE.map(" ".join), max_size=8))
@example("gogle maps", ["Google", "Gogle", "maps gogle", "goglemaps", "", "Gog le", "Apsgogl"])
def test_all_marks_at_once_match_as_each_by_itself(asked: str, marks: list[str]) -> None:
    words = [Words.of(mark) for mark in marks]
    expected = [of_texts(Words.of(asked), mark) for mark in words]
    for found, slow in zip(match_all(Words.of(asked), words), expected, strict=True):
        assert (found is None) == (slow is None)
        if found and slow:
            assert found.score == pytest.approx(slow.score)
            assert replace(found, score=0) == replace(slow, score=0)


@given(WILD)
def test_words_are_letters_and_digits_and_have_a_spelling(text: str) -> None:
    for word in Words.of(text).words:
        assert word.folded
        assert all(word.spellings)
        assert all(keys(one) for one in word.spellings)


def one_edit(word: str, at: int, letter: str, kind: str) -> str:
    at %= len(word)
    return {
        "change": word[:at] + letter + word[at + 1 :],
        "add": word[:at] + letter + word[at:],
        "drop": word[:at] + word[at + 1 :],
        "swap": word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
    }[kind]


@given(
    WORD,
    st.integers(0, 99),
    st.sampled_from(LETTERS),
    st.sampled_from(("change", "add", "drop", "swap")),
)
def test_words_one_letter_apart_share_a_key(word: str, at: int, letter: str, kind: str) -> None:
    other = one_edit(word, at, letter, kind)
    if len(other) > 2:
        assert keys(word) & keys(other)


@given(st.text(st.sampled_from(LETTERS), max_size=20))
def test_words_that_sound_alike_share_a_key(word: str) -> None:
    other = word.replace("ck", "k").replace("ph", "f")
    if sound(word) and sound(word) == sound(other):
        assert keys(word) & keys(other)
