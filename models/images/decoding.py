"""One picture, from bytes to RGB."""

import math

from PIL import Image

from models.errors import UnreadableImage
from models.images.formats import ACCEPTED, Format, picture_format, unsupported_format
from models.images.pdf import draw_pdf
from models.images.pixels import flatten, plain, to_srgb
from models.images.rasters import (
    SHORTEST_SIDE,
    load_raster,
    refusing_damage,
    shrunk,
    tiff_pages,
    upright,
)
from models.images.svg import draw_svg

# Keys in Image.info.
_FULL_SIZE = "full_size"  # set where the picture was reduced
_PAGES = "pages"  # how many the file has
_WHITE = (255, 255, 255)


def decode_image(content: bytes, name: str = "image", page: int = 1) -> Image.Image:
    """Decode a picture somebody sent.

    Args:
        content: the file's bytes; the first frame of an animated one counts.
        name: what to call the picture in errors.
        page: of a TIFF or PDF, counted from 1; `page_count` tells how many there are.

    Returns:
        Mode RGB (sRGB), upright, transparency laid on white (on black for a sign made for a dark
        ground), at most 2048 pixels a side (1024 for an SVG). `full_size` tells what it was.

    Raises:
        UnreadableImage: not a picture, damaged, too small to compare or too large to open, or
            without such a page; the text says which and what to do.
    """
    kind = _accepted_format(content, name)
    if kind == "PDF":
        content, pages = draw_pdf(content, name, page)
        frame, kind = 0, "PNG"
    else:
        frames = tiff_pages(content, name) if kind == "TIFF" else (0,)
        pages, frame = len(frames), frames[min(page, len(frames)) - 1]
    if not 1 <= page <= pages:
        count = "1 page" if pages == 1 else f"{pages} pages"
        raise UnreadableImage(f"{name}: there is no page {page}; the picture has {count}")
    if kind in ("SVG", "SVGZ"):
        content, kind = draw_svg(content, name), "PNG"
    image, whole = load_raster(content, kind, name, frame)
    with refusing_damage(name):
        profile = image.info.get("icc_profile")
        level = upright(image)
        if level.size != image.size:
            whole = (whole[1], whole[0])
        # Depth and transparency first: a key colour does not survive the averaging.
        small = _reduced(plain(level))
        coloured = to_srgb(small, profile)
    result = flatten(coloured, name)
    result.info = {_PAGES: pages}
    if result.size != whole:
        result.info[_FULL_SIZE] = whole
    return result


def full_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of the picture as it was sent, upright."""
    width, height = image.info.get(_FULL_SIZE, image.size)
    return (width, height)


def page_count(image: Image.Image) -> int:
    """How many pages the file has that a decoded picture comes from."""
    return int(image.info.get(_PAGES, 1))


def turn_image(image: Image.Image, degrees: int) -> Image.Image:
    """Turn a decoded picture clockwise, without losing a corner of it.

    What comes in beside a slanted picture has the colour of its corners where they agree, or else
    is white.
    """
    if degrees % 360 == 0:
        return image
    corners = {image.getpixel((x, y)) for x in (0, image.width - 1) for y in (0, image.height - 1)}
    turned = image.rotate(
        -degrees,
        Image.Resampling.BICUBIC,
        expand=True,
        fillcolor=corners.pop() if len(corners) == 1 else _WHITE,
    )
    scale = full_size(image)[0] / image.width
    whole = (round(turned.width * scale), round(turned.height * scale))
    turned.info = dict(image.info) | ({} if turned.size == whole else {_FULL_SIZE: whole})
    return turned


def crop_image(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """Cut out a region.

    Args:
        image: what `decode_image` returned.
        box: x, y, width and height in pixels of the picture as it was sent, upright: where it was
            reduced while decoding, the box is scaled with it.

    Raises:
        UnreadableImage: the region reaches outside, or is too small to compare.
    """
    x, y, width, height = box
    whole_width, whole_height = full_size(image)
    if x < 0 or y < 0 or x + width > whole_width or y + height > whole_height:
        raise UnreadableImage(
            f"the crop {x},{y},{width},{height} reaches outside of the picture, which is "
            f"{whole_width} pixels wide and {whole_height} high; give x,y,width,height inside it"
        )
    scale_x, scale_y = image.width / whole_width, image.height / whole_height
    left, top = math.floor(x * scale_x), math.floor(y * scale_y)
    right, bottom = math.ceil((x + width) * scale_x), math.ceil((y + height) * scale_y)
    if min(width, height, right - left, bottom - top) < SHORTEST_SIDE:
        raise UnreadableImage(
            f"the crop {x},{y},{width},{height} is too small to compare; give a region of at least "
            f"{SHORTEST_SIDE} pixels a side"
        )
    region = image.crop((left, top, right, bottom))
    region.info = {_PAGES: page_count(image)}
    return region


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
    """Bring the longest side down to 2048 pixels."""
    size = shrunk(image.size)
    if size == image.size:
        return image
    # Averaging whole blocks down to three times the size first is quick, and LANCZOS keeps lines.
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
