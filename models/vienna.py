"""The Vienna Classification of figurative elements: codes, their order and their titles.

Source: WIPO, "International Classification of the Figurative Elements of Marks" (Vienna
Agreement, 1973), as the EUIPO uses it; categories 98 and 99 are the EUIPO's own.
"""

import csv
import functools
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.errors import BadViennaCode

Level = Literal["category", "division", "section"]

_TABLE = Path(__file__).with_name("vienna_codes.csv")
_ACCEPTED = "write it like 3, 03.01, 5.3.13 or 050313"
# What offices write before a code: field 531 of WIPO ST.60, the classification's name and edition,
# the "A" of an auxiliary section.
_BEFORE = re.compile(
    r"^(?:\(531\)|531(?=\s+[A-Z(]))?\s*"
    r"(?:(?:VCL|VC|CFE|VIENNA)(?:[0-9]{1,2}(?:-|\s+)(?=[0-9]{1,2}\.))?[\s:]*)?"
    r"(?:\([0-9]{1,2}\)(?:-|\s*))?(?:A\s*)?(?=[0-9])",
    re.IGNORECASE | re.ASCII,
)
# And behind it: a title, or signs and the edition.
_TITLE = re.compile(r"\s+[-–—:]\s+[^\W\d_].*$", re.DOTALL)
_BEHIND = re.compile(r"(?:\s*(?:[*.]|\((?:[0-9]{1,2}|A)\)|\[(?:[0-9]{1,2}|A)\]))+$", re.ASCII)
_BETWEEN = r"(?:\s*[./:-]\s*|\s+)"
_NUMBERS = re.compile(rf"[0-9]{{1,2}}(?:{_BETWEEN}[0-9]{{1,2}}){{0,2}}", re.ASCII)
_PACKED = re.compile(r"[0-9]{4}|[0-9]{6}", re.ASCII)
_NO_LEADING_ZERO = re.compile(r"[0-9]{5}", re.ASCII)
_SEPARATORS = re.compile(r"[;|+\r\n・]")
_WHOLE = r"A?(?:[0-9]{1,2}(?:\.[0-9]{1,2}){1,2}|[0-9]{6})"
_IN_A_ROW = re.compile(rf"{_WHOLE}(?:(?:\s+|\s*/\s*){_WHOLE})+", re.ASCII)
_SECTION = re.compile(rf"[0-9]{{1,2}}(?:{_BETWEEN}[0-9]{{1,2}}){{2}}|[0-9]{{5,6}}", re.ASCII)
_BARE = re.compile(r"[0-9]{1,2}", re.ASCII)


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
        """Read a code in any spelling that can mean only one: tables, forms and files alike.

        Args:
            text: ``3``, ``03``, ``03.01``, ``5.3.13``, ``050313``, ``5/3/13``, ``A 5.3.13``,
                ``VCL(8) 05.03.13``, ``(531) 05.03.13``, ``05.03.13 - Leaves``; ``50313`` where
                the classification has the code.

        Raises:
            BadViennaCode: it is none of these.
        """
        bare = _TITLE.sub("", unicodedata.normalize("NFKC", text).strip())
        bare = _BEHIND.sub("", _BEFORE.sub("", bare, count=1))
        if _NUMBERS.fullmatch(bare):
            numbers = [int(part) for part in re.findall("[0-9]+", bare)]
        elif _PACKED.fullmatch(bare):
            numbers = [int(bare[at : at + 2]) for at in range(0, len(bare), 2)]
        elif _NO_LEADING_ZERO.fullmatch(bare):  # as a spreadsheet makes it of 050313
            numbers = [int(bare[0]), int(bare[1:3]), int(bare[3:])]
            if 0 in numbers or cls(*numbers) not in ViennaTree.load():
                raise BadViennaCode(f"{text[:40]!r} is not a Vienna code: {_ACCEPTED}")
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


def split_codes(text: str) -> list[str]:
    """Divide a list of codes, however it is written, into texts of one code each.

    Between codes may stand ``; , | + 、 ・``, line ends, and blanks or slashes between codes with
    points in them. ``5,3,13`` stays in one piece, which is no code: it could be 05.03.13 or three
    categories (which are told apart by two digits each: ``05,03,13``). So does ``5.3.13, 14``
    beside 05.03.13: it could be 05.03.14, as gazettes shorten it, or a category (``5.3.13; 14``).
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if plain.startswith("[") and plain.endswith("]"):  # a list as JSON or Python writes it
        plain = re.sub(r"[\"']", "", re.sub(r"([\"'])\s*,\s*\1", ";", plain[1:-1]))
    found: list[str] = []
    for piece in _SEPARATORS.split(plain):
        parts = [one for part in re.split("[,、]", piece) if (one := part.strip())]
        if len(parts) > 1 and all(map(_BARE.fullmatch, parts)) and min(map(len, parts)) == 1:
            parts = [piece.strip()]
        section = ""
        for part in parts:
            bare = _BEFORE.sub("", part, count=1)
            if section and _BARE.fullmatch(bare):
                found.append(f"{section}, {part}")
                continue
            section = part if _SECTION.search(bare) else ""
            found += re.findall(_WHOLE, bare) if _IN_A_ROW.fullmatch(bare) else [part]
    return found


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

    def has_category_of(self, code: ViennaCode) -> bool:
        """Whether the classification holds the code's category; below it editions differ."""
        return ViennaCode(code.category) in self

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
