"""Pictures as a report shows them."""

from PIL import Image, ImageDraw

from models.images import full_size
from search_api.request import Box

_QUERY_SIDE = 800


def outlined(image: Image.Image, crop: Box | None) -> Image.Image:
    """The query picture with a red line around the part that was compared."""
    whole = full_size(image)
    small = reduced(image, _QUERY_SIDE)
    if crop is None:
        return small
    x, y, width, height = crop
    across, down = small.width / whole[0], small.height / whole[1]
    box = (x * across, y * down, (x + width) * across - 1, (y + height) * down - 1)
    ImageDraw.Draw(small).rectangle(box, outline=(200, 30, 45), width=3)
    return small


def reduced(image: Image.Image, side: int) -> Image.Image:
    """A picture of at most `side` pixels a side."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small
