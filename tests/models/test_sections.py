"""Sections told by a drawing's name."""

import pytest

from models.marknet.sections import SectionLexicon
from models.vienna import ViennaCode, ViennaTree


def told(name: str, *divisions: str) -> dict[str, list[str]]:
    lexicon = SectionLexicon.load()
    found = lexicon.sections_by_division(name, [ViennaCode.parse(code) for code in divisions])
    return {str(code): sorted(map(str, sections)) for code, sections in found.items()}


@pytest.mark.parametrize(
    ("name", "divisions", "sections"),
    [
        ("cat", ["03.01"], {"03.01": ["03.01.06"]}),
        ("Cat_with-Tears 2", ["03.01"], {"03.01": ["03.01.06"]}),
        ("dog-and-cat", ["03.01"], {"03.01": ["03.01.06", "03.01.08"]}),
        ("cat", ["11.03"], {}),  # a cup called so shows no cat
        ("cattle-truck", ["03.01"], {}),  # no term within a word
        ("raccoon", ["03.01"], {}),  # the title names none
        ("cat-raccoon", ["03.01"], {}),  # there is another
        ("", ["03.01"], {}),
        ("key", ["14.05"], {"14.05": ["14.05.01"]}),
    ],
)
def test_a_name_tells_sections_of_the_divisions_shown(
    name: str, divisions: list[str], sections: dict[str, list[str]]
) -> None:
    assert told(name, *divisions) == sections


def test_the_longest_term_counts() -> None:
    lexicon = SectionLexicon(
        {"03.01": {"horse": ["03.03.01"], "sea horse": ["03.09.18"], "sea": []}}
    )
    division = ViennaCode.parse("03.01")
    assert lexicon.sections_by_division("sea-horse", [division]) == {
        division: {ViennaCode.parse("03.09.18")}
    }
    assert lexicon.sections_by_division("horse-sea", [division]) == {}
    assert SectionLexicon({}).sections_by_division("horse", [division]) == {}


def test_every_section_of_the_lexicon_is_in_the_classification_below_its_division() -> None:
    tree = ViennaTree.load()
    for division, meanings in SectionLexicon.load().terms.items():
        for term, sections in meanings.items():
            for section in sections:
                assert section in tree, (term, section)
                assert division.covers(section), (term, section)
