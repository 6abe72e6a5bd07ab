"""Order and forms of letters that run from right to left, as they stand on a page."""

import unicodedata

import pytest

from search_api.report.right_to_left import visual_order


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("plain (Latin) 12", "plain (Latin) 12"),
        ("שלום", "םולש"),
        ("abc שלום def", "abc םולש def"),
        ("שלום 12.5 עולם", "םלוע 12.5 םולש"),  # numbers keep their order
        ("abc שלום 12 def", "abc 12 םולש def"),
        ("שלום abc def עולם", "םלוע abc def םולש"),
        ("(שלום)", "(םולש)"),  # brackets are mirrored and change places
        ("שלום!", "!םולש"),
        ("שָׁלוֹם", "םוֹלשָׁ"),  # marks stay with their letter
    ],
)
def test_a_line_is_put_in_the_order_that_unicode_tells(line: str, seen: str) -> None:
    assert visual_order(line) == unicodedata.normalize("NFC", seen) or visual_order(line) == seen


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("محمد", "DAL FINAL, MEEM MEDIAL, HAH MEDIAL, MEEM INITIAL"),
        ("دار", "REH ISOLATED, ALEF ISOLATED, DAL ISOLATED"),  # none of them joins the next
        ("لا", "LIGATURE LAM WITH ALEF ISOLATED"),
        ("سلام", "MEEM ISOLATED, LIGATURE LAM WITH ALEF FINAL, SEEN INITIAL"),
    ],
)
def test_arabic_letters_have_the_form_that_their_neighbours_give_them(
    word: str, forms: str
) -> None:
    names = [unicodedata.name(sign) for sign in visual_order(word)]
    plain = [name.removeprefix("ARABIC ").replace("LETTER ", "") for name in names]
    assert ", ".join(name.removesuffix(" FORM") for name in plain) == forms
