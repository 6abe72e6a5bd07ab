"""Arranges the elements of a mark: frames, rows, lettering below, beside or around."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.synthesis.elements import Element, Row, Stencil, side_by_side, stacked
from models.synthesis.figures import bar
from models.synthesis.frames import CIRCLE, Framed, Medallion, Style
from models.synthesis.grounds import (
    ORNAMENTS,
    PATTERNS,
    SPLITS,
    Divided,
    Ornate,
    Patterned,
    Radiant,
    Strewn,
    second_ground,
    spread,
)
from models.synthesis.invented_words import invent_second_line, invent_word
from models.synthesis.lettering import SCRIPT_CODES, Scribe, Writing
from models.synthesis.outlines import SHAPES_OF, Shape
from models.synthesis.paint import Inks
from models.vienna import ViennaCode

ORNAMENTAL: Final = ViennaCode(25, 1)
ELONGATED: Final = ViennaCode(25, 3)
DIVIDED: Final = ViennaCode(25, 5)
PATTERNED: Final = ViennaCode(25, 7)
OTHERWISE: Final = ViennaCode(25, 12)
GROUNDS: Final = (DIVIDED, PATTERNED, OTHERWISE)
SEALS: Final = ViennaCode(24, 3)
CIRCLES: Final = ViennaCode(26, 1)
LINES: Final = ViennaCode(26, 11)
FRAMES: Final = frozenset(SHAPES_OF)
_STYLES: Final[tuple[Style, ...]] = ("line", "double", "solid", "inset")
_LONG: Final = 2.0  # an aspect from which a part is a line of writing


@dataclass
class Plan:
    """What a mark is to hold, before it is arranged.

    Attributes:
        devices: pictures and figures.
        words: writings, the most important first.
        frames: divisions of frames to draw.
        ground: division of the background, if any.
        lined: with a bar or line.
        coloured: one of the devices comes in its own colours.
    """

    devices: list[Element] = field(default_factory=list)
    words: list[Writing] = field(default_factory=list)
    frames: list[ViennaCode] = field(default_factory=list)
    ground: ViennaCode | None = None
    lined: bool = False
    coloured: bool = False

    @property
    def text(self) -> str | None:
        """Everything written, in order; None without words."""
        return " ".join(word.text for word in self.words) or None


class Arranger:
    """Arranges the elements of a plan into one element."""

    def __init__(self, scribe: Scribe) -> None:
        self._scribe = scribe

    def arrange(self, rng: np.random.Generator, plan: Plan, inks: Inks) -> Element:
        """Arrange everything that a plan holds into one element.

        May add small words to the plan's (a second line, the lower half of a seal).
        """
        frames = list(plan.frames)
        if self._medallion_fits(rng, plan, frames):
            division = SEALS if SEALS in frames else CIRCLES
            frames.remove(division)
            whole: Element = self._medallion(rng, plan, division)
        else:
            whole = self._free(rng, plan, frames)
        for division in frames:
            whole = framed(rng, whole, division)
            if rng.random() < 0.6:
                break
        if plan.ground is not None:
            whole = self._grounded(rng, plan, whole, inks)
        return whole

    def _free(self, rng: np.random.Generator, plan: Plan, frames: list[ViennaCode]) -> Element:
        """Device and words side by side or on top of each other, one of them perhaps framed."""
        device = _grouped(rng, plan.devices) if plan.devices else None
        words = self._written(rng, plan) if plan.words else None
        if device is None or words is None:
            only = device if device is not None else words
            if only is None:
                raise ValueError("a mark needs a device or words; the plan holds neither")
            return only
        if frames and rng.random() < 0.65:
            division = frames.pop(int(rng.integers(len(frames))))
            if division == ELONGATED or (division.category != 24 and rng.random() < 0.25):
                words = framed(rng, words, division)
            else:
                device = framed(rng, device, division)
        return _joined(rng, device, words)

    def _written(self, rng: np.random.Generator, plan: Plan) -> Element:
        parts = [word.part for word in plan.words]
        shares = [1.0, *(float(rng.uniform(0.4, 1.0)) for _ in parts[1:])]
        if parts[0].aspect > _LONG and rng.random() < 0.22:
            line = self._scribe.line(rng, invent_second_line(rng))
            plan.words.append(line)
            parts.append(line.part)
            shares.append(float(rng.uniform(0.35, 0.9)))
        if plan.lined:
            place = int(rng.integers(len(parts) + 1))
            parts.insert(place, bar(rng))
            shares.insert(place, float(rng.uniform(0.6, 1.0)))
        if len(parts) == 1:
            return parts[0]
        return _balanced(parts, shares, 0.06)

    def _medallion_fits(
        self, rng: np.random.Generator, plan: Plan, frames: list[ViennaCode]
    ) -> bool:
        able = (SEALS in frames and rng.random() < 0.7) or (
            CIRCLES in frames and rng.random() < 0.22
        )
        return able and bool(plan.devices) and bool(plan.words)

    def _medallion(self, rng: np.random.Generator, plan: Plan, division: ViennaCode) -> Element:
        shapes = SHAPES_OF[SEALS] if division == SEALS else (CIRCLE,)
        text = invent_word(rng).upper()
        if rng.random() < 0.6:
            text += " " + invent_second_line(rng).upper()
        said = [Writing(plan.devices[0], text)]
        below = None
        if rng.random() < 0.4:
            lower = invent_word(rng).upper()
            said.append(Writing(plan.devices[0], lower))
            below = self._scribe.strip(rng, lower)
        plan.words = said
        digits = any(letter.isdigit() for letter in text)
        codes = SCRIPT_CODES["latin"] | ({ViennaCode(27, 7)} if digits else frozenset())
        return Medallion(
            content=_grouped(rng, plan.devices),
            aspect=1.0,
            writing=self._scribe.strip(rng, text),
            below=below,
            shape=shapes[int(rng.integers(len(shapes)))],
            ringed=bool(rng.random() < 0.65),
            solid=bool(rng.random() < 0.4),
            script_codes=codes,
        )

    def _grounded(
        self, rng: np.random.Generator, plan: Plan, whole: Element, inks: Inks
    ) -> Element:
        aspect = spread(whole, float(rng.uniform(0.8, 1.6)))
        if plan.ground == DIVIDED:
            kinds = tuple(SPLITS)
            # Two halves are far more usual than four quarters.
            odds = np.array([0.3, 0.34, 0.12, 0.12, 0.06, 0.06])
            kind = kinds[int(rng.choice(len(kinds), p=odds))]
            return Divided(whole, aspect, kind, second_ground(rng, inks))
        if plan.ground == OTHERWISE:
            return Radiant(whole, aspect, int(rng.integers(8, 25)), float(rng.uniform(0.2, 0.4)))
        if rng.random() < 0.15 and plan.devices and isinstance(plan.devices[0], Stencil):
            motif = plan.devices[0]
            return Strewn(whole, aspect, motif, int(rng.integers(5, 9)), 0.25)
        kinds = tuple(PATTERNS)
        return Patterned(
            content=_on_panel(rng, whole),
            kind=kinds[int(rng.integers(len(kinds)))],
            aspect=aspect,
            repeats=float(rng.uniform(6, 16)),
            strength=float(rng.uniform(0.22, 0.42)),
            dark=bool(rng.random() < 0.4),
        )


def framed(rng: np.random.Generator, content: Element, division: ViennaCode) -> Element:
    """Put an element into a frame of a division that suits its proportions."""
    if division == ORNAMENTAL and (content.aspect < _LONG or rng.random() < 0.5):
        aspect = min(3.0, max(0.7, content.aspect))
        return Ornate(content, aspect, ORNAMENTS[int(rng.integers(len(ORNAMENTS)))])
    if division == ELONGATED and content.aspect < _LONG:
        return content
    shape = _suited(rng, SHAPES_OF[division], content.aspect)
    style = _STYLES[int(rng.choice(4, p=[0.38, 0.12, 0.38, 0.12]))]
    weight = float(rng.uniform(0.012, 0.06))
    low, high = shape.aspects
    inner = (shape.inner[2] - shape.inner[0]) / (shape.inner[3] - shape.inner[1])
    aspect = min(high, max(low, content.aspect / inner))
    return Framed(content, aspect, shape, style, weight)


def _suited(rng: np.random.Generator, shapes: tuple[Shape, ...], aspect: float) -> Shape:
    misfits = []
    for shape in shapes:
        inner = (shape.inner[2] - shape.inner[0]) / (shape.inner[3] - shape.inner[1])
        nearest = min(shape.aspects[1], max(shape.aspects[0], aspect / inner))
        misfits.append(abs(float(np.log(aspect / inner / nearest))))
    limit = min(misfits) + 0.6
    able = [shape for shape, misfit in zip(shapes, misfits, strict=True) if misfit <= limit]
    return able[int(rng.integers(len(able)))]


def _on_panel(rng: np.random.Generator, content: Element) -> Element:
    """Put a filled panel between content and pattern, half of the time."""
    if rng.random() < 0.5:
        return content
    division = CIRCLES if content.aspect < 1.5 and rng.random() < 0.5 else ViennaCode(26, 4)
    shape = _suited(rng, SHAPES_OF[division], content.aspect)
    inner = (shape.inner[2] - shape.inner[0]) / (shape.inner[3] - shape.inner[1])
    aspect = min(shape.aspects[1], max(shape.aspects[0], content.aspect / inner))
    return Framed(content, aspect, shape, "solid", 0.02)


def _grouped(rng: np.random.Generator, devices: list[Element]) -> Element:
    if len(devices) == 1:
        return devices[0]
    shares = [1.0, *(float(rng.uniform(0.6, 1.0)) for _ in devices[1:])]
    row = rng.random() < 0.65
    gap = float(rng.uniform(0.06, 0.2))
    return side_by_side(devices, shares, gap) if row else stacked(devices, shares, gap)


def _joined(rng: np.random.Generator, device: Element, words: Element) -> Row:
    gap = float(rng.uniform(0.06, 0.16))
    kind = float(rng.random())
    if kind < 0.5:
        return _balanced([device, words], [_device_width(rng, device, words), 1.0], gap)
    if kind < 0.58:
        return _balanced([words, device], [1.0, _device_width(rng, device, words)], gap)
    height = float(rng.uniform(0.35, 0.8)) if words.aspect > _LONG else float(rng.uniform(0.6, 1.0))
    if kind < 0.94:
        return side_by_side([device, words], [1.0, height], gap)
    return side_by_side([words, device], [height, 1.0], gap)


def _device_width(rng: np.random.Generator, device: Element, words: Element) -> float:
    """Width of a device above words of width 1, so that neither drowns the other."""
    wanted = float(rng.uniform(0.9, 2.6)) / words.aspect  # height, in widths of the words
    return float(min(1.3, max(0.2, wanted * device.aspect)))


def _balanced(parts: list[Element], shares: list[float], gap: float) -> Row:
    """Stack elements, none of them higher than the first is wide."""
    largest = max(shares)
    shares = [
        min(share, largest * part.aspect * 1.2) for part, share in zip(parts, shares, strict=True)
    ]
    return stacked(parts, shares, gap)
