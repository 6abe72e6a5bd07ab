"""Draw one SVG: the document on stdin, a PNG on stdout. A program, run by ``models.images.svg``.

Exit code 3 and one sentence on stderr mean that the drawing is at fault. Any other failure (killed
at a limit, out of memory, a crash of the renderer) needs no words: the caller has them.

It is run as a file, without site or package imports, so that it starts in some 30 ms.
"""

import re
import resource
import sys
from xml.parsers import expat

LONGEST_SIDE = 1024  # pixels
MOST_MEMORY = 1024 * 1024 * 1024  # bytes of address space
MOST_CPU_S = 8
REFUSED = 3

# They lead somewhere when clicked or run; a renderer never follows them.
_NEVER_LOADED = frozenset(("a", "script", "style", "link"))
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


def main() -> int:
    """Check and draw what stands on stdin.

    Returns:
        The exit code.
    """
    sys.path.append(sys.argv[1])
    import resvg_py

    _limit(resource.RLIMIT_CPU, MOST_CPU_S)
    _limit(resource.RLIMIT_AS, MOST_MEMORY)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    try:
        text = decode(sys.stdin.buffer.read())
        inspector = Inspector()
        inspector.inspect(text.encode())
        if not inspector.has_text:
            # Only fonts are files that a drawing may need.
            _limit(resource.RLIMIT_NOFILE, 0)
        png = resvg_py.svg_to_bytes(
            svg_string=text,
            width=LONGEST_SIDE,
            height=LONGEST_SIDE,  # with both, resvg keeps the proportions and fits inside
            skip_system_fonts=not inspector.has_text,
        )
    except Refused as refusal:
        sys.stderr.write(str(refusal))
        return REFUSED
    except ValueError as error:
        sys.stderr.write(f"an SVG that cannot be drawn ({error}); export it as PNG")
        return REFUSED
    sys.stdout.buffer.write(png)
    return 0


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


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    sys.exit(main())
