"""The Vienna Classification of figurative elements: codes, their order and their titles.

Source: WIPO, "International Classification of the Figurative Elements of Marks" (Vienna
Agreement, 1973), as the EUIPO uses it; categories 98 and 99 are the EUIPO's own.
"""

import csv
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.errors import BadViennaCode

Level = Literal["category", "division", "section"]

_TABLE = Path(__file__).with_name("vienna_codes.csv")
_ACCEPTED = "write it like 3, 03.01, 5.3.13 or 050313"
# "A 5.3.13" marks an auxiliary section in WIPO's own tables; "VC" prefixes codes in some files.
_PREFIX = re.compile(r"^(?:VC|A)?\s*", re.IGNORECASE)
_DOTTED = re.compile(r"[0-9]{1,2}(?:\.[0-9]{1,2}){0,2}", re.ASCII)
_PACKED = re.compile(r"[0-9]{4}|[0-9]{6}", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class ViennaCode:
    """A category (``03``), division (``03.01``) or section (``03.01.08``).

    An absent division or section is 0, which the classification never uses, so that codes order
    as in the classification: a category before its divisions.
    """

    category: int
    division: int = 0
    section: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no code can have."""
        if not (1 <= self.category <= 99 and 0 <= self.division <= 99 and 0 <= self.section <= 99):
            raise BadViennaCode(f"{self} is not a Vienna code: its numbers go from 1 to 99")
        if self.section and not self.division:
            raise BadViennaCode(f"{self} is not a Vienna code: a section needs a division")

    @classmethod
    def parse(cls, text: str) -> "ViennaCode":
        """Read a code in any spelling offices use.

        Args:
            text: ``3``, ``03``, ``03.01``, ``5.3.13``, ``050313``, ``A 5.3.13``, ``VC 05.03.13``.

        Raises:
            BadViennaCode: it is none of these.
        """
        bare = _PREFIX.sub("", text.strip(), count=1)
        if _DOTTED.fullmatch(bare):
            numbers = [int(part) for part in bare.split(".")]
        elif _PACKED.fullmatch(bare):
            numbers = [int(bare[at : at + 2]) for at in range(0, len(bare), 2)]
        else:
            raise BadViennaCode(f"{text[:40]!r} is not a Vienna code: {_ACCEPTED}")
        if 0 in numbers:
            raise BadViennaCode(f"{text[:40]!r} is not a Vienna code: its numbers go from 1 to 99")
        return cls(*numbers)

    def __str__(self) -> str:
        """Write it as ``CC``, ``CC.DD`` or ``CC.DD.SS``."""
        numbers = [self.category, self.division, self.section]
        return ".".join(f"{number:02d}" for number in numbers if number)

    @property
    def level(self) -> Level:
        """How far down the classification the code stands."""
        if self.section:
            return "section"
        return "division" if self.division else "category"

    def ancestors(self) -> tuple["ViennaCode", ...]:
        """The codes above this one, broadest first."""
        if self.section:
            return (ViennaCode(self.category), ViennaCode(self.category, self.division))
        return (ViennaCode(self.category),) if self.division else ()

    def covers(self, other: "ViennaCode") -> bool:
        """Whether ``other`` is this code or below it."""
        return self == other or self in other.ancestors()


@dataclass(frozen=True, slots=True)
class PredictedCode:
    """A code seen in a picture, and how sure the network is (0..1, calibrated)."""

    code: ViennaCode
    probability: float


class ViennaTree:
    """All codes of the classification with their English titles."""

    def __init__(self, titles: dict[ViennaCode, str]) -> None:
        self._titles = dict(sorted(titles.items()))
        self._children: dict[ViennaCode | None, list[ViennaCode]] = {}
        for code in self._titles:
            above = code.ancestors()
            self._children.setdefault(above[-1] if above else None, []).append(code)

    @classmethod
    @functools.cache
    def load(cls) -> "ViennaTree":
        """Read the table that ships with MarkLens."""
        with _TABLE.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            return cls({ViennaCode.parse(row["code"]): row["title"] for row in rows})

    def __contains__(self, code: ViennaCode) -> bool:
        """Whether the classification holds the code."""
        return code in self._titles

    def title(self, code: ViennaCode) -> str:
        """The code's English title; empty for a code that the classification does not hold."""
        return self._titles.get(code, "")

    def children(self, code: ViennaCode | None = None) -> tuple[ViennaCode, ...]:
        """The codes directly below one, in order; the categories for None."""
        return tuple(self._children.get(code, ()))

    def codes(self, level: Level | None = None) -> tuple[ViennaCode, ...]:
        """All codes in order, or those of one level."""
        return tuple(code for code in self._titles if level in (None, code.level))

    def require(self, code: ViennaCode) -> ViennaCode:
        """Return the code if the classification holds it.

        Raises:
            BadViennaCode: it does not; the text names the nearest that it holds.
        """
        if code in self:
            return code
        known = next((above for above in reversed(code.ancestors()) if above in self._titles), None)
        at = 0 if known is None else len(known.ancestors()) + 1  # which number is the wrong one
        wanted = _numbers(code)[at]
        siblings = sorted(self.children(known), key=lambda near: abs(_numbers(near)[at] - wanted))
        near = tuple(sorted(siblings[:4])) or code.ancestors()[at - 1 : at]
        raise BadViennaCode(
            f"{code} is not in the Vienna Classification; near it: {', '.join(map(str, near))}"
        )


def _numbers(code: ViennaCode) -> tuple[int, int, int]:
    return (code.category, code.division, code.section)
