"""SVG drawings become PNGs in a process of their own that can neither hang nor crash the server.

An SVG is a program: shapes that refer to each other can ask for billions of others, filters for
hours, and references for files of this machine; a few kilobytes in it may be a picture of millions
of pixels. So a child process checks and draws it, held to a time, a memory and a file limit, and
what comes back is an ordinary PNG.
"""

import binascii
import re
import zlib
from base64 import b64encode
from io import BytesIO
from urllib.parse import unquote_to_bytes

from models.errors import UnreadableImage
from models.images.drawn_apart import DRAWN, REFUSED, draw_apart
from models.images.formats import picture_format
from models.images.pixels import plain, to_srgb, white_level
from models.images.rasters import is_plain_jpeg, load_raster

MOST_BYTES = 5 * 1024 * 1024

# Blanks and line ends may be written as entities, and any sign as in an address.
_BLANK = rb"&#(?:9|10|13|32|x0?[9AaDd]|x20);"
_EMBEDDED = re.compile(
    rb"data:image/[\w.+-]+;base64,((?:[A-Za-z0-9+/=\s]+|%[0-9A-Fa-f]{2}|" + _BLANK + rb")+)"
)
_DRAWN_EMBEDDED = frozenset(("PNG", "GIF", "WEBP", "SVG", "SVGZ"))  # by the renderer itself


def draw_svg(content: bytes, name: str, cpu_s: int) -> bytes:
    """Draw an SVG; to be called in a process that has one thread.

    Args:
        content: the document, plain or gzipped.
        name: what to call it in errors.
        cpu_s: seconds of a processor that drawing may take.

    Returns:
        PNG, RGBA, longest side 1024 pixels.

    Raises:
        UnreadableImage: not a drawing, one that needs other files, or too much work to draw.
    """
    from models.images.svg_drawing import draw, left_out

    document = _unpacked(content, name)

    def drawn() -> tuple[int, bytes]:
        try:
            return draw(_EMBEDDED.sub(_readable, document))
        except UnreadableImage as refusal:
            return REFUSED, str(refusal).encode()

    status, answer, report = draw_apart(drawn, cpu_s)
    lost = left_out(report) if status == DRAWN else ""
    if lost:
        raise UnreadableImage(f"{name}: {lost}")
    if status == DRAWN:
        return answer
    if status == REFUSED:
        reason = " ".join(answer.decode("utf-8", "replace").split())[:200]
        raise UnreadableImage(f"{name}: {reason}")
    # It ran into a limit, or made the renderer fall over.
    raise UnreadableImage(
        f"{name}: an SVG that takes too much time or memory to draw; simplify it or export it as "
        "PNG"
    )


def _readable(found: re.Match[bytes]) -> bytes:
    """A picture within the drawing, as a PNG where the renderer would leave it out or distort it.

    Raises:
        UnreadableImage: it is of a kind that is not read, or damaged.
    """
    within = "a picture in it"
    try:
        content = binascii.a2b_base64(unquote_to_bytes(re.sub(_BLANK, b"", found.group(1))))
    except binascii.Error as error:
        raise UnreadableImage(f"{within}: damaged ({error}); export the drawing as PNG") from error
    kind = picture_format(content)
    if kind is None:
        raise UnreadableImage(f"{within}: of a kind that is not read; export the drawing as PNG")
    if kind in _DRAWN_EMBEDDED:
        return found.group()
    if kind == "JPEG" and is_plain_jpeg(content, within):
        return found.group()
    image, _ = load_raster(content, kind, within)
    file = BytesIO()
    to_srgb(plain(image, white_level(image)), image.info.get("icc_profile")).save(
        file, "PNG", compress_level=1
    )
    return b"data:image/png;base64," + b64encode(file.getvalue())


def _unpacked(content: bytes, name: str) -> bytes:
    """Undo gzip, never beyond the limit.

    Raises:
        UnreadableImage: damaged, or larger than a drawing may be.
    """
    if content.startswith(b"\x1f\x8b"):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            content = unpacker.decompress(content, MOST_BYTES + 1)
        except zlib.error as error:
            raise UnreadableImage(
                f"{name}: a gzipped SVG that is damaged ({error}); save it as a plain SVG"
            ) from error
        if len(content) <= MOST_BYTES and not unpacker.eof:
            raise UnreadableImage(
                f"{name}: a gzipped SVG that is cut short; save it as a plain SVG"
            )
    if len(content) > MOST_BYTES:
        raise UnreadableImage(
            f"{name}: an SVG of more than {MOST_BYTES // 2**20} MiB; export it as PNG"
        )
    return content
