"""Draw SVGs and PDFs, one after another, each in a child of its own. Run by `svg_pool`.

A request on stdin is a time limit in seconds (float64), the page of a PDF or 0 for an SVG (uint32),
a length (uint32) and a document of so many bytes; an answer on stdout is a status (uint8), a length
(uint32) and a PNG or one sentence. The end of stdin ends the program.

It is run as a file, without site, so that it starts in some 30 ms; `svg_styles` is loaded while it
waits for the first drawing, `pdf_page` by each child that draws a page.
"""

import importlib
import os
import re
import resource
import signal
import struct
import sys
import unicodedata
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from xml.parsers import expat

LONGEST_SIDE = 1024  # pixels
MOST_MEMORY = 1024 * 1024 * 1024  # bytes of address space
MOST_CPU_S = 8
DRAWN, REFUSED, FAILED, READY = range(4)

_HEADER = struct.Struct("!BI")
_REQUEST = struct.Struct("!dII")

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


def main() -> None:
    """Answer requests until stdin ends."""
    sys.path += sys.argv[1:]
    import resvg_py

    _limit(resource.RLIMIT_AS, MOST_MEMORY)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _answer(READY, b"")
    sys.path.append(str(Path(__file__).parent))
    draw = Drawing(resvg_py, importlib.import_module("svg_styles"))
    while request := sys.stdin.buffer.read(_REQUEST.size):
        timeout_s, page, length = _REQUEST.unpack(request)
        drawing = partial(draw_page, page) if page else draw
        _answer(*draw_apart(drawing, sys.stdin.buffer.read(length), timeout_s))


def draw_apart(
    draw: Callable[[bytes], tuple[int, bytes]], document: bytes, timeout_s: float
) -> tuple[int, bytes]:
    """Draw in a child process, which the kernel ends at its limits.

    Returns:
        DRAWN and a PNG, REFUSED and a sentence, or FAILED and nothing.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.setitimer(signal.ITIMER_REAL, timeout_s)  # nothing handles it: it kills
            _limit(resource.RLIMIT_CPU, MOST_CPU_S)
            os.dup2(writing, sys.stdout.fileno())  # where the renderer reports
            with os.fdopen(writing, "wb") as pipe:
                status, answer = draw(document)
                pipe.write(b"\0" + bytes([status]) + answer)
            os._exit(0)
        finally:
            os._exit(1)  # never back into the loop
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        report, _, found = pipe.read().partition(b"\0")  # no document holds a NUL
    _, ended = os.waitpid(child, 0)
    if not found or ended != 0:
        return FAILED, b""
    lost = left_out(report) if found[0] == DRAWN else ""
    return (REFUSED, lost.encode()) if lost else (found[0], found[1:])


def draw_page(page: int, document: bytes) -> tuple[int, bytes]:
    """Draw a page of a PDF; the process must be one that may be lost.

    Returns:
        DRAWN with the number of pages and a PNG, or REFUSED and a sentence.
    """
    pdf_page = importlib.import_module("pdf_page")
    _limit(resource.RLIMIT_NOFILE, 0)
    try:
        return DRAWN, pdf_page.draw_page(document, page)
    except pdf_page.RefusedPdf as refusal:
        return REFUSED, str(refusal).encode()


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


class Drawing:
    """Draws documents; what it imports is given to it, since the worker is no part of a package.

    Args:
        renderer: the module ``resvg_py``.
        styles: the module `svg_styles`.
    """

    def __init__(self, renderer: Any, styles: Any) -> None:
        self._renderer = renderer
        self._styles = styles

    def __call__(self, document: bytes) -> tuple[int, bytes]:
        """Check and draw a document; the process must be one that may be lost.

        Returns:
            DRAWN and a PNG, or REFUSED and a sentence.
        """
        try:
            text = decode(document)
            inspector = Inspector()
            inspector.inspect(text.encode())
            text = self._styles.plain_styles(text)
            return DRAWN, self._render(text, inspector.has_text)
        except Refused as refusal:
            return REFUSED, str(refusal).encode()
        except ValueError as error:
            return REFUSED, f"an SVG that cannot be drawn ({error}); export it as PNG".encode()

    def _render(self, text: str, has_text: bool) -> bytes:
        if not has_text:
            # Only fonts are files that a drawing may need.
            _limit(resource.RLIMIT_NOFILE, 0)
        png: bytes = self._renderer.svg_to_bytes(
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


def decode(document: bytes) -> str:
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


def _answer(status: int, content: bytes) -> None:
    sys.stdout.buffer.write(_HEADER.pack(status, len(content)) + content)
    sys.stdout.buffer.flush()


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
