"""Pictograms → figurative trademarks, composed the way registers hold them, with exact codes.

Which divisions a mark bears together is drawn from the statistics of a real register; then it is
composed of pictograms for what is shown, lettering, frames, grounds and colours. The labels are
those of what was really put into the picture, never those drawn; colour is decided by the pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from models.errors import UnreadableImage
from models.synthesis.code_statistics import ALPHABET, CodeCombination, CodeStatistics
from models.synthesis.colour_codes import COLOURS, colour_codes
from models.synthesis.degrade import degrade
from models.synthesis.drawings import Pictogram
from models.synthesis.elements import Codes, Element, IllegibleError, Members, Picture, Stencil, fit
from models.synthesis.figures import FIGURES, invent_figure
from models.synthesis.fonts import FontBook
from models.synthesis.layout import FRAMES, GROUNDS, LINES, Arranger, Plan
from models.synthesis.lettering import FIGURES as WORD_FIGURES
from models.synthesis.lettering import LETTERS, NUMERALS, REPRESENTING, SCRIPT_OF, Scribe
from models.synthesis.paint import WHITE, Inks, draw_inks
from models.synthesis.render import render_svg, stencil_of
from models.vienna import ViennaCode

_DRAWING: Final = 200  # longest side of a pictogram as rendered, pixels
_LONGEST: Final = (256, 320)
_SHORTEST: Final = 48
_CHROMATIC: Final = 0.35  # marks in colour although the combination claims none
_CHROMATIC_DRAWING: Final = 0.75  # the same where a drawing comes in colours
_MOST_DEVICES: Final = 3
_LIFT: Final = 0.25
_REPEATED: Final = 0.05  # a single device drawn two or three times
_TEMPER: Final = 0.35  # exponent that lifts rare divisions when a device is drawn evenly
_ATTEMPTS: Final = 20
_LAST_DEVICE: Final = 24  # categories 01..24 are things shown


@dataclass(frozen=True)
class ComposedMark:
    """One composed mark.

    Attributes:
        image: RGB, longest side 256..320 pixels.
        codes: divisions of everything in it; their categories are implied.
        sections: sections that are certain; others may hold as well.
        kind: what it consists of: "device", "figure", "letters", "word", with "+word" behind.
        text: what is written, None without words.
        members: (set, name) of every pictogram in it.
    """

    image: Image.Image
    codes: frozenset[ViennaCode]
    sections: frozenset[ViennaCode]
    kind: str
    text: str | None
    members: Members


class Composer:
    """Composes marks; equal seeds give equal marks (with the same pictograms and fonts)."""

    def __init__(
        self,
        pictograms: Sequence[Pictogram],
        frequencies: CodeStatistics,
        fonts: FontBook,
        balance: float = 0.5,
    ) -> None:
        """Prepare.

        Args:
            pictograms: what can be shown; keep the sides of the split apart.
            frequencies: combinations of a real register.
            fonts: for writing.
            balance: 0 keeps to the register's frequencies. Above, this share of the devices is
                drawn almost evenly from all divisions, and a quarter of this share of the marks
                gets a frame, ground, script or kind of writing that the register seldom has.
        """
        self._pictograms = pictograms
        self._combinations = frequencies
        self._balance = balance
        self._scribe = Scribe(fonts)
        self._arranger = Arranger(self._scribe)
        self._shown: dict[ViennaCode, list[int]] = {}
        for index, pictogram in enumerate(pictograms):
            for code in pictogram.codes:
                self._shown.setdefault(code, []).append(index)
        self._divisions = sorted(code for code in self._shown if code.category <= _LAST_DEVICE)
        counts = np.array([len(self._shown[code]) for code in self._divisions], np.float64)
        self._odds = counts**_TEMPER / max(1.0, float((counts**_TEMPER).sum()))
        scripts = (code for code, script in SCRIPT_OF.items() if script in fonts.scripts)
        made = {*FRAMES, *GROUNDS, *FIGURES, *scripts, NUMERALS, REPRESENTING, WORD_FIGURES}
        self._made = sorted(made - {LETTERS})

    def compose(self, rng: np.random.Generator, device: Pictogram | None = None) -> ComposedMark:
        """Compose one mark.

        Args:
            rng: source of randomness.
            device: what it shall show; by default what the combination says.

        Raises:
            UnreadableImage: the device cannot be drawn, or nothing legible came out.
        """
        given = drawn(device) if device is not None else None
        for _ in range(_ATTEMPTS):
            combination = self._with_rare_code(rng, self._combinations.draw(rng))
            try:
                plan = self._plan(rng, combination, given)
                return self._finished(rng, plan, COLOURS in combination.divisions)
            except IllegibleError:
                continue
        raise UnreadableImage("no legible mark came out; check the pack of drawings")

    def alone(self, rng: np.random.Generator, device: Pictogram) -> ComposedMark:
        """Print one pictogram and nothing else, in a mark's colours and wear.

        Raises:
            UnreadableImage: it cannot be drawn.
        """
        part = drawn(device)
        plan = Plan(devices=[part], coloured=isinstance(part, Picture))
        return self._finished(rng, plan, claimed=False)

    def _with_rare_code(
        self, rng: np.random.Generator, combination: CodeCombination
    ) -> CodeCombination:
        """Sometimes add a code that composing can show and that registers seldom have."""
        if rng.random() >= self._balance * _LIFT:
            return combination
        added = self._made[int(rng.integers(len(self._made)))]
        return CodeCombination(combination.divisions | {added}, combination.words)

    def _finished(self, rng: np.random.Generator, plan: Plan, claimed: bool) -> ComposedMark:
        odds = _CHROMATIC_DRAWING if plan.coloured else _CHROMATIC
        inks = _inks(rng, claimed or rng.random() < odds, plan.coloured)
        whole = self._arranger.arrange(rng, plan, inks)
        image = degrade(printed(rng, whole, inks, bleeds=plan.ground is not None), rng)
        codes = whole.codes | colour_codes(image)
        return ComposedMark(
            image=image,
            codes=frozenset(code for code in codes if code.level == "division"),
            sections=frozenset(code for code in codes if code.level == "section"),
            kind=_kind(whole, plan),
            text=plan.text,
            members=tuple(dict.fromkeys(whole.members)),
        )

    def _plan(
        self, rng: np.random.Generator, combination: CodeCombination, given: Element | None
    ) -> Plan:
        """Choose the elements for a combination, around a given device if there is one."""
        plan = Plan()
        shown = self._sort_divisions(rng, combination, plan, replaced=given is not None)
        if given is not None:
            plan.devices.append(given)
        for division in shown[: _MOST_DEVICES - len(plan.devices)]:
            device = self._device(rng, division)
            if device is not None:
                plan.devices.append(device)
        plan.coloured = any(isinstance(device, Picture) for device in plan.devices)
        if len(plan.devices) == 1 and plan.devices[0].members and rng.random() < _REPEATED:
            plan.devices *= int(rng.integers(2, 4))
        self._write(rng, combination, plan)
        if not plan.devices and not plan.words:
            bare = [code for code in plan.frames if code in FIGURES] or [ViennaCode(26, 4)]
            plan.devices.append(invent_figure(rng, bare[0]))
            plan.frames = [code for code in plan.frames if code != bare[0]]
        return plan

    def _sort_divisions(
        self, rng: np.random.Generator, combination: CodeCombination, plan: Plan, replaced: bool
    ) -> list[ViennaCode]:
        """Decide which divisions become frames, grounds and lines; return those to be shown."""
        divisions = sorted(combination.divisions)
        shown = [] if replaced else self._things(rng, divisions)
        content = bool(shown) or combination.words or replaced
        for code in divisions:
            if code in FRAMES and content and rng.random() < 0.75:
                plan.frames.append(code)
            elif code in GROUNDS:
                plan.ground = code
            elif code == LINES and combination.words and rng.random() < 0.75:
                plan.lined = True
            elif not replaced and (code in FIGURES or (code in FRAMES and code in self._shown)):
                shown.append(code)
        rng.shuffle(plan.frames)
        plan.frames = plan.frames[:2]
        return [shown[index] for index in rng.permutation(len(shown))]

    def _things(self, rng: np.random.Generator, divisions: list[ViennaCode]) -> list[ViennaCode]:
        """Return the divisions to be shown as pictograms, the combination's or evenly drawn."""
        things = [c for c in divisions if c.category <= _LAST_DEVICE and c not in FRAMES]
        if self._divisions and rng.random() < self._balance and (things or rng.random() < 0.35):
            return [self._divisions[int(rng.choice(len(self._divisions), p=self._odds))]]
        return [code for code in things if code in self._shown]

    def _device(self, rng: np.random.Generator, division: ViennaCode) -> Element | None:
        if division in FIGURES and (division not in self._shown or rng.random() < 0.6):
            return invent_figure(rng, division)
        pool = self._shown[division]
        for _ in range(_ATTEMPTS):
            pictogram = self._pictograms[pool[int(rng.integers(len(pool)))]]
            try:
                return drawn(pictogram)
            except UnreadableImage:
                continue
        return None

    def _write(self, rng: np.random.Generator, combination: CodeCombination, plan: Plan) -> None:
        divisions = combination.divisions
        for code in sorted(divisions & SCRIPT_OF.keys()):
            script = SCRIPT_OF[code]
            if script != "latin" and script in self._scribe.scripts:
                plan.words.append(self._scribe.word(rng, script))
        if ALPHABET in divisions:
            plan.words.append(self._scribe.monogram(rng))
        if NUMERALS in divisions:
            plan.words.append(self._scribe.number(rng))
        if REPRESENTING in divisions and plan.devices:
            plan.words.append(self._scribe.rebus(rng, plan.devices.pop()))
        elif WORD_FIGURES in divisions:
            plan.words.append(self._scribe.figure(rng))
        elif (combination.words or LETTERS in divisions) and (not plan.words or rng.random() < 0.5):
            plan.words.append(self._scribe.word(rng))
            if rng.random() < 0.2:
                plan.words.append(self._scribe.word(rng))


