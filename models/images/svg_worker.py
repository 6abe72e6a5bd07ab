"""Draw SVGs, one after another, each in a child of its own. A program, run by `svg_pool`.

A request on stdin is a time limit in seconds (float64), a length (uint32) and a document of so many
bytes; an answer on stdout is a status (uint8), a length (uint32) and a PNG or one sentence. The end
of stdin ends the program.

It is run as a file, without site, so that it starts in some 30 ms; `svg_styles` is loaded while it
waits for the first drawing.
"""

import importlib
import os
import re
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any
from xml.parsers import expat

LONGEST_SIDE = 1024  # pixels
MOST_MEMORY = 1024 * 1024 * 1024  # bytes of address space
MOST_CPU_S = 8
DRAWN, REFUSED, FAILED, READY = range(4)

_HEADER = struct.Struct("!BI")
_REQUEST = struct.Struct("!dI")

# They lead somewhere when clicked or run; a renderer never follows them.
# Nor does it read colour profiles and fonts.
_NEVER_LOADED = frozenset(("a", "script", "style", "link", "color-profile", "font-face-uri"))
# Comes along, so that words are drawn on every machine, and on each alike.
_FONTS = [str(Path(__file__).parent / "fonts" / f"DejaVuSans{one}.ttf") for one in ("", "-Bold")]
_FAMILY = "DejaVu Sans"
_DOTS_AN_INCH = 96.0  # CSS: what millimetres and points are worth
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

    def inspect(self, document: bytes) -> None:
        """Walk through all elements.

        Args:
            document: UTF-8.

        Raises:
            Refused: not an SVG, malformed, or referring to another file.
        """
        parser = expat.ParserCreate("utf-8")
        parser.StartElementHandler = self._element
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
        timeout_s, length = _REQUEST.unpack(request)
        _answer(*draw_apart(draw, sys.stdin.buffer.read(length), timeout_s))


def draw_apart(draw: "Drawing", document: bytes, timeout_s: float) -> tuple[int, bytes]:
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
            with os.fdopen(writing, "wb") as pipe:
                status, answer = draw(document)
                pipe.write(bytes([status]) + answer)
            os._exit(0)
        finally:
            os._exit(1)  # never back into the loop
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read()
    _, ended = os.waitpid(child, 0)
    return (found[0], found[1:]) if found and ended == 0 else (FAILED, b"")


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
