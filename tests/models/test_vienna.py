"""The Vienna Classification: codes in every spelling, and the table that ships."""

import itertools
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.errors import BadViennaCode
from models.vienna import ViennaCode, ViennaTree

numbers = st.integers(1, 99)
codes = st.one_of(
    st.builds(ViennaCode, numbers),
    st.builds(ViennaCode, numbers, numbers),
    st.builds(ViennaCode, numbers, numbers, numbers),
)
tree = ViennaTree.load()


# --- reading and writing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("3", "03"),
        ("03", "03"),
        ("5.3", "05.03"),
        ("03.01", "03.01"),
        ("0301", "03.01"),
        ("5.3.13", "05.03.13"),
        ("050313", "05.03.13"),
        ("A 5.3.13", "05.03.13"),
        ("a5.3.13", "05.03.13"),
        ("VC 05.03.13", "05.03.13"),
        ("  27.05.01\n", "27.05.01"),
        ("26.4.1.", "26.04.01"),
        ("50313", "05.03.13"),
        # As tables always read them; one reader serves tables, forms and files now.
        ("05-03-13", "05.03.13"),
        ("5 3 13", "05.03.13"),
    ],
)
def test_every_spelling_offices_use_is_read(text: str, written: str) -> None:
    assert str(ViennaCode.parse(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        *("", "cat", "A", "AA 3", ".5", "5..3", "5.3.13.1", "3.1,3.2", "٣", "0x3", "3e1"),
        *("0", "03.00", "000000", "100", "-3", "513", "59999", "1234567"),
    ],
)
def test_what_is_no_code_is_refused_with_the_text_and_what_is_accepted(text: str) -> None:
    with pytest.raises(BadViennaCode) as refusal:
        ViennaCode.parse(text)
    assert repr(text) in str(refusal.value)
    assert "03.01" in str(refusal.value) or "from 1 to 99" in str(refusal.value)


@given(codes)
def test_a_code_is_read_back_as_written(code: ViennaCode) -> None:
    written = str(code)
    assert ViennaCode.parse(written) == code
    assert ViennaCode.parse(f"A {written}") == code
    assert ViennaCode.parse(written.replace(".", "")) == code
    assert ViennaCode.parse(".".join(str(int(part)) for part in written.split("."))) == code


@given(st.one_of(st.text(), st.text(string.digits + ". AVC\n\0٣²", max_size=9)))
@example("A" * 10_000)
@example("1\n")
def test_any_text_is_a_code_or_a_refusal(text: str) -> None:
    try:
        code = ViennaCode.parse(text)
    except BadViennaCode:
        return
    assert ViennaCode.parse(str(code)) == code


@pytest.mark.parametrize("parts", [(0,), (100,), (1, 100), (1, 0, 5), (1, -1), (1, 1, 100)])
def test_numbers_that_no_code_has_are_refused(parts: tuple[int, ...]) -> None:
    with pytest.raises(BadViennaCode):
        ViennaCode(*parts)


# --- above and below -----------------------------------------------------------------------------


@given(codes)
def test_ancestors_stand_above_broadest_first_and_cover(code: ViennaCode) -> None:
    above = code.ancestors()
    assert [up.level for up in above] == ["category", "division", "section"][: len(above)]
    assert all(up.covers(code) and not code.covers(up) for up in above)
    assert code.covers(code)
    assert code not in above


@given(codes, codes)
def test_covering_is_what_the_written_prefix_says(one: ViennaCode, other: ViennaCode) -> None:
    assert one.covers(other) == f"{other}.".startswith(f"{one}.")


@given(st.lists(codes))
def test_codes_sort_as_their_written_form(some: list[ViennaCode]) -> None:
    assert [str(code) for code in sorted(some)] == sorted(str(code) for code in some)


# --- the table that ships ------------------------------------------------------------------------


def test_the_table_holds_the_whole_classification() -> None:
    categories = [str(code) for code in tree.codes("category")]
    assert categories == [f"{n:02d}" for n in range(1, 30)] + ["98", "99"]
    assert len(tree.codes("division")) > 140
    assert len(tree.codes("section")) > 1_700
    assert list(tree.codes()) == sorted(tree.codes())


def test_every_code_hangs_below_its_own_parent() -> None:
    for code in tree.codes():
        for parent, child in itertools.pairwise([*code.ancestors(), code]):
            assert child in tree.children(parent)
    assert tree.children() == tree.codes("category")
    assert tree.children(ViennaCode(3, 1, 8)) == ()


def test_titles_are_whole_sentences_not_what_fitted_into_eighty_characters() -> None:
    titles = {str(code): tree.title(code) for code in tree.codes()}
    assert titles["01"] == "Celestial bodies, natural phenomena, geographical maps"
    assert titles["13.01"] == "Lighting, wireless valves"
    assert titles["28.03"] == "Inscriptions in Chinese or Japanese characters"
    for code, title in titles.items():
        assert title == title.strip(" ,;.") or title.endswith("etc."), code
        assert title.count("(") == title.count(")"), code
        assert not title.isupper() or len(title) < 4, code
        assert title[0].isupper() or title[0] in "(3", code


def test_the_euipos_own_codes_are_marked_as_such() -> None:
    for text in ("98", "99", "26.99", "27.99"):
        assert "EUIPO" in tree.title(ViennaCode.parse(text))


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("03.01.05", "03.01.02, 03.01.04, 03.01.06, 03.01.08"),
        ("03.99", "03.11, 03.13, 03.15, 03.17"),
        ("31.05", "26, 27, 28, 29"),
        ("28.01.07", "28.01"),
    ],
)
def test_an_unknown_code_is_refused_with_the_codes_near_it(text: str, near: str) -> None:
    code = ViennaCode.parse(text)
    assert code not in tree
    with pytest.raises(BadViennaCode, match=rf"^{code} is not in the .*near it: .*{near}$"):
        tree.require(code)
    assert tree.title(code) == ""


def test_a_known_code_passes() -> None:
    assert tree.require(ViennaCode.parse("3.1.1")) == ViennaCode(3, 1, 1)
