"""What a register is asked by words, codes and pictures, on SQLite and PostgreSQL."""

from collections.abc import Callable, Sequence
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.marks import EncodedMark, Facets, MarkRecord
from indexer.register import Register
from models.vienna import PredictedCode, ViennaCode

Mark = Callable[..., EncodedMark]  # the fixture `mark`
SUN, TREE, TREE_1 = (ViennaCode.parse(text) for text in ("01.03", "05.01", "05.01.01"))
FACE, STAR = ViennaCode.parse("02.01"), ViennaCode.parse("01.01.02")


def found(register: Register, text: str) -> set[str]:
    numbers: Sequence[int] = register.numbers_with_text(text).tolist()
    assert numbers == sorted(numbers)
    return set(register.ids_numbered(numbers).values())


@pytest.mark.parametrize(
    ("words", "text", "matches"),
    [
        ("Café Noir", "café", True),
        ("CAFÉ", "fé", True),
        ("Cafe\u0301", "CAFÉ", True),  # composed and decomposed
        ("straße", "STRASSE", True),
        ("ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("ЯНДЕКС", "яндекс", True),
        ("ＡＣＭＥ", "acme", True),  # full-width
        ("İstanbul", "i\u0307stanbul", True),
        ("花王", "王", True),
        ("100% pure", "0% p", True),
        ("1000 pure", "0% p", False),
        ("a_b", "a_b", True),
        ("axb", "a_b", False),
        ("back\\slash", "k\\s", True),
        ("a/b", "a/b", True),
        ("a//b", "a/b", False),
        ("it's", "t's", True),
        ("acme", "acmes", False),
        (None, "", False),
    ],
)
def test_words_are_found_anywhere_in_any_case_and_literally(
    register: Register, words: str | None, text: str, matches: bool, mark: Mark
) -> None:
    register.add([mark("a", 1, text=words), mark("b", 1, text="\U0001f98a")])
    assert ("a" in found(register, text)) == matches
    assert found(register, "\U0001f98a") == {"b"}


# Whole letters only: a part that cuts a letter from its accent is no part of the words.
LETTERS = st.text(st.sampled_from("aAß\u00e9\u00c9ſﬁ%_\\/'* "), max_size=5)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(before=LETTERS, text=LETTERS, after=LETTERS, other=LETTERS)
def test_looking_for_words_agrees_with_python(
    register: Register, before: str, text: str, after: str, other: str, mark: Mark
) -> None:
    words = {"has": before + text + after, "may": other}
    register.add([mark(mark_id, 1, text=held) for mark_id, held in words.items()])
    stripped = {mark_id: held.strip() for mark_id, held in words.items()}  # as marks hold them
    expected = {one for one, held in stripped.items() if held and folded(text) in folded(held)}
    assert found(register, text) == expected


def folded(text: str) -> str:
    return text.replace("ﬁ", "fi").casefold()


def test_codes_are_counted_with_all_that_lies_below_each_mark_once(register: Register) -> None:
    both = EncodedMark(
        MarkRecord("a", vienna=(TREE_1, ViennaCode.parse("05.03"))),
        "d",
        predicted=(PredictedCode(TREE, 0.9), PredictedCode(STAR, 0.2)),
        confident=frozenset({TREE}),
    )
    register.add([both, EncodedMark(MarkRecord("b", vienna=(ViennaCode(5),)), "d")])
    assigned = {"05": 2, "05.01": 1, "05.01.01": 1, "05.03": 1}
    counts = {str(code): n for code, n in register.code_counts("assigned").items()}
    assert counts == assigned
    predicted = {str(code): n for code, n in register.code_counts("predicted").items()}
    assert predicted == {"05": 1, "05.01": 1}  # the star was not seen confidently
    assert {str(code): n for code, n in register.code_counts("either").items()} == assigned


def test_counts_of_codes_follow_every_write(register: Register) -> None:
    register.add([EncodedMark(MarkRecord("a", vienna=(SUN,)), "d")])
    assert register.code_counts("either")[SUN] == 1
    register.add([EncodedMark(MarkRecord("b", vienna=(SUN,)), "d")])
    assert register.code_counts("either")[SUN] == 2
    register.delete(["a", "b"])
    assert register.code_counts("either") == {}


def test_facets_name_what_live_marks_have_with_counts(register: Register, mark: Mark) -> None:
    assert register.facets() == Facets()
    register.add(
        [
            mark("a", 0, status="filed", office="US", nice=(1, 2), filed=date(2020, 1, 1)),
            mark("b", 2, status="filed", office=None, nice=(2,), filed=date(2021, 1, 1)),
            mark("c", 0, status="expired", office="EM", nice=(), filed=None),
            mark("d", 0, status="dead", office="XX", nice=(9,), filed=date(1999, 1, 1)),
        ]
    )
    register.delete(["d"])
    assert register.facets() == Facets(
        {"expired": 1, "filed": 2},
        {"EM": 1, "US": 1},
        {1: 1, 2: 2},
        filed=(date(2020, 1, 1), date(2021, 1, 1)),
        registered=(date(2021, 1, 1), date(2021, 1, 3)),
    )


def test_what_the_network_said_of_a_picture_is_known_by_its_pixels(
    register: Register, mark: Mark
) -> None:
    carrier = mark("a", 1)
    register.add([carrier, mark("b", 2)])
    digest = carrier.pixels_digest or ""
    known = register.encodings([digest, "unknown"])
    assert known.keys() == {digest}
    embedding, predicted, confident = known[digest]
    assert embedding.vectors.tolist() == carrier.embedding.vectors.tolist()
    assert embedding.boxes.tolist() == carrier.embedding.boxes.tolist()
    assert set(predicted) == set(carrier.predicted)
    assert confident == carrier.confident == {FACE}
