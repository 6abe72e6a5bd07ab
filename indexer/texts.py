"""Which texts addresses, files and databases can hold."""

import re

MAX_ID = 128
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_mark_id(text: str) -> bool:
    """Whether a mark can have this id.

    The rule keeps every id whole in an address, a file name and a database: ``.`` and ``..``
    would be taken for folders.
    """
    # Of all white space, only the plain blank is printable to Python.
    signs = text.isprintable() and " " not in text and "/" not in text
    return 1 <= len(text) <= MAX_ID and signs and text not in (".", "..")


def is_storable(text: str) -> bool:
    """Whether both databases can hold a text: no NUL, no half of a surrogate pair."""
    return not _UNSTORABLE.search(text)


def showable(text: str) -> str:
    """A text that can be written as UTF-8, with ``?`` for what of a file's name is none."""
    return text.encode("utf-8", "replace").decode()
