"""Draws a page of a PDF. Loaded by `svg_worker`, in a process that may be lost."""

import io
import struct

import pypdfium2
from PIL import Image
from pypdfium2 import raw

LONGEST_SIDE = 2048  # pixels

_COUNT = struct.Struct("!I")

Image.preinit()  # imports the writer of PNGs: the process may open no file later


class RefusedPdf(ValueError):
    """The document is at fault; the text says why and what to do."""


def draw_page(document: bytes, page: int) -> bytes:
    """Draw a page on white; forms and scripts are left out.

    Args:
        document: the file.
        page: counted from 1.

    Returns:
        How many pages there are, as uint32, and a PNG of the page, RGB; nothing after the number
        where there is no such page.

    Raises:
        RefusedPdf: it cannot be opened or drawn.
    """
    try:
        opened = pypdfium2.PdfDocument(document)
        count = len(opened)
        if page > count:
            return _COUNT.pack(count)
        shown = opened[page - 1]
        scale = LONGEST_SIDE / max(1.0, *shown.get_size())
        picture = shown.render(scale=scale, may_draw_forms=False).to_pil()
    except pypdfium2.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise RefusedPdf("an encrypted PDF; save it without a password") from error
        raise RefusedPdf("a PDF that is damaged or cut short; export it again") from error
    png = io.BytesIO()
    picture.save(png, "PNG", compress_level=1)
    return _COUNT.pack(count) + png.getvalue()
