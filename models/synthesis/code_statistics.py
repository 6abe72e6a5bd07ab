"""Statistics of real marks: which Vienna divisions occur together, and how often with words."""

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
class CodeCombination:
    """Which divisions one mark bears together, and whether it carries words.

    Attributes:
        divisions: its divisions (27.99 says that it is letters).
        words: it carries words.
    """

    divisions: frozenset[ViennaCode]
    words: bool


class CodeStatistics:
    """Counts how often each combination of codes occurs; no record of any mark is kept."""

    def __init__(self, counts: Mapping[CodeCombination, int]) -> None:
        """Take combinations with their counts; the order does not matter."""
        self._combinations = sorted(counts, key=lambda r: (sorted(map(str, r.divisions)), r.words))
        self._counts = [counts[combination] for combination in self._combinations]
        weights = np.array(self._counts, np.float64)
        self._bounds = np.cumsum(weights) / weights.sum()

    @classmethod
    def read(cls, path: Path) -> "CodeStatistics":
        """Count the combinations of a register.

        Args:
            path: JSON object: mark → ``{"Codes": ["260402", …], "Text": …}``; the text itself is
                not kept.
        """
        marks = json.loads(path.read_text(encoding="utf-8"))
        return cls.count((row["Codes"], "Text" in row) for row in marks.values())

    @classmethod
    def count(cls, marks: Iterable[tuple[Iterable[str], bool]]) -> "CodeStatistics":
        """Count combinations of marks given as (codes, carries words)."""
        counts: Counter[CodeCombination] = Counter()
        for codes, words in marks:
            counts[CodeCombination(frozenset(_divisions(codes)), words)] += 1
        return cls(counts)

    @classmethod
    def load(cls, path: Path) -> "CodeStatistics":
        """Read what :meth:`save` wrote."""
        return cls(
            {
                CodeCombination(
                    frozenset(map(ViennaCode.parse, row["divisions"])), row["words"]
                ): row["n"]
                for row in json.loads(path.read_text("utf-8"))
            }
        )

    def save(self, path: Path, least: int = 2) -> None:
        """Write the combinations that ``least`` marks share at least: no line is one mark's."""
        rows = [
            {
                "divisions": sorted(map(str, combination.divisions)),
                "words": combination.words,
                "n": count,
            }
            for combination, count in zip(self._combinations, self._counts, strict=True)
            if count >= least
        ]
        path.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", "utf-8")

    def draw(self, rng: np.random.Generator) -> CodeCombination:
        """Draw a combination as often as it occurs."""
        place = int(np.searchsorted(self._bounds, rng.random(), side="right"))
        return self._combinations[min(place, len(self._combinations) - 1)]


def _divisions(codes: Iterable[str]) -> Iterable[ViennaCode]:
    for text in codes:
        code = ViennaCode.parse(text)
        if code.category < _OWN_CATEGORIES and code.division:
            division = ViennaCode(code.category, code.division)
            yield ViennaCode(26, 1) if division == ELLIPSES else division
