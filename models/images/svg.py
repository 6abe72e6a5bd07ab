"""SVG drawings, drawn by a process of their own that can neither hang nor crash the server.

An SVG is a program: shapes that refer to each other can ask for billions of others, filters for
hours, and references for files of this machine. So `svg_worker` checks and draws it, held to a
time, a memory and a file limit, and what comes back is an ordinary PNG.
"""

import importlib.util
import subprocess
import sys
import zlib
from pathlib import Path

from models.errors import UnreadableImage

MOST_BYTES = 5 * 1024 * 1024
TIMEOUT_S = 10.0

_WORKER = Path(__file__).with_name("svg_worker.py")
_REFUSED = 3  # the worker's exit code for a drawing at fault; the reason is on its stderr


def draw_svg(content: bytes, name: str) -> bytes:
    """Draw an SVG.

    Args:
        content: the document, plain or gzipped.
        name: what to call it in errors.

    Returns:
        PNG, RGBA, longest side 1024 pixels.

    Raises:
        UnreadableImage: not a drawing, one that needs other files, or too much work to draw.
    """
    document = _unpacked(content, name)
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and file, nothing of the user's
            _command(), input=document, capture_output=True, timeout=TIMEOUT_S, env={}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _too_much(name) from error
    if done.returncode == 0:
        return done.stdout
    if done.returncode == _REFUSED:
        reason = " ".join(done.stderr.decode("utf-8", "replace").split())[:200]
        raise UnreadableImage(f"{name}: {reason}")
    raise _too_much(name)


def _command() -> list[str]:
    """Run the worker as a bare file: no package import, no site, no environment, a fast start."""
    spec = importlib.util.find_spec("resvg_py")
    folder = Path(spec.origin).parent.parent if spec is not None and spec.origin else Path()
    return [sys.executable, "-I", "-S", str(_WORKER), str(folder)]


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


def _too_much(name: str) -> UnreadableImage:
    """Say that the drawing ran into a limit, or made the renderer fall over."""
    return UnreadableImage(
        f"{name}: an SVG that takes too much time or memory to draw; simplify it or export it as "
        "PNG"
    )
