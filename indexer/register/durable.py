"""Folders that other accounts cannot look into, and files that survive a power cut."""

import os
from pathlib import Path


def private_folder(folder: Path) -> None:
    """Make a folder, unless it is there, that no other account of the machine may look into.

    Raises:
        OSError: the disk refuses.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


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
