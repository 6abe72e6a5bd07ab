"""What is odd about TIFFs: pages, tiles, planes, and pixels that are not square."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import cast

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from models.errors import UnreadableImage
from models.images.formats import Format
from models.images.guard import DAMAGE, MOST_PIXELS, refusing_damage

_SUBFILE, _REDUCED_OR_MASK = 254, 5  # NewSubfileType; its bits for previews and masks
_MOST_PAGES = 1000
_TILE_WIDTH, _TILE_LENGTH, _STRIP_ROWS = 322, 323, 278
_BITS, _PLANES, _X_RESOLUTION, _Y_RESOLUTION = 258, 284, 282, 283
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_SAMPLE_FORMAT, _SIGNED = 339, 2
_MOST_OF_32_BITS = 65_535  # beyond it nothing tells what is white, and Pillow counts as signed
_MOST_OBLONG = 5.0  # width to height of a pixel, or the reverse; more is a nonsensical tag


def tiff_pages(content: bytes, name: str) -> tuple[int, ...]:
    """The frames of a TIFF that are its pages, in order: previews and masks are none.

    At most 1,000 are counted, and none behind one that cannot be opened.

    Raises:
        UnreadableImage: not even the first can be opened.
    """
    with refusing_damage(name), naming_unread_tiffs("TIFF", name):
        image = TiffImageFile(BytesIO(content))
    pages = [0]
    try:
        for frame in range(1, _MOST_PAGES):
            image.seek(frame)
            if not int(image.tag_v2.get(_SUBFILE, 0)) & _REDUCED_OR_MASK:
                pages.append(frame)
    except DAMAGE:  # EOFError after the last one
        return tuple(pages)
    return tuple(pages)


@contextmanager
def naming_unread_tiffs(kind: Format, name: str) -> Iterator[None]:
    """Tell a TIFF of a kind that Pillow does not read from a damaged one."""
    try:
        yield
    except SyntaxError as error:
        if kind == "TIFF" and "unknown pixel mode" in str(error):
            raise UnreadableImage(_unread(name, "floating-point colours, or deep ones")) from error
        raise


def squared(image: TiffImageFile, is_sideways: bool) -> Image.Image:
    """Resample a TIFF whose pixels are not square, such as a fax of 204 by 98 dots an inch.

    Args:
        image: loaded, which turns it upright.
        is_sideways: whether that made the file's columns rows; its resolutions are theirs.
    """
    across = float(image.tag_v2.get(_X_RESOLUTION) or 0)
    down = float(image.tag_v2.get(_Y_RESOLUTION) or 0)
    if is_sideways:
        across, down = down, across
    if not (across > 0 and down > 0) or 0.98 < across / down < 1.02:
        return image
    if max(across / down, down / across) > _MOST_OBLONG:
        return image
    width = round(image.width * max(1.0, down / across))
    height = round(image.height * max(1.0, across / down))
    if width * height > MOST_PIXELS:
        return image
    grey = image.convert("L") if image.mode == "1" else image
    # BICUBIC overshoots: more than white would count as a deeper picture, all of it nearly black.
    has_top = grey.mode not in ("I", "F")
    how = Image.Resampling.BICUBIC if has_top else Image.Resampling.BILINEAR
    picture = grey.resize((width, height), how)
    picture.info = image.info
    return picture


def check_tiff(image: TiffImageFile, name: str) -> None:
    """Refuse what Pillow would read at too much cost, or as garbage.

    Raises:
        UnreadableImage: huge tiles, deep colours in planes, or greys of an odd kind.
    """
    _check_tiles(image, name)
    _check_planes(image, name)
    _check_greys(image, name)


def check_range(image: TiffImageFile, name: str) -> None:
    """Refuse loaded greys of 32 bits that hold more than 16 do.

    Raises:
        UnreadableImage: a number is negative, or larger.
    """
    if image.mode != "I":
        return
    lowest, highest = cast(tuple[float, float], image.getextrema())  # one channel
    if lowest < 0 or highest > _MOST_OF_32_BITS:
        raise UnreadableImage(_unread(name, "32 bits of grey"))


def strip_bytes(image: TiffImageFile, name: str) -> float:
    """Bytes a pixel of the picture that unpacking takes: a strip is, whole, before it is copied.

    Raises:
        UnreadableImage: the header is damaged.
    """
    with refusing_damage(name):
        if _TILE_LENGTH in image.tag_v2:
            return 0.0
        rows = int(image.tag_v2.get(_STRIP_ROWS, 0)) or image.height
        return sum(image.tag_v2.get(_BITS, (1,))) / 8 * min(rows, image.height) / image.height


def _check_tiles(image: TiffImageFile, name: str) -> None:
    """Refuse a small TIFF whose tiles are huge: each would be unpacked whole.

    Raises:
        UnreadableImage: a tile is larger than any picture may be.
    """
    with refusing_damage(name):
        width = int(image.tag_v2.get(_TILE_WIDTH, 0))
        length = int(image.tag_v2.get(_TILE_LENGTH, 0))
    if width * length > MOST_PIXELS:
        raise UnreadableImage(
            f"{name}: a TIFF with tiles of {width:,}×{length:,} pixels; export it again"
        )


def _check_planes(image: TiffImageFile, name: str) -> None:
    """Refuse deep colours in planes, which Pillow reads as garbage.

    Raises:
        UnreadableImage: more than 8 bits a channel, each channel by itself.
    """
    with refusing_damage(name):
        bits = image.tag_v2.get(_BITS, (1,))
        is_planar = image.tag_v2.get(_PLANES, 1) == 2
    if is_planar and len(bits) > 1 and max(bits) > 8:
        raise UnreadableImage(_unread(name, f"{max(bits)} bits a channel, in planes"))


def _check_greys(image: TiffImageFile, name: str) -> None:
    """Refuse greys whose black and white Pillow leaves aside.

    Raises:
        UnreadableImage: 12 bits, signed below 32, or white as 0 above 8.
    """
    with refusing_damage(name):
        bits = max(image.tag_v2.get(_BITS, (1,)))
        is_signed = _SIGNED in image.tag_v2.get(_SAMPLE_FORMAT, (1,))
        # A file without the tag is read so.
        is_white_zero = image.tag_v2.get(_PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO
    if bits == 12 or (bits < 32 and is_signed) or (bits > 8 and is_white_zero):
        kind = f"{bits} bits of grey{', signed' * is_signed}{', white as 0' * is_white_zero}"
        raise UnreadableImage(_unread(name, kind))


def _unread(name: str, kind: str) -> str:
    return f"{name}: a kind of TIFF that is not read ({kind}); save it with 8 bits a channel"
