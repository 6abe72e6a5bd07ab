"""Bytes somebody sent → an upright RGB picture that is safe to look at, or one clear refusal.

Whatever decodes a picture lives here, and nothing that knows of networks or registers. Any room may
import what stands in ``__all__``.

::

    formats      which format the bytes are, by content
    svg, pdf     drawings and pages, by svg_drawing and pdf_page in a process of their own
    rasters      everything else, opened with Pillow; tiffs what is odd about TIFFs
    guard        what holds for any picture: its size, and one refusal for any damage
    pixels       any mode, depth, profile and transparency → RGB
    decoding     the above in order, in processes that decoder_pool keeps and decoder_worker is
    views        what of a decoded picture is looked at
"""

from models.images.decoder_pool import decode_image, decoders
from models.images.formats import media_type
from models.images.pixels import refuse_blank
from models.images.views import crop_image, full_size, page_count, turn_image

__all__ = [
    "crop_image",
    "decode_image",
    "decoders",
    "full_size",
    "media_type",
    "page_count",
    "refuse_blank",
    "turn_image",
]
