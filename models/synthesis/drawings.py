"""Packs of drawings for training: weakly Vienna-labelled pictograms and real brand logos.

A pack is a gzipped file of one JSON object a line. What one hand drew stays on one side of the
split: icon sets are held out whole, with all their siblings, and brands with all their drawings.
"""

import gzip
import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from models.errors import BadViennaCode
from models.vienna import ViennaCode

Split = Literal["train", "validation", "test"]

# Families of one design hand, named side by side so that nobody splits one. Chosen for variety of
# style: colour and one-colour emoji, solid, outline, duotone, pixel, map and weather signs, flags.
HELD_OUT_SETS: Final[frozenset[str]] = frozenset(
    [
        *("emojione", "emojione-monotone", "emojione-v1"),
        "fxemoji",
        *("fa", "fa-solid", "fa-regular", "fa6-solid", "fa6-regular", "fa7-solid", "fa7-regular"),
        *("la", "icons8", "wpf", "flat-color-icons"),  # Icons8; la redraws Font Awesome
        "tabler",
        *("carbon", "carbon-pictograms"),
        *("icon-park", "icon-park-outline", "icon-park-solid", "icon-park-twotone"),
        *("boxicons", "bx", "bxs"),
        "iconoir",
        "bi",
        "roentgen",
        "pixelarticons",
        "marketeq",
        "meteocons",
        "flagpack",
    ]
)

# Looked at by eye: in these codes the name says something else than the drawing shows ("bold" in
# a name is not lettering, "wave" not a line, "lambda" a company), so the drawing is left out.
_UNRELIABLE: Final = frozenset({"25", "26.11", "27.05", "28"})
# Names that mean something else in the drawing: (fragment of the name, division it does not show).
_MISREAD: Final = (
    ("arrow-elbow", "02.09"),
    ("ninja-star", "02.01"),
    ("truck-profile", "02.01"),
    ("hat-cowboy", "02.01"),
    ("desktop-tower", "07.01"),
    ("showers-", "12.03"),
    ("-showers", "12.03"),
)
_BRANDS: Final = ("brand-", "logo-", "cc-", "aws-")
_TEST_BRANDS_PERCENT: Final = 20


@dataclass(frozen=True, slots=True)
class Pictogram:
    """One drawing of an icon set.

    Attributes:
        set: icon set it belongs to.
        name: its name within the set.
        codes: Vienna divisions, sorted.
        colour: drawn in colours; otherwise a stencil in one ink.
        license: SPDX identifier of the set's licence.
        svg: the drawing.
    """

    set: str
    name: str
    codes: tuple[ViennaCode, ...]
    colour: bool
    license: str
    svg: str


@dataclass(frozen=True, slots=True)
class BrandLogo:
    """One drawing of a brand's logo; drawings of one brand are each other's variants."""

    set: str
    name: str
    brand: str
    license: str
    svg: str


def split_of(set_name: str) -> Split:
    """Return the side of the split on which an icon set lies, whole."""
    return "test" if set_name in HELD_OUT_SETS else "train"


def split_of_brand(brand: str) -> Split:
    """Return the side of the split on which a brand lies: one in five is test, for ever."""
    return "test" if place_of_brand(brand) < _TEST_BRANDS_PERCENT else "train"


def place_of_brand(brand: str) -> int:
    """A brand's place in a hundred, 0 to 99, for ever."""
    digest = hashlib.sha256(brand.strip().lower().encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100


def read_pictograms(path: Path) -> Iterator[Pictogram]:
    """Read a pack of pictograms, leaving out drawings whose labels are known to be unreliable.

    Args:
        path: gzipped JSON lines with ``set``, ``name``, ``codes``, ``colour``, ``license``,
            ``svg``.
    """
    for row in _rows(path):
        name = str(row["name"])
        codes = _divisions(name, row["codes"])
        if codes and not name.startswith(_BRANDS) and "-logo" not in name:
            yield Pictogram(
                set=str(row["set"]),
                name=name,
                codes=codes,
                colour=bool(row["colour"]),
                license=str(row["license"]),
                svg=str(row["svg"]),
            )


def read_brand_logos(path: Path, exclude_sets: Collection[str] = ("svgl",)) -> Iterator[BrandLogo]:
    """Read a pack of brand logos.

    Args:
        path: gzipped JSON lines with ``set``, ``name``, ``brand``, ``license``, ``svg``.
        exclude_sets: sets to leave out; by default the one that must not ship.
    """
    for row in _rows(path):
        if row["set"] not in exclude_sets:
            yield BrandLogo(
                set=str(row["set"]),
                name=str(row["name"]),
                brand=str(row["brand"]),
                license=str(row["license"]),
                svg=str(row["svg"]),
            )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _divisions(name: str, texts: list[str]) -> tuple[ViennaCode, ...]:
    """Parse codes, mending misread names; nothing at all if one code is unreliable."""
    if any(text in _UNRELIABLE or text[:2] in _UNRELIABLE for text in texts):
        return ()
    wrong = {code for fragment, code in _MISREAD if fragment in name}
    if any(text.startswith("03.") for text in texts):
        wrong.add("24.03")  # the animal called seal
    codes = sorted({ViennaCode.parse(text) for text in texts if text not in wrong})
    for code in codes:
        if code.level != "division":
            raise BadViennaCode(f"{code}: a pack of pictograms holds divisions; write CC.DD")
    return tuple(codes)
