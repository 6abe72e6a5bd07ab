"""What real marks are made of: which Vienna divisions occur together, and how often with words."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.vienna import ViennaCode

ELLIPSES = ViennaCode(26, 99)  # the EUIPO's own division; WIPO's classification has them in 26.01
ALPHABET = ViennaCode(27, 99)  # the EUIPO's own: which letters a monogram consists of
_OWN_CATEGORIES = 90  # 98 and 99 are the EUIPO's, without pictures' content


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one mark is made of.

    Attributes:
        divisions: its divisions (27.99 says that it is letters).
        words: it carries words.
    """

    divisions: frozenset[ViennaCode]
    words: bool


class CodeStatistics:
    """Recipes and how often each occurs; only counts are kept, no record of any mark."""

    def __init__(self, counts: Mapping[Recipe, int]) -> None:
        """Take recipes with their counts; the order does not matter."""
        self._recipes = sorted(counts, key=lambda r: (sorted(map(str, r.divisions)), r.words))
        self._counts = [counts[recipe] for recipe in self._recipes]
        weights = np.array(self._counts, np.float64)
        self._bounds = np.cumsum(weights) / weights.sum()

    @classmethod
    def read(cls, path: Path) -> "CodeStatistics":
        """Count the recipes of a register.

        Args:
            path: JSON object: mark → ``{"Codes": ["260402", …], "Text": …}``; the text itself is
                not kept.
        """
        marks = json.loads(path.read_text(encoding="utf-8"))
        return cls.count((row["Codes"], "Text" in row) for row in marks.values())

    @classmethod
    def count(cls, marks: Iterable[tuple[Iterable[str], bool]]) -> "CodeStatistics":
        """Count recipes of marks given as (codes, carries words)."""
        counts: Counter[Recipe] = Counter()
        for codes, words in marks:
            counts[Recipe(frozenset(_divisions(codes)), words)] += 1
        return cls(counts)

    @classmethod
    def load(cls, path: Path) -> "CodeStatistics":
        """Read what :meth:`save` wrote."""
        return cls(
            {
                Recipe(frozenset(map(ViennaCode.parse, row["divisions"])), row["words"]): row["n"]
                for row in json.loads(path.read_text("utf-8"))
            }
        )

    def save(self, path: Path, least: int = 2) -> None:
        """Write the recipes that at least ``least`` marks share, so that no line is one mark's."""
        rows = [
            {"divisions": sorted(map(str, recipe.divisions)), "words": recipe.words, "n": count}
            for recipe, count in zip(self._recipes, self._counts, strict=True)
            if count >= least
        ]
        path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", "utf-8")

    def draw(self, rng: np.random.Generator) -> Recipe:
        """Draw a recipe as often as it occurs."""
        place = int(np.searchsorted(self._bounds, rng.random(), side="right"))
        return self._recipes[min(place, len(self._recipes) - 1)]


def _divisions(codes: Iterable[str]) -> Iterable[ViennaCode]:
    for text in codes:
        code = ViennaCode.parse(text)
        if code.category < _OWN_CATEGORIES and code.division:
            division = ViennaCode(code.category, code.division)
            yield ViennaCode(26, 1) if division == ELLIPSES else division
