"""Folders that other accounts cannot look into, and files that survive a power cut."""

import os
from pathlib import Path

from models.images.picture_folder import DATA_FOLDER_MARK


def private_folder(folder: Path) -> None:
    """Make a folder, unless it is there, that no other account of the machine may look into.

    Raises:
        OSError: the disk refuses.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def data_folder(folder: Path) -> None:
    """Make a private folder that is passed over where pictures are looked for.

    One that may only be read stays as it is.

    Raises:
        OSError: the disk refuses.
    """
    private_folder(folder)
    mark = folder / DATA_FOLDER_MARK
    if not mark.exists() and os.access(folder, os.W_OK):
        mark.touch()


def write_to_disk(file: Path, content: bytes) -> None:
    """Write a file, and wait until it is on the disk; its name is so once its folder is synced.

    Raises:
        OSError: the disk refuses.
    """
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename durable: the new name lives in the folder, not in the file.

    Raises:
        OSError: the disk refuses.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
