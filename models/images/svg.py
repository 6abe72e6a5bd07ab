"""SVG drawings become PNGs in a process of their own that can neither hang nor crash the server.

An SVG is a program: shapes that refer to each other can ask for billions of others, filters for
hours, and references for files of this machine. So `svg_worker` checks and draws it, held to a
time, a memory and a file limit, and what comes back is an ordinary PNG.
"""

import zlib

from models.errors import UnreadableImage
from models.images.svg_pool import DRAWN, REFUSED, SvgPool

MOST_BYTES = 5 * 1024 * 1024
TIMEOUT_S = 10.0

_pool = SvgPool()


def draw_svg(content: bytes, name: str) -> bytes:
    """Draw an SVG; safe to call from several threads.

    Args:
        content: the document, plain or gzipped.
        name: what to call it in errors.

    Returns:
        PNG, RGBA, longest side 1024 pixels.

    Raises:
        UnreadableImage: not a drawing, one that needs other files, or too much work to draw.
        MissingPackage: no drawing can be drawn on this machine.
    """
    status, answer = _pool.draw(_unpacked(content, name), TIMEOUT_S)
    if status == DRAWN:
        return answer
    if status == REFUSED:
        reason = " ".join(answer.decode("utf-8", "replace").split())[:200]
        raise UnreadableImage(f"{name}: {reason}")
    # It ran into a limit, or made the renderer fall over.
    raise UnreadableImage(
        f"{name}: an SVG that takes too much time or memory to draw; simplify it or export it as "
        "PNG"
    )


def _unpacked(content: bytes, name: str) -> bytes:
    """Undo gzip, never beyond the limit.

    Raises:
        UnreadableImage: damaged, or larger than a drawing may be.
    """
    if content.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content, MOST_BYTES + 1)
        except zlib.error as error:
            raise UnreadableImage(
                f"{name}: a gzipped SVG that is damaged ({error}); save it as a plain SVG"
            ) from error
        if len(content) <= MOST_BYTES and not unpacker.eof:
            raise UnreadableImage(
                f"{name}: a gzipped SVG that is cut short; save it as a plain SVG"
            )
    if len(content) > MOST_BYTES:
        raise UnreadableImage(
            f"{name}: an SVG of more than {MOST_BYTES // 2**20} MiB; export it as PNG"
        )
    return content
