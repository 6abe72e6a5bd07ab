"""Checks and draws an SVG, and says what the renderer left out.

Loaded where the first drawing comes: the renderer, and what reads styles, take 100 ms to load.
"""

import re
import resource
import unicodedata
from pathlib import Path
from xml.parsers import expat

import resvg_py

from models.images.drawn_apart import DRAWN, REFUSED
from models.images.svg_styles import plain_styles

LONGEST_SIDE = 1024  # pixels

# They lead somewhere when clicked or run; a renderer never follows them.
# Nor does it read colour profiles and fonts.
_NEVER_LOADED = frozenset(("a", "script", "style", "link", "color-profile", "font-face-uri"))
# Comes along, so that words are drawn on every machine, and on each alike.
_FONTS = [str(Path(__file__).parent / "fonts" / f"DejaVuSans{one}.ttf") for one in ("", "-Bold")]
_FAMILY = "DejaVu Sans"
_DOTS_AN_INCH = 96.0  # CSS: what millimetres and points are worth
# Elements whose words the renderer leaves out; within a <switch> another child stands for them.
_UNDRAWN_TEXT = frozenset(("foreignObject", "flowRoot"))
# What the renderer reports on stdout when it leaves something out.
_NO_GLYPH = re.compile(rb"No fonts with a .{0,40}?/U\+([0-9A-F]{1,6}) character", re.DOTALL)
_NO_FONT = re.compile(rb"No match for .{1,200} font-family")
_NO_PICTURE = re.compile(rb"Failed to decode an? (\w{1,8}) image")
_UNSEEN = frozenset(("Cc", "Cf", "Zs", "Zl", "Zp", "Mn"))  # blanks, controls, variation selectors
_SHOWN_LETTERS = 5
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)


class Refused(Exception):
    """The drawing is at fault; the text says why and what to do."""


class Inspector:
    """Read the document once with Python's own parser and note what drawing it would need."""

    def __init__(self) -> None:
        self.has_text = False
        self._root = ""
        self._open: list[str] = []  # the elements around the present place

    def inspect(self, document: bytes) -> None:
        """Walk through all elements.

        Args:
            document: UTF-8.

        Raises:
            Refused: not an SVG, malformed, or referring to another file.
        """
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._element
        parser.EndElementHandler = lambda _: self._open.pop()
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        try:
            parser.Parse(document, True)
        except expat.ExpatError as error:
            words = expat.ErrorString(error.code)
            raise Refused(
                f"an SVG that is damaged or cut short (line {error.lineno}: {words}); export it "
                "again"
            ) from error

    def _element(self, tag: str, attributes: dict[str, str]) -> None:
        local = tag.rpartition(":")[2]
        if not self._root:
            self._root = local
            if local != "svg":
                raise Refused(f"not an SVG drawing but a <{local[:40]}> document; export it as PNG")
        self.has_text = self.has_text or local == "text"
        self._open.append(local)
        if local in _NEVER_LOADED:
            return
        for attribute, value in attributes.items():
            target = value.strip()
            if attribute.rpartition(":")[2] != "href" or not target:
                continue
            if not target.startswith(("#", "data:")):
                raise Refused(
                    f"an SVG that refers to another file ({target[:80]}); embed it in the drawing "
                    "or export it as PNG"
                )

    def _characters(self, text: str) -> None:
        if text.isspace() or "switch" in self._open:
            return
        undrawn = next((one for one in self._open if one in _UNDRAWN_TEXT), None)
        if undrawn is not None:
            raise Refused(
                f"an SVG with words in a <{undrawn}>, which cannot be drawn ({text.strip()[:40]}); "
                "convert them to paths or export it as PNG"
            )

    @staticmethod
    def _entity(  # noqa: PLR0913 - expat's signature
        name: str,
        is_parameter: bool,
        value: str | None,
        base: str | None,
        system: str | None,
        public: str | None,
        notation: str | None,
    ) -> None:
        if value is None:
            raise Refused(
                f"an SVG whose entity {name[:40]!r} is another file ({system}); export it again"
            )


def draw(document: bytes) -> tuple[int, bytes]:
    """Check and draw a document; the process must be one that may be lost.

    Args:
        document: an SVG in any encoding that XML allows.

    Returns:
        DRAWN and a PNG, or REFUSED and a sentence.
    """
    try:
        text = _decode(document)
        inspector = Inspector()
        inspector.inspect(text.encode())
        return DRAWN, _render(plain_styles(text), inspector.has_text)
    except Refused as refusal:
        return REFUSED, str(refusal).encode()
    except ValueError as error:
        return REFUSED, f"an SVG that cannot be drawn ({error}); export it as PNG".encode()


def left_out(report: bytes) -> str:
    """Say what the renderer reports to have left out of the drawing; nothing if all is there."""
    picture = _NO_PICTURE.search(report)
    if picture:
        kind = picture.group(1).decode()
        return f"an SVG with a {kind} picture in it that is damaged; export it as PNG"
    if _NO_FONT.search(report):
        return (
            "an SVG with a drawing in it that has words, which cannot be drawn there; convert them "
            "to paths or export it as PNG"
        )
    letters = dict.fromkeys(chr(int(one, 16)) for one in _NO_GLYPH.findall(report))
    missing = [one for one in letters if unicodedata.category(one) not in _UNSEEN]
    if not missing:
        return ""
    shown = " ".join(f"{one} U+{ord(one):04X}" for one in missing[:_SHOWN_LETTERS])
    return (
        f"an SVG with words in letters that no font here has ({shown}); convert the words to paths "
        "in the drawing program, export it as PNG, or install a font that has them"
    )


def _render(text: str, has_text: bool) -> bytes:
    if not has_text:
        # Only fonts are files that a drawing may need.
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    png: bytes = resvg_py.svg_to_bytes(
        svg_string=text,
        width=LONGEST_SIDE,
        height=LONGEST_SIDE,  # with both, resvg keeps the proportions and fits inside
        dpi=_DOTS_AN_INCH,
        log_information=True,
        skip_system_fonts=not has_text,
        font_files=_FONTS if has_text else None,
        font_family=_FAMILY,
        serif_family=_FAMILY,
        sans_serif_family=_FAMILY,
    )
    return png


def _decode(document: bytes) -> str:
    """Turn the document into text, by byte order mark, then by its declaration.

    Raises:
        Refused: neither tells how.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if document.startswith(mark):
            declared, document = encoding, document.removeprefix(mark)
            break
    else:
        found = _DECLARED.match(document.lstrip()[:200])
        declared = found.group(1).decode() if found else "utf-8"
    try:
        return document.decode(declared).lstrip()
    except (UnicodeError, LookupError) as error:
        raise Refused(f"an SVG that is not in {declared} as it says; save it as UTF-8") from error
