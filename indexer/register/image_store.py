"""The pictures of the register: files named by the SHA-256 of their bytes.

::

    <folder>/ab/ab12…        the original bytes, as they were handed in
    <folder>/thumbnails/     see `indexer.register.thumbnails`
    <folder>/incoming/       half-written files; anything a killed process left here is rubbish

A file is complete and on the disk before its name exists, so a row committed after `put` never
points at a picture that a power cut took away. A file without a row is harmless.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from indexer.errors import StorageFull
from indexer.register.durable import sync_folder
from indexer.register.thumbnails import Thumbnails, step_of
from models.errors import MarkLensError
from models.images import decode_image

_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_THUMBNAILS = 1_000_000_000  # bytes


class ImageStore:
    """Content-addressed picture files below one folder; safe for threads and processes."""

    def __init__(self, folder: Path, most_thumbnails: int = _MOST_THUMBNAILS) -> None:
        """Use a folder, which is made when it is needed.

        Args:
            folder: of the pictures.
            most_thumbnails: bytes that thumbnails may take.
        """
        self.folder = folder
        write = partial(self._write, durable=False)
        self.thumbnails = Thumbnails(folder / "thumbnails", most_thumbnails, write)

    def put(self, content: bytes) -> str:
        """Keep `content` and return its SHA-256 (hex); keeping it again changes nothing.

        Raises:
            StorageFull: the disk is full.
            MarkLensError: the disk refuses otherwise (read-only, no permission).
        """
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        try:
            if not _holds(path, content):
                self._write(path, content, durable=True)
        except OSError as error:
            kind = StorageFull if StorageFull.is_told_by(error) else MarkLensError
            raise kind(f"cannot write to {self.folder}: {error.strerror}") from error
        return digest

    def get(self, digest: str) -> bytes:
        """The original bytes.

        Raises:
            MarkLensError: the file is missing, damaged or unreadable.
        """
        try:
            content = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise MarkLensError(
                f"picture {digest[:12]} is missing from {self.folder}: index its source again"
            ) from error
        except OSError as error:
            raise MarkLensError(f"cannot read from {self.folder}: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise MarkLensError(
                f"picture {digest[:12]} in {self.folder} is damaged: delete that file "
                "and index its source again"
            )
        return content

    def thumbnail(
        self, digest: str, size: int, decode: Callable[[bytes], Image.Image] = decode_image
    ) -> bytes:
        """A small copy of a picture, WebP.

        Args:
            digest: of the picture.
            size: of its longest side in pixels, 16 to 1024; the next of `thumbnails.STEPS` is
                taken, and a smaller picture stays as small as it is.
            decode: makes a picture of bytes, where the copy is not there yet.

        Raises:
            MarkLensError: no such picture, or a size out of range.
        """
        digest, step = self._known(digest), step_of(size)
        found = self.thumbnails.find(digest, step)
        return found or self.thumbnails.make(digest, step, decode(self.get(digest)))

    def _known(self, digest: str) -> str:
        """The digest itself, once it is sure to be one: it becomes part of a path."""
        if not _DIGEST.fullmatch(digest):
            raise MarkLensError(f"{digest[:80]!r} is not a picture's SHA-256")
        return digest

    def _path(self, digest: str) -> Path:
        return self.folder / self._known(digest)[:2] / digest

    def _write(self, path: Path, content: bytes, *, durable: bool) -> None:
        """Write under a temporary name, then rename; `durable` also waits for the disk."""
        incoming = self.folder / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=incoming)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(path.parent)


def picture_files(folder: Path) -> Iterator[Path]:
    """The files of pictures below a store's folder, by their names; there may be no folder.

    Raises:
        MarkLensError: the folder cannot be read.
    """
    try:
        for part in sorted(folder.glob("[0-9a-f][0-9a-f]")):
            names = sorted(one.name for one in part.iterdir() if one.name.startswith(part.name))
            yield from (part / name for name in names if _DIGEST.fullmatch(name))
    except OSError as error:
        raise MarkLensError(f"cannot read from {folder}: {error.strerror}") from error


def _holds(path: Path, content: bytes) -> bool:
    """Whether the file is there with exactly these bytes; a damaged one is written afresh."""
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False
