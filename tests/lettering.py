"""Pictures with words in them, drawn on the spot."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import models

GROUND, INK = (235, 205, 60), (20, 30, 90)
_FONT = Path(models.__file__).parent / "images" / "fonts" / "DejaVuSans-Bold.ttf"


def lettered(text: str) -> Image.Image:
    """A text below a disc, dark blue on yellow, 300 by 260 pixels."""
    picture = Image.new("RGB", (300, 260), GROUND)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((90, 20, 210, 140), fill=INK)
    font = ImageFont.truetype(_FONT, 40)
    pen.text((150, 200), text, fill=INK, font=font, anchor="mm")
    return picture
