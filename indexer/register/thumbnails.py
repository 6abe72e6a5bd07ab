"""Small copies of the register's pictures, kept in a folder of bounded size.

::

    <folder>/320/ab12….webp   made when first asked for; may be deleted at any time

A copy that was asked for last before all others makes room for a new one.
"""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from PIL import Image

from models.errors import MarkLensError

STEPS = (64, 160, 320, 640, 1024)  # pixels; between them a copy looks the same
SMALLEST, LARGEST = 16, STEPS[-1]  # that may be asked for
_FRESH_S = 3600  # a copy read again within it is not noted as read
_KEPT = 0.9  # of the most bytes, after old copies are deleted


def step_of(size: int) -> int:
    """The next size that there is.

    Args:
        size: of the longest side in pixels.

    Raises:
        MarkLensError: it is out of range.
    """
    if not SMALLEST <= size <= LARGEST:
        raise MarkLensError(f"thumbnail size {size} is not between {SMALLEST} and {LARGEST} pixels")
    return next(step for step in STEPS if size <= step)


class Thumbnails:
    """The copies in one folder; safe for threads and processes.

    Args:
        folder: of the copies.
        most_bytes: that they take, roughly: each process notices what others add when it deletes.
        write: writes a file whole or not at all.

    Attributes:
        hits, misses: how often a copy was there, and was not.
    """

    def __init__(self, folder: Path, most_bytes: int, write: Callable[[Path, bytes], None]) -> None:
        self._folder, self._most, self._write = folder, most_bytes, write
        self.hits = self.misses = 0
        self._lock = Lock()
        self._bytes: int | None = None  # until the folder is looked through

    def find(self, digest: str, step: int) -> bytes | None:
        """A copy that is there, noted as read."""
        path = self._path(digest, step)
        try:
            content = path.read_bytes()
            if time.time() - path.stat().st_mtime > _FRESH_S:
                os.utime(path)
        except OSError:
            self.misses += 1
            return None
        self.hits += 1
        return content

    def make(self, digest: str, step: int, image: Image.Image) -> bytes:
        """Make a copy of a decoded picture, and keep it where the disk takes it."""
        image.thumbnail((step, step), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.save(out, "WEBP", quality=85)
        content = out.getvalue()
        try:
            self._write(self._path(digest, step), content)
            self._make_room(len(content))
        except OSError:
            # A read-only or full disk must not take the pictures off the page.
            return content
        return content

    def _path(self, digest: str, step: int) -> Path:
        return self._folder / str(step) / f"{digest}.webp"

    def _make_room(self, added: int) -> None:
        """Delete the copies that were read first until the rest fits."""
        with self._lock:
            if self._bytes is not None:
                self._bytes += added
                if self._bytes <= self._most:
                    return
            copies = [(path, path.stat()) for path in self._folder.glob("*/*.webp")]
            self._bytes = sum(status.st_size for _, status in copies)
            if self._bytes <= self._most:
                return
            for path, status in sorted(copies, key=lambda one: one[1].st_mtime):
                path.unlink(missing_ok=True)
                self._bytes -= status.st_size
                if self._bytes <= self._most * _KEPT:
                    return
