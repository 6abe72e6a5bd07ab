"""Bytes somebody sent → an upright RGB picture that is safe to look at, or one clear refusal.

Whatever decodes a picture lives here, and nothing that knows of networks or registers. Any room may
import what stands in ``__all__``.

::

    formats      which format the bytes are, by content
    svg          drawings, drawn by processes that svg_pool keeps and svg_worker is
    pdf          pages of PDFs, drawn by the same processes with pdf_page
    rasters      everything else, opened with Pillow under guard
    pixels       any mode, depth, profile and transparency → RGB
    decoding     the above in order
"""

from models.images.decoding import crop_image, decode_image, full_size, page_count, turn_image
from models.images.formats import media_type
from models.images.pixels import refuse_blank

__all__ = [
    "crop_image",
    "decode_image",
    "full_size",
    "media_type",
    "page_count",
    "refuse_blank",
    "turn_image",
]
