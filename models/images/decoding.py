"""One picture, from bytes to RGB."""

from PIL import Image

from models.errors import UnreadableImage
from models.images.formats import ACCEPTED, Format, picture_format, unsupported_format
from models.images.guard import refusing_damage, shrunk
from models.images.pdf import draw_pdf
from models.images.pixels import flatten, plain, to_srgb, white_level
from models.images.rasters import SIDEWAYS, exif_turn, load_raster
from models.images.svg import draw_svg
from models.images.tiffs import tiff_pages
from models.images.views import FULL_SIZE, PAGES

_AT_ONCE = 1_000_000  # pixels of a large picture that are copied at a time
_REACH = 3  # pixels of the result that LANCZOS looks around itself


def decode(content: bytes, name: str, page: int, drawing_s: int) -> Image.Image:
    """Decode a picture in this process, which should be one that may be lost.

    Arguments, result and errors are those of `models.images.decode_image`.
    """
    kind = _accepted_format(content, name)
    if kind == "PDF":
        content, pages = draw_pdf(content, name, page, drawing_s)
        frame, kind = 0, "PNG"
    else:
        frames = tiff_pages(content, name) if kind == "TIFF" else (0,)
        pages, frame = len(frames), frames[min(page, len(frames)) - 1]
    if not 1 <= page <= pages:
        count = "1 page" if pages == 1 else f"{pages} pages"
        raise UnreadableImage(f"{name}: there is no page {page}; the picture has {count}")
    if kind in ("SVG", "SVGZ"):
        content, kind = draw_svg(content, name, drawing_s), "PNG"
    image, whole = load_raster(content, kind, name, frame)
    with refusing_damage(name):
        profile = image.info.get("icc_profile")
        turn = exif_turn(image)
        small = _reduced(image)
        coloured = to_srgb(small, profile)
        if turn is not None:
            coloured = coloured.transpose(turn)
            if turn in SIDEWAYS:
                whole = (whole[1], whole[0])
    result = flatten(coloured, name)
    result.info = {PAGES: pages}
    if result.size != whole:
        result.info[FULL_SIZE] = whole
    return result


def _accepted_format(content: bytes, name: str) -> Format:
    """Tell the format.

    Raises:
        UnreadableImage: nothing that MarkLens reads.
    """
    if not content:
        raise UnreadableImage(f"{name}: the file is empty; send the picture again")
    kind = picture_format(content)
    if kind is None:
        what = unsupported_format(content) or "not a picture"
        raise UnreadableImage(f"{name}: {what}; MarkLens reads {ACCEPTED}")
    return kind


def _reduced(image: Image.Image) -> Image.Image:
    """Bring the longest side down to 2048 pixels and the mode to a plain one.

    Depth and transparency first: a key colour does not survive the averaging. A large picture goes
    through it in bands, since any copy of the whole would be hundreds of megabytes.
    """
    size, white = shrunk(image.size), white_level(image)
    if size == image.size:
        return plain(image, white)
    scale = image.height / size[1]
    rows = max(1, int(_AT_ONCE / image.width / scale))
    small: Image.Image | None = None
    for top in range(0, size[1], rows):
        bottom = min(top + rows, size[1])
        # What the filter sees of the rows around, so that bands join without a seam.
        first = max(0, int((top - _REACH) * scale) - 1)
        last = min(image.height, int((bottom + _REACH) * scale) + 2)
        band = plain(image.crop((0, first, image.width, last)), white)
        box = (0.0, top * scale - first, float(image.width), bottom * scale - first)
        part = band.resize((size[0], bottom - top), Image.Resampling.LANCZOS, box)
        small = small or Image.new(part.mode, size)
        small.paste(part, (0, top))
    return small or image
