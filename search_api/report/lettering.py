"""Which font shows which letter of a PDF, as markup for ReportLab's paragraphs.

DejaVu Sans, which ships with MarkLens, has Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and
Arabic. Chinese, Japanese and Korean are written in fonts that PDF viewers bring themselves: no
font of theirs is small enough to ship. What neither has is shown as an empty box and named.
"""

import functools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from threading import Lock
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

import models.images
from search_api.report.right_to_left import is_right_to_left, visual_order

PLAIN, BOLD = "DejaVuSans", "DejaVuSans-Bold"
BOX = "□"
_FOLDER = Path(models.images.__file__).parent / "fonts"
_JAPANESE, _KOREAN, _CHINESE = "HeiseiKakuGo-W5", "HYGothic-Medium", "STSong-Light"
_SCRIPTS = {"HIRAGANA": _JAPANESE, "KATAKANA": _JAPANESE, "HANGUL": _KOREAN, "CJK": _CHINESE}
_LETTERS = {_CHINESE: ("gbk",), _JAPANESE: ("cp932", "shift_jis"), _KOREAN: ("cp949",)}
_LOADING = Lock()


@dataclass
class Lettering:
    """Turns texts into markup, and notes what the report must say of their letters.

    Attributes:
        missing: letters that no font has, in the order of their first use.
        of_viewer: whether a font of the viewer's own is needed.
    """

    missing: dict[str, None] = field(default_factory=dict)
    of_viewer: bool = False

    def markup(self, text: str, *, bold: bool = False, width: float = 0, size: float = 0) -> str:
        """A text as markup, each letter in a font that has it.

        Args:
            text: any; line ends stay.
            bold: in the bold font, where that has the letters.
            width: of the column in points. A text that runs from right to left is broken into
                lines here, so that their order is right.
            size: of the font in points.
        """
        face = BOLD if bold else PLAIN
        lines = text.replace("\t", " ").splitlines()
        if is_right_to_left(text):
            lines = [
                visual_order(part) for line in lines for part in _wrapped(line, face, width, size)
            ]
        return "<br/>".join(self._line(line, face) for line in lines)

    def _line(self, line: str, face: str) -> str:
        east = _eastern_font(line)
        parts = []
        for font, signs in groupby(line, lambda sign: _font_of(sign, face, east)):
            text = "".join(signs)
            if font is None:
                text = "".join(sign for sign in text if sign.isprintable())  # what shows something
                self.missing.update(dict.fromkeys(text))
                text, font = BOX * len(text), face
            self.of_viewer |= font not in (PLAIN, BOLD)
            shown = escape(text)
            parts.append(shown if font == face else f'<font name="{font}">{shown}</font>')
        return "".join(parts)


def load_fonts() -> None:
    """Make the fonts known to ReportLab; a second call does nothing."""
    with _LOADING:
        _load_once()


@functools.cache
def _load_once() -> None:
    for name in (PLAIN, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(_FOLDER / f"{name}.ttf")))
    for name in dict.fromkeys(_SCRIPTS.values()):
        pdfmetrics.registerFont(UnicodeCIDFont(name))


def _font_of(sign: str, face: str, east: str) -> str | None:
    if ord(sign) in pdfmetrics.getFont(face).face.charToGlyph:
        return face
    return next((font for font in (east, *_LETTERS) if _has(font, sign)), None)


def _has(font: str, sign: str) -> bool:
    """Whether a viewer's font has a letter: whether the old character sets of its script do."""
    for letters in _LETTERS[font]:
        try:
            sign.encode(letters)
        except UnicodeEncodeError:
            continue
        return True
    return False


def _eastern_font(line: str) -> str:
    """The font of a line's Chinese characters: that of the script that stands beside them."""
    names = (unicodedata.name(sign, "").split(" ")[0] for sign in line)
    return next((_SCRIPTS[name] for name in names if name in _SCRIPTS and name != "CJK"), _CHINESE)


def _wrapped(line: str, face: str, width: float, size: float) -> Iterator[str]:
    """A line in pieces that fit, broken between words."""
    piece = ""
    for word in line.split(" "):
        longer = f"{piece} {word}" if piece else word
        if piece and width and pdfmetrics.stringWidth(longer, face, size) > width:
            yield piece
            longer = word
        piece = longer
    yield piece
