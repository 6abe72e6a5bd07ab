"""PDF pages become PNGs in the processes that draw SVGs, for the same reasons: see `svg`."""

import struct

from models.errors import UnreadableImage
from models.images.svg_pool import DRAWN, REFUSED, drawing_pool

MOST_BYTES = 32 * 1024 * 1024
TIMEOUT_S = 10.0

_COUNT = struct.Struct("!I")  # of pages, before the PNG; the same stands in pdf_page


def draw_pdf(content: bytes, name: str, page: int) -> tuple[bytes, int]:
    """Draw a page of a PDF; safe to call from several threads.

    Args:
        content: the document.
        name: what to call it in errors.
        page: counted from 1.

    Returns:
        PNG, RGB, longest side 2048 pixels, and how many pages the document has; no bytes where it
        has no such page.

    Raises:
        UnreadableImage: encrypted, damaged, or too much to draw.
        MissingPackage: nothing can be drawn on this machine.
    """
    if len(content) > MOST_BYTES:
        raise UnreadableImage(
            f"{name}: a PDF of more than {MOST_BYTES // 2**20} MiB; export its page as PNG"
        )
    status, answer = drawing_pool().draw(content, TIMEOUT_S, page)
    if status == DRAWN:
        return answer[_COUNT.size :], _COUNT.unpack_from(answer)[0]
    if status == REFUSED:
        raise UnreadableImage(f"{name}: {answer.decode()}")
    # It ran into a limit, or made the renderer fall over.
    raise UnreadableImage(
        f"{name}: a PDF that takes too much time or memory to draw; export its page as PNG"
    )