def drawn(pictogram: Pictogram, size: int = _DRAWING) -> Element:
    """Render a pictogram into a part: a picture if it has colours, else a stencil.

    Raises:
        UnreadableImage: it cannot be drawn.
    """
    member = (pictogram.set, pictogram.name)
    image = render_svg(pictogram.svg, size, f"{pictogram.set}/{pictogram.name}")
    codes: Codes = frozenset(pictogram.codes)
    if pictogram.colour:
        return Picture(image, codes, (member,))
    return Stencil(stencil_of(image), codes, (member,))


def _inks(rng: np.random.Generator, chromatic: bool, coloured: bool) -> Inks:
    """Choose inks; a drawing in its own colours mostly lies on white."""
    inks = draw_inks(rng, chromatic)
    while coloured and inks.paper != WHITE and rng.random() < 0.85:
        inks = draw_inks(rng, chromatic)
    return inks


def printed(rng: np.random.Generator, whole: Element, inks: Inks, bleeds: bool) -> Image.Image:
    """Print a part on paper, with a margin unless its ground runs to the edges."""
    longest = int(rng.integers(_LONGEST[0], _LONGEST[1] + 1))
    aspect = whole.aspect
    width, height = (longest, longest / aspect) if aspect >= 1 else (longest * aspect, longest)
    size = (max(_SHORTEST, round(width)), max(_SHORTEST, round(height)))
    canvas = Image.new("RGB", size, inks.paper)
    margin = 0 if bleeds and rng.random() < 0.6 else round(rng.uniform(0.03, 0.1) * min(size)) + 2
    whole.draw(canvas, fit((margin, margin, size[0] - margin, size[1] - margin), aspect), inks)
    return canvas


def _kind(whole: Element, plan: Plan) -> str:
    written = "word" if plan.words else ""
    if whole.members:
        shown = "device"
    elif plan.devices:
        shown = "figure"
    elif ViennaCode(27, 5, 21) in whole.codes or ViennaCode(27, 5, 22) in whole.codes:
        return "letters"
    else:
        return written
    return f"{shown}+{written}" if written else shown
