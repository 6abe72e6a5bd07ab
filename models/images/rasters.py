"""Raster files opened with Pillow, under guard.

The format's own reader is called directly instead of ``Image.open``: no other plugin (EPS with its
Ghostscript, FITS, …) ever sees an upload, and sizes are refused here, by header and before any
pixel is decoded, instead of by Pillow's process-wide limit and warnings.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from models.errors import UnreadableImage
from models.images.formats import Format

MOST_PIXELS = 64_000_000
# Only a JPEG is read reduced; of the rest a decoder may hold so much that its process stays below
# 300 MB.
_MOST_BYTES = 230_000_000
# Bytes a pixel, measured: by format, where its decoder makes copies; else by mode, as Pillow keeps
# it, and a little for the bands that are copied from it.
_OF_FORMAT: Mapping[Format, float] = {"JPEG": 1.5, "WEBP": 15.5, "AVIF": 9.0}
_OF_MODE = {"1": 1.2, "L": 1.2, "P": 1.2, "I;16": 2.4, "I;16B": 2.4, "I;16L": 2.4, "I;16N": 2.4}
_OF_ANY_MODE = 4.6
SHORTEST_SIDE = 8  # pixels; less holds no sign that could be compared
LONGEST_SIDE = 2048  # pixels; larger pictures are reduced to it, to bound memory and time

# A progressive JPEG repeats the whole picture in every scan; encoders write a dozen.
_MOST_SCANS = 64
_ORIENTATION = 0x0112
_SUBFILE, _REDUCED_OR_MASK = 254, 5  # NewSubfileType; its bits for previews and masks
_MOST_PAGES = 1000
_TILE_WIDTH, _TILE_LENGTH, _STRIP_ROWS = 322, 323, 278
_BITS, _PLANES, _X_RESOLUTION, _Y_RESOLUTION = 258, 284, 282, 283
_MOST_OBLONG = 5.0  # width to height of a pixel, or the reverse; more is a nonsensical tag
# What a JPEG that lacks only its last marker is closed with: rows that are missing, too, come out
# of each of these fillings in another way.
_END_OF_JPEG = b"\xff\xd9"
_FILLINGS = (b"", b"\x00" * 64, b"\x55" * 64, b"\xaa" * 64)
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset(  # of these, those after which width is height
    (
        Image.Transpose.TRANSPOSE,
        Image.Transpose.ROTATE_270,
        Image.Transpose.TRANSVERSE,
        Image.Transpose.ROTATE_90,
    )
)
_READERS: Mapping[Format, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}
# Chunks that decide what the picture looks like. The rest (text, which may unpack to a bomb,
# animation, private data) never reaches Pillow.
_PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"iCCP", b"eXIf"))
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


def tiff_pages(content: bytes, name: str) -> tuple[int, ...]:
    """The frames of a TIFF that are its pages, in order: previews and masks are none.

    At most 1,000 are counted, and none behind one that cannot be opened.

    Raises:
        UnreadableImage: not even the first can be opened.
    """
    with refusing_damage(name), _naming_unread_tiffs("TIFF", name):
        image = TiffImagePlugin.TiffImageFile(BytesIO(content))
    pages = [0]
    try:
        for frame in range(1, _MOST_PAGES):
            image.seek(frame)
            if not int(image.tag_v2.get(_SUBFILE, 0)) & _REDUCED_OR_MASK:
                pages.append(frame)
    except DAMAGE:  # EOFError after the last one
        return tuple(pages)
    return tuple(pages)


def load_raster(
    content: bytes, kind: Format, name: str, frame: int = 0
) -> tuple[Image.Image, tuple[int, int]]:
    """Decode one frame or page.

    Args:
        content: the file.
        kind: any format but an SVG.
        name: what to call the picture in errors.
        frame: of a TIFF; of other formats the first counts.

    Returns:
        The picture in its own mode, not yet upright, a JPEG perhaps already reduced (to no less
        than `LONGEST_SIDE`); and the file's own width and height.

    Raises:
        UnreadableImage: damaged, cut short, too small or too large.
    """
    if kind == "PNG":
        content = _without_extras(content, name)
    if kind == "JPEG" and content.count(b"\xff\xda") > _MOST_SCANS:
        raise UnreadableImage(
            f"{name}: a JPEG of more than {_MOST_SCANS} scans would take minutes to decode; "
            "export it again"
        )
    if kind == "JPEG":
        content = _closed(content)
    with refusing_damage(name), _naming_unread_tiffs(kind, name):
        image = _READERS[kind](BytesIO(content))
        if frame:
            image.seek(frame)
        whole = image.size
    _check_size(whole, name)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _check_tiles(image, name)
        _check_planes(image, name)
    _check_memory(image, kind, name)
    with refusing_damage(name):
        image.draft(None, shrunk(whole))
        image.load()
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            squared = _squared(image)
            return squared, squared.size
        if kind == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema()[1] == 0:
            # Windows programs leave the fourth byte empty: it is no transparency.
            return image.convert("RGB"), whole
    return image, whole


def is_plain_jpeg(content: bytes, name: str) -> bool:
    """Whether a JPEG is whole and not CMYK, by its header and its end: no pixel is decoded.

    Raises:
        UnreadableImage: the header is damaged.
    """
    with refusing_damage(name):
        mode = JpegImagePlugin.JpegImageFile(BytesIO(content)).mode
    return mode != "CMYK" and _END_OF_JPEG in content[-64:]


def exif_turn(image: Image.Image) -> Image.Transpose | None:
    """How the picture's EXIF data says to turn it; damaged EXIF data says nothing."""
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except DAMAGE:
        return None


