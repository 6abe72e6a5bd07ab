"""Draws a page of a PDF."""

import io
import resource
import struct

import pypdfium2
from PIL import Image
from pypdfium2 import raw

from models.images.drawn_apart import DRAWN, REFUSED

LONGEST_SIDE = 2048  # pixels

_COUNT = struct.Struct("!I")

Image.preinit()  # imports the writer of PNGs: the process may open no file later


def draw_page(document: bytes, page: int) -> tuple[int, bytes]:
    """Draw a page on white; forms and scripts are left out. The process must be one to be lost.

    Args:
        document: the file.
        page: counted from 1.

    Returns:
        DRAWN with how many pages there are, as uint32, and a PNG of the page, RGB; nothing after
        the number where there is no such page. Or REFUSED and a sentence.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    try:
        opened = pypdfium2.PdfDocument(document)
        count = len(opened)
        if page > count:
            return DRAWN, _COUNT.pack(count)
        shown = opened[page - 1]
        scale = LONGEST_SIDE / max(1.0, *shown.get_size())
        picture = shown.render(scale=scale, may_draw_forms=False).to_pil()
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            return REFUSED, b"an encrypted PDF; save it without a password"
        return REFUSED, b"a PDF that is damaged or cut short; export it again"
    png = io.BytesIO()
    picture.save(png, "PNG", compress_level=1)
    return DRAWN, _COUNT.pack(count) + png.getvalue()
