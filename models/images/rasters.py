"""Raster files opened with Pillow, under guard.

The format's own reader is called directly instead of ``Image.open``: no other plugin (EPS with its
Ghostscript, FITS, …) ever sees an upload, and sizes are refused here, by header and before any
pixel is decoded, instead of by Pillow's process-wide limit and warnings.
"""

import re
import struct
from collections.abc import Callable, Mapping
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
from models.images.guard import DAMAGE, MOST_PIXELS, check_size, refusing_damage, shrunk
from models.images.tiffs import check_range, check_tiff, naming_unread_tiffs, squared, strip_bytes

# Only a JPEG is read reduced; of the rest a decoder may hold so much that its process stays below
# 300 MB.
_MOST_BYTES = 230_000_000
# Bytes a pixel, measured: by format, where its decoder makes copies; else by mode, as Pillow keeps
# it, and a little for the bands that are copied from it.
_OF_FORMAT: Mapping[Format, float] = {"JPEG": 1.5, "WEBP": 15.5, "AVIF": 9.0}
_OF_MODE = {"1": 1.2, "L": 1.2, "P": 1.2, "I;16": 2.4, "I;16B": 2.4, "I;16L": 2.4, "I;16N": 2.4}
_OF_ANY_MODE = 4.6

# A progressive JPEG repeats the whole picture in every scan; encoders write a dozen.
_MOST_SCANS = 64
# A marker of a JPEG but those that stand alone, and what is no marker.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_SCAN, _END = b"\xda", b"\xd9"
_ORIENTATION = 0x0112
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
_PNG_DEPTH = 24  # where a PNG says how many bits a channel has
_PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"iCCP", b"eXIf"))


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
    if kind == "JPEG":
        content = _closed(_first_jpeg(content, name))
    with refusing_damage(name), naming_unread_tiffs(kind, name):
        image = _READERS[kind](BytesIO(content))
        if frame:
            image.seek(frame)
        whole = image.size
    check_size(whole, name)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        check_tiff(image, name)
    _check_memory(image, kind, name)
    with refusing_damage(name):
        image.draft(None, shrunk(whole))
        is_sideways = kind == "TIFF" and exif_turn(image) in SIDEWAYS  # loading turns it
        image.load()
        if kind == "PNG":
            _scale_key(image, content[_PNG_DEPTH])
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            check_range(image, name)
            picture = squared(image, is_sideways)
            return picture, picture.size
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


def _check_memory(image: ImageFile.ImageFile, kind: Format, name: str) -> None:
    """Refuse what would take hundreds of megabytes to decode, by its header.

    Raises:
        UnreadableImage: too many pixels for its format and mode.
    """
    each = _OF_FORMAT.get(kind, _OF_MODE.get(image.mode, _OF_ANY_MODE))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        each += strip_bytes(image, name)
    most = int(_MOST_BYTES / each) // 10**6
    if image.width * image.height > _MOST_BYTES / each:
        raise UnreadableImage(
            f"{name}: too large at {image.width:,}×{image.height:,} pixels: of this kind of "
            f"{kind}, up to {most} megapixels are read; scale it down, or save it as a JPEG, "
            f"of which {MOST_PIXELS // 10**6} are"
        )


def _first_jpeg(content: bytes, name: str) -> bytes:
    """Cut off what follows a JPEG's own end, such as the film that telephones hang on.

    Raises:
        UnreadableImage: it has too many scans.
    """
    at, scans = 2, 0
    while found := _JPEG_MARKER.search(content, at):
        at = found.end()
        if found.group(1) == _END:
            return content[:at]
        scans += found.group(1) == _SCAN
        if scans > _MOST_SCANS:
            raise UnreadableImage(
                f"{name}: a JPEG of more than {_MOST_SCANS} scans would take minutes to decode; "
                "export it again"
            )
        at += int.from_bytes(content[at : at + 2])
    return content


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


def _scale_key(image: Image.Image, depth: int) -> None:
    """Bring a PNG's transparent colour to the 8 bits that Pillow makes of its pixels' depth."""
    key = image.info.get("transparency")
    top = 2**depth - 1
    if isinstance(key, tuple):
        image.info["transparency"] = tuple(
            level >> 8 if depth == 16 else level & top for level in key
        )
    elif isinstance(key, int) and image.mode == "L":
        image.info["transparency"] = (key & top) * 255 // top


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
