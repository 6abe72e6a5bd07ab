"""Writing: words in special lettering, bent, slanted, with a letter replaced by a picture."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from models.synthesis.elements import (
    Codes,
    Element,
    Row,
    Stencil,
    bent,
    side_by_side,
    stacked,
    trimmed,
)
from models.synthesis.fonts import Font, FontBook
from models.synthesis.invented_words import Script, invent_letters, invent_number, invent_word
from models.vienna import ViennaCode

_SIZE: Final = 72
LETTERS: Final = ViennaCode(27, 5)
NUMERALS: Final = ViennaCode(27, 7)
FIGURES: Final = ViennaCode(27, 1)
REPRESENTING: Final = ViennaCode(27, 3)
SCRIPT_CODES: Final[dict[Script, Codes]] = {
    "latin": frozenset({LETTERS}),
    "arabic": frozenset({ViennaCode(28, 1)}),
    "cjk": frozenset({ViennaCode(28, 3)}),
    "cyrillic": frozenset({ViennaCode(28, 5)}),
    "greek": frozenset({ViennaCode(28, 7)}),
    "hebrew": frozenset({ViennaCode(28, 9)}),
}
SCRIPT_OF: Final[dict[ViennaCode, Script]] = {
    code: script for script, codes in SCRIPT_CODES.items() for code in codes
}
# Letters that a round or an upright picture can stand in for.
_REPLACEABLE: Final = "oOaAiIlLeEuUdDqQtTvVyY"


@dataclass(frozen=True)
class Writing:
    """A written element and the text it shows."""

    part: Element
    text: str


class Scribe:
    """Writes invented words in the fonts of a book."""

    def __init__(self, fonts: FontBook) -> None:
        self._fonts = fonts

    @property
    def scripts(self) -> tuple[Script, ...]:
        """Scripts that can be written."""
        return self._fonts.scripts

    def word(self, rng: np.random.Generator, script: Script = "latin") -> Writing:
        """Write one word, mostly in special lettering."""
        text = invent_word(rng, script)
        font = self._fonts.pick(rng, script)
        style = float(rng.random())
        codes = SCRIPT_CODES[script]
        if style < 0.12 and script != "arabic":
            return Writing(self._spaced(rng, text, font, codes), text)
        if style < 0.2:
            return Writing(Stencil(outlined(text, font), codes | _section(script, 2)), text)
        if style < 0.27:
            return Writing(Stencil(shaded(text, font), codes | _section(script, 3)), text)
        if style < 0.35:
            return Writing(
                Stencil(slanted(written(text, font), float(rng.uniform(0.15, 0.4))), codes), text
            )
        if style < 0.45 and len(text) > 3 and script != "arabic":
            return Writing(self._two_inks(rng, text, font, codes), text)
        return Writing(Stencil(written(text, font, heavy=style > 0.9), codes), text)

    def line(self, rng: np.random.Generator, text: str) -> Writing:
        """Write a given Latin line plainly: the small words below a name."""
        font = self._fonts.pick(rng)
        codes = _latin_codes(text)
        return Writing(Stencil(written(text, font), codes, accent=bool(rng.random() < 0.5)), text)

    def strip(self, rng: np.random.Generator, text: str) -> Image.Image:
        """Write a Latin line for bending around a circle."""
        return written(text, self._fonts.pick(rng), spacing=0.12)

    def number(self, rng: np.random.Generator) -> Writing:
        """Write a number, now and then with a short word before it."""
        text = invent_number(rng)
        if rng.random() < 0.3:
            text = (
                f"{invent_letters(rng).upper()} {text}"
                if rng.random() < 0.5
                else f"{text} {invent_word(rng)}"
            )
        font = self._fonts.pick(rng)
        draw = (written, written, outlined, shaded)[int(rng.integers(4))]
        return Writing(Stencil(draw(text, font), _latin_codes(text)), text)

    def monogram(self, rng: np.random.Generator) -> Writing:
        """Write one to three letters: alone, touching, overlapping or on top of each other."""
        text = invent_letters(rng)
        font = self._fonts.pick(rng)
        section = ViennaCode(27, 5, 21 if len(text) == 1 else 22)
        codes = frozenset({LETTERS, section})
        if len(text) == 1:
            draw = (written, written, outlined, shaded)[int(rng.integers(4))]
            return Writing(Stencil(draw(text, font), codes), text)
        if rng.random() < 0.25:
            letters = tuple(Stencil(written(letter, font), codes) for letter in text)
            return Writing(stacked(letters, [1.0] * len(letters), 0.12), text)
        return Writing(
            Stencil(interlaced(text, font, float(rng.uniform(-0.05, 0.35))), codes), text
        )

    def figure(self, rng: np.random.Generator) -> Writing:
        """Write a word that forms a geometrical figure: an arc, a wave, or in perspective."""
        text, font = invent_word(rng), self._fonts.pick(rng)
        mask = written(text, font, heavy=True)
        steps = np.linspace(-1, 1, mask.width)
        kind = int(rng.integers(4))
        if kind == 0:
            shape, section = bent(mask, steps**2 * mask.height * rng.uniform(0.5, 1.2)), 12
        elif kind == 1:
            shape, section = bent(mask, (1 - steps**2) * mask.height * rng.uniform(0.5, 1.2)), 12
        elif kind == 2:
            wave = np.sin(steps * np.pi) + 1
            shape, section = bent(mask, wave * mask.height * rng.uniform(0.3, 0.6)), 13
        else:
            shape, section = (
                receding(mask, float(rng.uniform(0.35, 0.6)), bool(rng.integers(2))),
                16,
            )
        codes = frozenset({LETTERS, FIGURES, ViennaCode(27, 1, section)})
        return Writing(Stencil(shape, codes), text)

    def rebus(self, rng: np.random.Generator, picture: Element) -> Writing:
        """Write a word with one letter replaced by a picture."""
        font = self._fonts.pick(rng)
        text = invent_word(rng)
        places = [place for place, letter in enumerate(text) if letter in _REPLACEABLE]
        place = int(rng.choice(places)) if places else len(text) - 1
        added = frozenset({LETTERS, REPRESENTING, *_represented(picture.codes)})
        before, after = text[:place], text[place + 1 :]
        parts: list[Element] = []
        if before:
            parts.append(Stencil(_on_line(before, font, text), added))
        parts.append(picture)
        if after:
            parts.append(Stencil(_on_line(after, font, text), added))
        return Writing(side_by_side(parts, [1.0] * len(parts), 0.05), text)

    def _spaced(self, rng: np.random.Generator, text: str, font: Font, codes: Codes) -> Stencil:
        return Stencil(written(text, font, spacing=float(rng.uniform(0.15, 0.6))), codes)

    def _two_inks(self, rng: np.random.Generator, text: str, font: Font, codes: Codes) -> Row:
        cut = int(rng.integers(1, len(text)))
        first, rest = (
            Stencil(_on_line(text[:cut], font, text), codes),
            _on_line(text[cut:], font, text),
        )
        return side_by_side([first, Stencil(rest, codes, accent=True)], [1.0, 1.0], 0.05)


def written(text: str, font: Font, heavy: bool = False, spacing: float = 0.0) -> Image.Image:
    """Return a line of writing as a trimmed stencil.

    Args:
        text: what to write.
        font: in which font.
        heavy: with thickened strokes.
        spacing: extra space between letters, as a share of the font's size.
    """
    if spacing:
        return _spread(text, font, spacing)
    return trimmed(_line(text, font, 3 if heavy else 0))


def outlined(text: str, font: Font) -> Image.Image:
    """Return writing of which only the outline is inked."""
    thick, thin = _line(text, font, 4, 6), _line(text, font, 1, 6)
    return trimmed(ImageChops.subtract(thick, thin))


def shaded(text: str, font: Font) -> Image.Image:
    """Return writing with a shadow behind it, a gap of paper between."""
    letters = _line(text, font, 0, 12)
    halo = letters.filter(ImageFilter.MaxFilter(5))
    shadow = ImageChops.offset(halo, 5, 5)
    return trimmed(ImageChops.lighter(ImageChops.subtract(shadow, halo), letters))


def slanted(mask: Image.Image, slope: float) -> Image.Image:
    """Return writing that leans to the right."""
    extra = round(mask.height * slope)
    affine = (1, slope, -extra, 0, 1, 0)
    leaning = mask.transform(
        (mask.width + extra, mask.height), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
    )
    return trimmed(leaning)


def receding(mask: Image.Image, end: float, to_right: bool) -> Image.Image:
    """Return writing that grows smaller towards one end.

    Args:
        mask: mode L.
        end: height of the small end, as a share of the other.
        to_right: the small end is on the right.
    """
    pixels = np.asarray(mask)
    height, width = pixels.shape
    scale = np.linspace(1.0, end, width) if to_right else np.linspace(end, 1.0, width)
    rows = (np.arange(height)[:, None] - height / 2) / scale[None, :] + height / 2
    inside = (rows >= 0) & (rows < height)
    taken = pixels[np.clip(rows, 0, height - 1).astype(np.intp), np.arange(width)[None, :]]
    return trimmed(Image.fromarray(np.where(inside, taken, 0).astype(np.uint8)))


def interlaced(text: str, font: Font, overlap: float) -> Image.Image:
    """Return letters that overlap; where two meet a line of paper keeps them apart."""
    glyphs = [trimmed(_line(letter, font, 1)) for letter in text]
    width = sum(glyph.width for glyph in glyphs) + 20
    height = max(glyph.height for glyph in glyphs)
    canvas = Image.new("L", (width, height + 8), 0)
    x = 4
    for glyph in glyphs:
        layer = Image.new("L", canvas.size, 0)
        layer.paste(glyph, (x, 4 + height - glyph.height))
        canvas = ImageChops.subtract(canvas, layer.filter(ImageFilter.MaxFilter(7)))
        canvas = ImageChops.lighter(canvas, layer)
        x += max(6, round(glyph.width * (1 - overlap)))
    return trimmed(canvas)


def _line(text: str, font: Font, stroke: int = 0, margin: int = 2) -> Image.Image:
    face = font.at(_SIZE)
    left, top, right, bottom = (round(edge) for edge in face.getbbox(text, stroke_width=stroke))
    size = (max(1, right - left) + 2 * margin, max(1, bottom - top) + 2 * margin)
    image = Image.new("L", size, 0)
    ImageDraw.Draw(image).text(
        (margin - left, margin - top), text, fill=255, font=face, stroke_width=stroke
    )
    return image


def _on_line(text: str, font: Font, whole: str) -> Image.Image:
    """Write part of a word, as high as the whole word, so that its parts stand on one line."""
    face = font.at(_SIZE)
    left, _, right, _ = (round(edge) for edge in face.getbbox(text))
    _, top, _, bottom = (round(edge) for edge in face.getbbox(whole))
    image = Image.new("L", (max(1, right - left), max(1, bottom - top)), 0)
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=face)
    return image


def _spread(text: str, font: Font, spacing: float) -> Image.Image:
    face = font.at(_SIZE)
    gap = spacing * _SIZE
    width = sum(face.getlength(letter) + gap for letter in text)
    image = Image.new("L", (max(1, round(width)) + _SIZE, _SIZE * 3), 0)
    pen, x = ImageDraw.Draw(image), _SIZE / 2
    for letter in text:
        pen.text((x, _SIZE / 2), letter, fill=255, font=face)
        x += face.getlength(letter) + gap
    return trimmed(image)


def _section(script: Script, number: int) -> Codes:
    return frozenset({ViennaCode(27, 5, number)}) if script == "latin" else frozenset()


def _latin_codes(text: str) -> Codes:
    codes = set()
    if any(letter.isalpha() for letter in text):
        codes.add(LETTERS)
    if any(letter.isdigit() for letter in text):
        codes.add(NUMERALS)
    return frozenset(codes)


def _represented(codes: Codes) -> Codes:
    """Sections of 27.03 by what stands in for the letter."""
    sections = {1: 12, 2: 2, 3: 3, 5: 11}
    return frozenset(
        ViennaCode(27, 3, sections.get(code.category, 15)) for code in codes if code.category <= 23
    )
