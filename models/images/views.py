"""What of a decoded picture is looked at: turned, and cut out; and what it was before."""

import math

from PIL import Image

from models.errors import UnreadableImage
from models.images.guard import SHORTEST_SIDE

# Keys in Image.info.
FULL_SIZE = "full_size"  # set where the picture was reduced
PAGES = "pages"  # how many the file has
_WHITE = (255, 255, 255)


def full_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of the picture as it was sent, upright."""
    width, height = image.info.get(FULL_SIZE, image.size)
    return (width, height)


def page_count(image: Image.Image) -> int:
    """How many pages the file has that a decoded picture comes from."""
    return int(image.info.get(PAGES, 1))


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
    turned.info = dict(image.info) | ({} if turned.size == whole else {FULL_SIZE: whole})
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
    region.info = {PAGES: page_count(image)}
    return region
