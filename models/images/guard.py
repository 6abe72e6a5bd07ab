"""What holds for any picture, whoever decodes it: its size, and one refusal for any damage."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from models.errors import UnreadableImage

MOST_PIXELS = 64_000_000
SHORTEST_SIDE = 8  # pixels; less holds no sign that could be compared
LONGEST_SIDE = 2048  # pixels; larger pictures are reduced to it, to bound memory and time
# Pillow's readers run far into damaged files before something gives way, wherever that happens to
# be.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    EOFError,
    UserWarning,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@contextmanager
def refusing_damage(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises inside into one refusal of the picture `name`."""
    try:
        yield
    except MemoryError as error:
        raise UnreadableImage(
            f"{name}: takes too much memory to open; scale it down or save it in another format"
        ) from error
    except DAMAGE as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UnreadableImage(
            f"{name}: damaged or cut short ({reason}); open it in a picture editor and export it "
            "again"
        ) from error


def shrunk(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size with the longest side brought down to `LONGEST_SIDE`."""
    longest = max(size)
    if longest <= LONGEST_SIDE:
        return size
    width, height = (max(1, round(side * LONGEST_SIDE / longest)) for side in size)
    return (width, height)


def check_size(size: tuple[int, int], name: str) -> None:
    """Refuse what is too small to compare or too large to open.

    Args:
        size: width and height in pixels, as the file's header says.
        name: what to call the picture in errors.

    Raises:
        UnreadableImage: too large, too small, or too thin.
    """
    width, height = size
    extent = f"{width:,}×{height:,} pixels"
    if width * height > MOST_PIXELS:
        raise UnreadableImage(
            f"{name}: too large at {extent}; scale it down to {MOST_PIXELS // 10**6} megapixels "
            "or less"
        )
    if min(size) < SHORTEST_SIDE:
        raise UnreadableImage(
            f"{name}: too small to compare at {extent}; send a picture of at least "
            f"{SHORTEST_SIDE} pixels a side"
        )
    if min(shrunk(size)) < SHORTEST_SIDE:
        raise UnreadableImage(
            f"{name}: too thin to compare at {extent}; cut out the part that holds the mark"
        )
