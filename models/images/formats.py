"""Recognises a picture's format by its bytes alone: file names and uploads' headers mislead."""

import re
import zlib
from typing import Literal

Format = Literal["PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF", "BMP", "SVG", "SVGZ", "PDF"]

ACCEPTED = "PNG, JPEG, GIF, WebP, AVIF, TIFF, BMP, SVG and PDF"
UNKNOWN_MEDIA_TYPE = "application/octet-stream"

_MEDIA_TYPES: dict[Format, str] = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "SVG": "image/svg+xml",
    # No browser draws the gzipped bytes as image/svg+xml unless a header says that they are.
    "SVGZ": "application/gzip",
    "PDF": "application/pdf",
}
_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
    (b"%PDF", "PDF"),
)
# What people send by mistake, named so that they know what to do.
_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "an EPS file"),
    (b"8BPS", "a Photoshop file"),
    (b"\x00\x00\x01\x00", "an icon file"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
)
_LOOK = 65_536  # bytes searched for the root of an SVG: licences and comments come before it
_HEAD = 64  # bytes in which an ISO media file names its brands
_SVG_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s/>]")
_HTML = re.compile(rb"\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def picture_format(content: bytes) -> Format | None:
    """Tell the format by content; None for anything MarkLens does not read."""
    for signature, found in _SIGNATURES:
        if content.startswith(signature):
            return found
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp" and re.search(rb"avi[fs]", content[8:_HEAD]):
        return "AVIF"
    if content.startswith(b"\x1f\x8b"):
        return "SVGZ" if _is_svg(_gunzipped_start(content)) else None
    return "SVG" if _is_svg(content[:_LOOK]) else None


def media_type(content: bytes) -> str:
    """Name the media type by content.

    Returns:
        ``image/png``, ``image/svg+xml``, … ; ``application/gzip`` for a gzipped SVG and
        ``application/octet-stream`` for anything MarkLens does not read.
    """
    found = picture_format(content)
    return UNKNOWN_MEDIA_TYPE if found is None else _MEDIA_TYPES[found]


def unsupported_format(content: bytes) -> str | None:
    """Name what the bytes are if it is something people send by mistake."""
    if content[4:8] == b"ftyp" and re.search(rb"hei[cfx]|mif1", content[8:_HEAD]):
        return "an HEIC photograph"
    return next((what for sign, what in _STRANGERS if content.startswith(sign)), None)


def _is_svg(start: bytes) -> bool:
    """Whether a text has the root of an SVG near its start (UTF-8, any Latin, or UTF-16)."""
    encoding = _BYTE_ORDER_MARKS.get(start[:2])
    if encoding is not None:
        start = start[2:].decode(encoding, "ignore").encode()
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return start.startswith(b"<") and not _HTML.match(start) and bool(_SVG_ROOT.search(start))


def _gunzipped_start(content: bytes) -> bytes:
    """Unpack no more than is looked at; nothing if it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(content, _LOOK)
    except zlib.error:
        return b""
