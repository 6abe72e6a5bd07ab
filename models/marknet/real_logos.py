"""Real logos whose Vienna codes a person read: files of readings, and logos beside lettering."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from models.errors import UnreadableImage
from models.network.preprocess import Preprocess
from models.network.sign import find_sign
from models.synthesis.composer import printed
from models.synthesis.degrade import degrade
from models.synthesis.elements import (
    Codes,
    Element,
    IllegibleError,
    Members,
    Picture,
    fit,
    inset,
    side_by_side,
    stacked,
)
from models.synthesis.fonts import FontBook
from models.synthesis.frames import ring_text
from models.synthesis.invented_words import invent_word
from models.synthesis.lettering import LETTERS, Scribe
from models.synthesis.paint import Box, Inks, draw_inks, lay_ink
from models.vienna import ViennaCode

LETTERING: Final[Codes] = frozenset({LETTERS})  # the code that lettering beside a logo adds
BENT: Final = ViennaCode(27, 1)  # lettering around a logo may be read as forming a figure

_NARROWEST, _WIDEST = 0.2, 1 / 3  # share of a mark's width that its device takes, as in registers
_TALLEST = 0.6  # of a device's height, as a share of the mark's width
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Reading:
    """What a person read from a logo.

    Attributes:
        codes: that it surely bears; of a division without a section, the sections are unknown.
        doubtful: codes that it may bear, of which nothing is learnt and nothing measured.
        things: nouns of what it shows, the main one first.
    """

    codes: tuple[ViennaCode, ...]
    doubtful: tuple[ViennaCode, ...] = ()
    things: tuple[str, ...] = ()


def read_readings(path: Path) -> dict[tuple[str, str], Reading]:
    """Read a CSV of logos by (set, name); those without a sure code are left out.

    Args:
        path: columns ``set``, ``name`` and ``codes``; where known ``doubtful`` and ``things``;
            ``;`` between values.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["set"], row["name"]): Reading(
                tuple(map(ViennaCode.parse, _values(row["codes"]))),
                tuple(map(ViennaCode.parse, _values(row.get("doubtful")))),
                tuple(_values(row.get("things"))),
            )
            for row in csv.DictReader(file)
            if row["codes"]
        }


def _values(text: str | None) -> list[str]:
    return [value.strip() for value in (text or "").split(";") if value.strip()]


class Letterer:
    """Puts logos beside, above, below or within lettering, as small as registers hold devices."""

    def __init__(self, fonts: FontBook) -> None:
        self._scribe = Scribe(fonts)

    def compose(self, rng: np.random.Generator, logo: Image.Image) -> Image.Image:
        """Compose a mark whose device, a fifth to a third of its width, is the logo.

        Args:
            rng: source of randomness.
            logo: mode RGB, on its paper.

        Raises:
            UnreadableImage: nothing legible came out.
        """
        inks = draw_inks(rng, chromatic=bool(rng.random() < 0.7))
        if not inks.keep_colours:
            logo = logo.convert("L").convert("RGB")
        box, paper = find_sign(logo, Preprocess().tolerance)
        sign = logo.crop(box)
        inks = inks.on_colour(paper)
        for _ in range(_ATTEMPTS):
            whole = self._arrange(rng, Picture(sign.convert("RGBA")))
            try:
                return degrade(printed(rng, whole, inks, bleeds=False), rng)
            except IllegibleError:
                continue
        raise UnreadableImage("no legible mark came out of a logo beside lettering; leave it out")

    def _arrange(self, rng: np.random.Generator, device: Element) -> Element:
        share = float(rng.uniform(_NARROWEST, _WIDEST))
        share = min(share, max(_NARROWEST, _TALLEST * device.aspect))
        kind = float(rng.random())
        if kind < 0.4:
            return self._in_row(rng, device, share)
        if kind < 0.75:
            parts, shares = [device, self._word(rng)], [share, 1.0]
            if rng.random() < 0.25:
                parts, shares = parts[::-1], shares[::-1]
            return stacked(parts, shares, float(rng.uniform(0.04, 0.12)))
        if kind < 0.88:
            words = [self._word(rng), self._word(rng)]
            narrower = float(rng.uniform(0.5, 1.0))
            parts, shares = [words[0], device, words[1]], [1.0, share, narrower]
            return stacked(parts, shares, float(rng.uniform(0.04, 0.1)))
        text = f"{invent_word(rng)} {invent_word(rng)}".upper()
        return _Ringed(device, self._scribe.strip(rng, text), share)

    def _in_row(self, rng: np.random.Generator, device: Element, share: float) -> Element:
        """One or two words to the right, seldom to the left, or one on either side."""
        gap = float(rng.uniform(0.03, 0.08))
        kind = float(rng.random())
        words = [self._word(rng)] if kind < 0.6 else [self._word(rng), self._word(rng)]
        if kind >= 0.85:
            parts: list[Element] = [words[0], device, words[1]]
            widths = [(1 - share) / 2 - gap, share, (1 - share) / 2 - gap]
        else:
            block = words[0]
            if len(words) == 2:
                block = stacked(words, [1.0, float(rng.uniform(0.5, 1.0))], 0.06)
            parts, widths = [device, block], [share, 1 - share - gap]
            if rng.random() < 0.15:
                parts, widths = parts[::-1], widths[::-1]
        heights = [width / part.aspect for width, part in zip(widths, parts, strict=True)]
        return side_by_side(parts, [h / max(heights) for h in heights], gap / max(heights))

    def _word(self, rng: np.random.Generator) -> Element:
        return self._scribe.word(rng).part


@dataclass(frozen=True)
class _Ringed:
    """A device in a ring of lettering, without an outline.

    Attributes:
        content: the device.
        writing: strip, mode L; bent along the upper part of the ring.
        share: of the ring's width that the device takes.
    """

    content: Element
    writing: Image.Image
    share: float
    aspect: float = 1.0

    @property
    def codes(self) -> Codes:
        """Codes of writing and content."""
        return LETTERING | {BENT} | self.content.codes

    @property
    def members(self) -> Members:
        """Drawings in the middle."""
        return self.content.members

    def draw(self, canvas: Image.Image, box: Box, inks: Inks) -> None:
        """Print the writing, then the device."""
        place = fit(box, self.aspect)
        side = place[2] - place[0]
        ring = ring_text(self.writing, None, side, (0.33, 0.49))
        lay_ink(canvas, place, ring, inks, inks.main)
        edge = 0.5 - self.share / 2
        self.content.draw(canvas, inset(place, (edge, edge, 1 - edge, 1 - edge)), inks)
