"""Query pictures that the server keeps for a while, each under a handle nobody can guess.

::

    <folder>/pictures/<SHA-256>    the bytes; one file of equal pictures
    <folder>/<handle>/picture      that SHA-256
    <folder>/<handle>/<name>       what was found out of it: its embedding, view by view

A handle is 128 random bits, new for each picture that is sent, and what is found out belongs to the
handle: that somebody else sent the same picture shows neither in an answer nor in its time. The
folder is closed to other accounts of the machine; servers that share it share the pictures.
"""

import hashlib
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Event

from search_api.beside import beside
from search_api.errors import PictureGone

logger = logging.getLogger(__name__)

HANDLE = re.compile(r"[0-9a-f]{32}")
_PURGE_EVERY_S = 600.0
_UNFINISHED = ".tmp"
_OVER = 16  # a process keeps at most 1/16 of the limit beyond it before it purges
_BEING_WRITTEN_S = 60.0  # a picture without handle may still get one


class KeptPictures:
    """The pictures below one folder; safe for threads and processes."""

    def __init__(self, folder: Path, seconds: float, most_bytes: int) -> None:
        """Prepare; nothing is made before the first picture is kept.

        Args:
            folder: of the pictures.
            seconds: for which each is kept; 0 for not at all.
            most_bytes: that all may take; the oldest make room. 0 for none.
        """
        self.folder = folder
        self.is_on = seconds > 0 and most_bytes > 0
        self._seconds = seconds if self.is_on else 0.0
        self._most_bytes = most_bytes
        self._unpurged = 0  # bytes kept since the last purge

    def keep(self, content: bytes) -> str:
        """Keep a picture and return its handle.

        Raises:
            OSError: the disk refuses.
        """
        handle, digest = secrets.token_hex(16), hashlib.sha256(content).hexdigest()
        # The handle first: what no handle names may be removed.
        self._write(self._of(handle) / "picture", digest.encode())
        self._write(self.folder / "pictures" / digest, content)
        self._unpurged += len(content)
        if self._unpurged * _OVER > self._most_bytes:
            self.purge()
        return handle

    def content(self, handle: str) -> bytes:
        """The bytes of a picture.

        Raises:
            PictureGone: it is kept no longer, or never was.
        """
        digest = (self.noted(handle, "picture") or b"").decode()
        try:
            content = (self.folder / "pictures" / digest).read_bytes() if digest else b""
        except FileNotFoundError as error:
            raise PictureGone(handle) from error
        if hashlib.sha256(content).hexdigest() != digest:  # cut short as the machine stopped
            raise PictureGone(handle)
        return content

    def note(self, handle: str, name: str, data: bytes) -> None:
        """Keep what was found out of a picture, unless that was forgotten meanwhile.

        Raises:
            OSError: the disk refuses.
        """
        folder = self._of(handle)
        if (folder / "picture").exists():
            self._write(folder / name, data)

    def noted(self, handle: str, name: str) -> bytes | None:
        """What `note` kept under a name; None where that is nothing.

        Raises:
            PictureGone: the picture is kept no longer, or never was.
        """
        folder = self._of(handle)
        try:
            is_old = time.time() - (folder / "picture").stat().st_mtime > self._seconds
        except FileNotFoundError as error:
            raise PictureGone(handle) from error
        if is_old:
            raise PictureGone(handle)
        try:
            return (folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def forget(self, handle: str) -> None:
        """Remove a picture now, unless another handle names an equal one."""
        folder = self._of(handle)
        if not folder.exists():
            return  # nothing is looked through for a handle that somebody made up
        digest = _named_by(folder)
        shutil.rmtree(folder, ignore_errors=True)  # another server may be at it
        self.purge(digest)

    def purge(self, forgotten: str = "") -> None:
        """Remove what is too old, and the oldest of what is too much.

        Args:
            forgotten: SHA-256 of a picture that is not waited for, if no handle names it.
        """
        self._unpurged = 0
        now, used = time.time(), 0
        sizes = {one.name: state.st_size for one, state in _files(self.folder / "pictures")}
        named: set[str] = set()
        for since, handle, digest in sorted(self._handles(), reverse=True):
            used += sum(state.st_size for _, state in _files(handle))
            used += 0 if digest in named else sizes.get(digest, 0)
            most = self._seconds if digest else _BEING_WRITTEN_S
            if now - since > most or used > self._most_bytes:
                shutil.rmtree(handle, ignore_errors=True)  # another server may be at it
            else:
                named.add(digest)
        for one, state in _files(self.folder / "pictures"):
            is_due = one.name == forgotten or now - state.st_mtime > _BEING_WRITTEN_S
            if is_due and one.name not in named:
                one.unlink(missing_ok=True)  # likewise

    def damaged(self) -> Iterator[tuple[Path, str]]:
        """Files that are not what they should be, and why."""
        for one, _ in _files(self.folder / "pictures"):
            with suppress(FileNotFoundError):  # removed meanwhile
                with one.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                if digest != one.name and one.suffix != _UNFINISHED:
                    yield one, "has other bytes than its name says"

    def _handles(self) -> Iterator[tuple[float, Path, str]]:
        """Since when each handle is there, its folder, and the SHA-256 that it names."""
        for one, state in _files(self.folder):
            if HANDLE.fullmatch(one.name):
                kept = dict(_files(one)).get(one / "picture", state)
                yield kept.st_mtime, one, _named_by(one)

    def _of(self, handle: str) -> Path:
        """The folder of a handle, once it is sure to be one: it becomes part of a path."""
        if not HANDLE.fullmatch(handle):
            raise PictureGone(handle[:80])
        return self.folder / handle

    def _write(self, path: Path, content: bytes) -> None:
        """Write under another name, then rename: a reader sees all of it or nothing."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_name(secrets.token_hex(8) + _UNFINISHED)
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What lies in a folder, without what others rename or remove meanwhile."""
    with suppress(FileNotFoundError):
        for one in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):
                yield one, one.stat()


def _named_by(handle: Path) -> str:
    """The SHA-256 that a handle's folder names; empty where it is being written, or removed."""
    try:
        return (handle / "picture").read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def purging(kept: KeptPictures) -> AbstractContextManager[None]:
    """Remove old pictures in the background while the block runs, also where none are sent."""

    def purge(stopping: Event) -> None:
        while True:
            try:
                kept.purge()
            except OSError as error:
                logger.warning("old query pictures cannot be removed: %s", error)
            if stopping.wait(_PURGE_EVERY_S):
                return

    return beside("purge", purge)