def shrunk(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size with the longest side brought down to `LONGEST_SIDE`."""
    longest = max(size)
    if longest <= LONGEST_SIDE:
        return size
    width, height = (max(1, round(side * LONGEST_SIDE / longest)) for side in size)
    return (width, height)


def _check_size(size: tuple[int, int], name: str) -> None:
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


def _check_memory(image: ImageFile.ImageFile, kind: Format, name: str) -> None:
    """Refuse what would take hundreds of megabytes to decode, by its header.

    Raises:
        UnreadableImage: too many pixels for its format and mode.
    """
    each = _OF_FORMAT.get(kind, _OF_MODE.get(image.mode, _OF_ANY_MODE))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        with refusing_damage(name):
            bits = sum(image.tag_v2.get(_BITS, (1,)))
            rows = int(image.tag_v2.get(_STRIP_ROWS, 0)) or image.height
            is_tiled = _TILE_LENGTH in image.tag_v2
        # A strip is unpacked whole before it is copied.
        each += 0 if is_tiled else bits / 8 * min(rows, image.height) / image.height
    most = int(_MOST_BYTES / each) // 10**6
    if image.width * image.height > _MOST_BYTES / each:
        raise UnreadableImage(
            f"{name}: too large at {image.width:,}×{image.height:,} pixels: of this kind of "
            f"{kind}, up to {most} megapixels are read; scale it down, or save it as a JPEG, "
            f"of which {MOST_PIXELS // 10**6} are"
        )


def _check_tiles(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
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


def _check_planes(image: TiffImagePlugin.TiffImageFile, name: str) -> None:
    """Refuse deep colours in planes, which Pillow reads as garbage.

    Raises:
        UnreadableImage: more than 8 bits a channel, each channel by itself.
    """
    with refusing_damage(name):
        bits = image.tag_v2.get(_BITS, (1,))
        is_planar = image.tag_v2.get(_PLANES, 1) == 2
    if is_planar and len(bits) > 1 and max(bits) > 8:
        raise UnreadableImage(_unread(name, f"{max(bits)} bits a channel, in planes"))


@contextmanager
def _naming_unread_tiffs(kind: Format, name: str) -> Iterator[None]:
    """Tell a TIFF of a kind that Pillow does not read from a damaged one."""
    try:
        yield
    except SyntaxError as error:
        if kind == "TIFF" and "unknown pixel mode" in str(error):
            raise UnreadableImage(_unread(name, "floating-point colours, or deep ones")) from error
        raise


def _unread(name: str, kind: str) -> str:
    return f"{name}: a kind of TIFF that is not read ({kind}); save it with 8 bits a channel"


def _squared(image: TiffImagePlugin.TiffImageFile) -> Image.Image:
    """Resample a TIFF whose pixels are not square, such as a fax of 204 by 98 dots an inch."""
    across = float(image.tag_v2.get(_X_RESOLUTION) or 0)
    down = float(image.tag_v2.get(_Y_RESOLUTION) or 0)
    if not (across > 0 and down > 0) or 0.98 < across / down < 1.02:
        return image
    if max(across / down, down / across) > _MOST_OBLONG:
        return image
    width = round(image.width * max(1.0, down / across))
    height = round(image.height * max(1.0, across / down))
    if width * height > MOST_PIXELS:
        return image
    grey = image.convert("L") if image.mode == "1" else image
    squared = grey.resize((width, height), Image.Resampling.BICUBIC)
    squared.info = image.info
    return squared


def _closed(content: bytes) -> bytes:
    """Add the end marker to a JPEG that lacks it and nothing else.

    A progressive JPEG stays as it is: whether later scans are missing cannot be told.
    """
    if _END_OF_JPEG in content[-64:]:
        return content
    decoded = []
    for filling in _FILLINGS:
        try:
            image = JpegImagePlugin.JpegImageFile(BytesIO(content + filling + _END_OF_JPEG))
            if image.info.get("progressive") or image.width * image.height > MOST_PIXELS:
                return content
            image.draft(None, shrunk(image.size))
            decoded.append(image.tobytes())
        except DAMAGE:
            return content
    is_complete = all(pixels == decoded[0] for pixels in decoded)
    return content + _END_OF_JPEG if is_complete else content


def _without_extras(content: bytes, name: str) -> bytes:
    """Keep of a PNG what shows.

    Raises:
        UnreadableImage: the file ends before its last chunk does.
    """
    kept = [content[:8]]
    at = 8
    while at + 12 <= len(content):
        size, chunk = struct.unpack_from(">I4s", content, at)
        end = at + 12 + size
        if end > len(content):
            break
        if chunk in _PNG_CHUNKS:
            kept.append(content[at:end])
        if chunk == b"IEND":
            return b"".join(kept)
        at = end
    raise UnreadableImage(f"{name}: a PNG that is cut short; export or send it again")
