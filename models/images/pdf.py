"""PDF pages become PNGs as SVGs do, for the same reasons: see `svg`."""

import struct
from functools import partial

from models.errors import UnreadableImage
from models.images.drawn_apart import DRAWN, REFUSED, draw_apart

MOST_BYTES = 32 * 1024 * 1024

_COUNT = struct.Struct("!I")  # of pages, before the PNG; the same stands in pdf_page


def draw_pdf(content: bytes, name: str, page: int, cpu_s: int) -> tuple[bytes, int]:
    """Draw a page of a PDF; to be called in a process that has one thread.

    Args:
        content: the document.
        name: what to call it in errors.
        page: counted from 1.
        cpu_s: seconds of a processor that drawing may take.

    Returns:
        PNG, RGB, longest side 2048 pixels, and how many pages the document has; no bytes where it
        has no such page.

    Raises:
        UnreadableImage: encrypted, damaged, or too much to draw.
    """
    if len(content) > MOST_BYTES:
        raise UnreadableImage(
            f"{name}: a PDF of more than {MOST_BYTES // 2**20} MiB; export its page as PNG"
        )
    from models.images.pdf_page import draw_page  # loaded where the first PDF comes

    status, answer, _ = draw_apart(partial(draw_page, content, page), cpu_s)
    if status == DRAWN:
        return answer[_COUNT.size :], _COUNT.unpack_from(answer)[0]
    if status == REFUSED:
        raise UnreadableImage(f"{name}: {answer.decode()}")
    # It ran into a limit, or made the renderer fall over.
    raise UnreadableImage(
        f"{name}: a PDF that takes too much time or memory to draw; export its page as PNG"
    )
