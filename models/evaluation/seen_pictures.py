"""Which pictures a network has seen: on them it looks better than it is.

A network of `marklens train` has them beside it: ``seen.txt`` in its checkpoint's folder, a line a
picture that it learnt from or was chosen and calibrated by, the first 16 hexadecimal digits of the
SHA-256 of the file. Pictures of the test are not among them, nor is a copy in another format.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from models.run_folder import write_atomically

SEEN = "seen.txt"
_DIGITS = 16


def content_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


class SeenPictures:
    """The pictures that a network has seen; none where nobody noted them."""

    def __init__(self, contents: Iterable[str] = ()) -> None:
        """Of what :func:`content_of` says of each."""
        self._begins = frozenset(content[:_DIGITS] for content in contents)

    @classmethod
    def of(cls, checkpoint: Path) -> "SeenPictures":
        """Read what a checkpoint's folder says."""
        path = checkpoint / SEEN
        return cls(path.read_text("utf-8").split()) if path.exists() else cls()

    def __contains__(self, content: str) -> bool:
        """Whether the network has seen the picture of this content."""
        return content[:_DIGITS] in self._begins

    def __or__(self, other: "SeenPictures") -> "SeenPictures":
        """What either has."""
        return SeenPictures(self._begins | other._begins)

    def note(self, checkpoint: Path) -> None:
        """Write it into a checkpoint's folder, which is created if missing."""
        checkpoint.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{begin}\n" for begin in sorted(self._begins))
        write_atomically(checkpoint / SEEN, lines)
