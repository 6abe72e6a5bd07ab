"""Finds the Vienna sections of what a pictogram shows from its name.

A pack of drawings gives divisions. Within its division a name often tells the section too: what is
called "cat" is 03.01.06, not another domestic animal. ``section_lexicon.json`` (division → term →
sections) was written for this from the classification's titles; a term without a section is there
to say that it tells none.
"""

import functools
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from models.vienna import ViennaCode

_LEXICON = Path(__file__).with_name("section_lexicon.json")
_TOKEN = re.compile(r"[a-z]+|[0-9]+")

SectionsByDivision = Mapping[ViennaCode, frozenset[ViennaCode]]


class SectionLexicon:
    """Terms by which a drawing's name tells its sections.

    Attributes:
        terms: division → term → sections; none where the term tells no section.
    """

    def __init__(self, terms: Mapping[str, Mapping[str, Iterable[str]]]) -> None:
        """Take division → term → sections, as the file has them."""
        self.terms = {
            ViennaCode.parse(division): {
                term: frozenset(map(ViennaCode.parse, sections))
                for term, sections in meanings.items()
            }
            for division, meanings in terms.items()
        }
        self._meaning: dict[tuple[str, ...], dict[ViennaCode, frozenset[ViennaCode]]] = {}
        for division, of_terms in self.terms.items():
            for term, sections in of_terms.items():
                self._meaning.setdefault(tuple(term.split()), {})[division] = sections
        self._longest = max(map(len, self._meaning), default=0)

    @classmethod
    @functools.cache
    def load(cls) -> "SectionLexicon":
        """Read the lexicon beside this file."""
        return cls(json.loads(_LEXICON.read_text("utf-8")))

    def sections_by_division(
        self, name: str, divisions: Collection[ViennaCode]
    ) -> SectionsByDivision:
        """Find the sections that a drawing's name tells, by the division that it shows.

        Args:
            name: of the drawing.
            divisions: those that it shows; a term counts for these alone.

        Returns:
            Each division of whose sections the name tells all, with them: where "cat" stands
            beside a term that tells no section, another animal may be there, too.
        """
        found: dict[ViennaCode, frozenset[ViennaCode]] = {}
        vague: set[ViennaCode] = set()
        for meaning in self._meanings(_TOKEN.findall(name.lower()), divisions):
            for division, sections in meaning.items():
                found[division] = found.get(division, frozenset()) | sections
                if not sections:
                    vague.add(division)
        return {division: found[division] for division in found if division not in vague}

    def _meanings(
        self, tokens: list[str], divisions: Collection[ViennaCode]
    ) -> Iterator[dict[ViennaCode, frozenset[ViennaCode]]]:
        """The terms in a name, the longest at each place, as far as they are of the divisions."""
        at = 0
        while at < len(tokens):
            for length in range(min(self._longest, len(tokens) - at), 0, -1):
                meaning = self._meaning.get(tuple(tokens[at : at + length]), {})
                shown = {code: meaning[code] for code in meaning if code in divisions}
                if shown:
                    yield shown
                    at += length - 1
                    break
            at += 1
