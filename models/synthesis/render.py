"""SVG text → picture, for training."""

import io
import re

import resvg_py
from PIL import Image

from models.errors import UnreadableImage

_SHORTEST = 4  # a drawing that leaves less than this many pixels a side is no drawing
# Only the root element's size decides the proportions of the result.
_ROOT = re.compile(r"<svg\b[^>]*>", re.IGNORECASE | re.DOTALL)
_VIEW_BOX = re.compile(r"viewBox\s*=\s*[\"']([^\"']+)[\"']")


def render_svg(svg: str, size: int = 256, name: str = "drawing") -> Image.Image:
    """Draw an SVG.

    ``currentColor`` and unset fills come out black, SVG's own default. System fonts are not
    loaded: text that is not outlines stays empty, and loading costs a tenth of a second a drawing.

    Args:
        svg: the document's text.
        size: longest side of the document in pixels.
        name: what to call it in an error.

    Returns:
        RGBA, trimmed to what is drawn.

    Raises:
        UnreadableImage: not an SVG, or nothing visible in it.
    """
    try:
        width, height = (None, size) if _is_tall(svg) else (size, None)
        png = resvg_py.svg_to_bytes(
            svg_string=svg, skip_system_fonts=True, width=width, height=height
        )
        image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    except (ValueError, OSError) as error:
        raise UnreadableImage(f"{name}: cannot be drawn ({error}); leave it out") from error
    box = image.getchannel("A").point([0] * 16 + [255] * 240).getbbox()
    if box is None or box[2] - box[0] < _SHORTEST or box[3] - box[1] < _SHORTEST:
        raise UnreadableImage(f"{name}: nothing visible is drawn; leave it out")
    return image.crop(box)


def stencil_of(drawing: Image.Image) -> Image.Image:
    """Return where a one-colour drawing puts ink: mode L, 255 full ink.

    White parts drawn over black are holes, not ink.
    """
    alpha = drawing.getchannel("A")
    black = Image.new("L", drawing.size, 0)
    lightness = drawing.convert("RGB").convert("L")
    black.paste(alpha, (0, 0), lightness.point([255 - level for level in range(256)]))
    return black


def _is_tall(svg: str) -> bool:
    """Tell which side is the longer one: given only that, resvg keeps the proportions."""
    root = _ROOT.search(svg)
    box = _VIEW_BOX.search(root.group()) if root else None
    if box is None:
        return False
    numbers = [float(part) for part in re.split(r"[\s,]+", box.group(1).strip())]
    return len(numbers) == 4 and numbers[3] > numbers[2]
