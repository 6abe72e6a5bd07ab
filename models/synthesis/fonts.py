"""Finds fonts, and the scripts that each can really draw."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from PIL import ImageFont

from models.errors import MissingPackage
from models.synthesis.drawings import Split
from models.synthesis.invented_words import ALPHABETS, Script

_SUFFIXES: Final = {".ttf", ".otf", ".ttc", ".woff", ".woff2"}
_PER_FAMILY: Final = 6  # more weights of one family teach nothing new
_PROBE_SIZE: Final = 16
_NOWHERE: Final = "\U0010fffd"  # a private character that no font draws: shows its "missing" box
_DIGITS: Final = "0123456789"
# Not letters, or so thin and odd that a mark in them cannot be read.
_SKIPPED: Final = re.compile(
    r"emoji|symbol|icons?\b|awesome|braille|music|math|dingbat|keyboard|initials|joscelyn|nushu"
    r"|\b(thin|extralight|hairline)\b",
    re.IGNORECASE,
)
# Weights and optical sizes that some files carry in their family's name.
_WEIGHT: Final = re.compile(
    r"\s+(Thin|Extra-?Light|Light|Medium|Semi-?Bold|Extra-?Bold|Black|Heavy|O|[0-9]+)\b"
)
# Noto's fonts for one script each repeat the same Latin letters: they stand in for their script.
_ONE_SCRIPT: Final = re.compile(r"^Noto (Sans|Serif|Naskh|Kufi|Nastaliq|Rashi) (?!Display|Mono)\w+")


@dataclass(frozen=True, slots=True)
class Font:
    """One font file (and, in a collection, which of its fonts)."""

    family: str
    style: str
    path: str

    def at(self, size: int) -> ImageFont.FreeTypeFont:
        """Return the font at a size in pixels."""
        return _opened(self.path, size)


class FontBook:
    """Fonts by script. Only fonts that draw every letter of a script are listed for it."""

    def __init__(self, folders: Iterable[Path], side: Split | None = None) -> None:
        """Look through folders for font files.

        Args:
            folders: searched with their subfolders; an order of files that depends on nothing
                but their names makes equal seeds give equal pictures.
            side: only the families on this side of the split (one in five is held out); a script
                that would have none keeps all of its.

        Raises:
            MissingPackage: no font that draws Latin letters was found.
        """
        families: dict[str, list[Font]] = {}
        for path in sorted(_font_files(folders)):
            font = _described(path)
            if font is not None and not _SKIPPED.search(f"{font.family} {font.style}"):
                families.setdefault(font.family, []).append(font)
        self._families: dict[Script, list[list[Font]]] = {script: [] for script in ALPHABETS}
        for family in sorted(families):
            self._place(family, families[family])
        for script, placed in self._families.items():
            kept = [fonts for fonts in placed if _is_on(fonts[0].family, side)]
            self._families[script] = kept or placed
        if not self._families["latin"]:
            raise MissingPackage(
                "no font draws Latin letters there; install some, for example: "
                "apt-get install fonts-dejavu fonts-noto-core"
            )

    @property
    def scripts(self) -> tuple[Script, ...]:
        """Scripts that can be written."""
        return tuple(script for script, families in self._families.items() if families)

    def families(self, script: Script) -> tuple[str, ...]:
        """Names of the families that draw a script."""
        return tuple(fonts[0].family for fonts in self._families[script])

    def pick(self, rng: np.random.Generator, script: Script = "latin") -> Font:
        """Draw a family, then one of its fonts."""
        families = self._families[script]
        fonts = families[int(rng.integers(len(families)))]
        return fonts[int(rng.integers(len(fonts)))]

    def _place(self, family: str, fonts: list[Font]) -> None:
        for script in ALPHABETS:
            if script == "latin" and _ONE_SCRIPT.match(family):
                continue
            able = [font for font in fonts if _draws(font, script)]
            if able:
                step = max(1, len(able) // _PER_FAMILY)
                self._families[script].append(able[::step][:_PER_FAMILY])


def _font_files(folders: Iterable[Path]) -> set[Path]:
    return {path for folder in folders for path in folder.rglob("*") if path.suffix in _SUFFIXES}


def _described(path: Path) -> Font | None:
    try:
        family, style = ImageFont.truetype(str(path), _PROBE_SIZE).getname()
    except OSError:
        return None
    name = _WEIGHT.sub("", family or path.stem)
    return Font(name, f"{(family or '')[len(name) :]} {style or ''}".strip(), str(path))


def _is_on(family: str, side: Split | None) -> bool:
    if side is None:
        return True
    held_out = hashlib.sha256(family.lower().encode()).digest()[0] % 5 == 0
    return held_out == (side != "train")


def _draws(font: Font, script: Script) -> bool:
    """Tell whether every letter (and, for Latin, digit) has a glyph of its own."""
    face = font.at(_PROBE_SIZE)
    missing = bytes(face.getmask(_NOWHERE))
    wanted = ALPHABETS[script] + (_DIGITS if script == "latin" else "")
    for letter in wanted:
        glyph = bytes(face.getmask(letter))
        if glyph == missing or not any(glyph):
            return False
    return True


@lru_cache(maxsize=256)
def _opened(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)
