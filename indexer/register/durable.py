"""Makes a new or renamed file survive a power cut, beyond forcing the file itself to disk."""

import os
from pathlib import Path


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
