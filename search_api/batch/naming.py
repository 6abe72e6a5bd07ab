"""What each picture of a batch goes by: its key in the journal, and its report's file.

Both follow from the picture's path below its folder and its label, never from its place: a picture
that is added to the source, or taken out of it, changes nothing of the others.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from indexer.sources import RejectedRow, SourceRow

_LONGEST = 80  # letters of a folder or file
_UNWANTED = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\/]|^[. ]+|[. ]+$')  # in names, on any system


@dataclass(frozen=True, slots=True)
class Name:
    """What a picture goes by.

    Attributes:
        key: in the journal; no two pictures of a source have the same.
        label: what people call it.
        image: its path below the folder; None where the row names none.
        report: path of its report below the output folder.
    """

    key: str
    label: str
    image: str | None
    report: str


class Names:
    """Names the pictures of a source, which are to be asked for in its order."""

    def __init__(self) -> None:
        self._keys: Counter[str] = Counter()
        self._reports: set[str] = set()

    def of(self, row: SourceRow | RejectedRow) -> Name:
        """Name the next picture."""
        if isinstance(row, SourceRow):
            image = row.record.image_name or row.record.id
            label = row.label or row.record.id
        else:
            image = row.image or ""
            label = row.id or PurePosixPath(image).stem or f"row {row.position}"
        is_own = not image or PurePosixPath(image).stem != label
        key = f"{label} {image}".strip() if is_own else image
        self._keys[key] += 1
        key += f" ({self._keys[key]})" if self._keys[key] > 1 else ""
        parts = [label] if is_own else image.split("/")
        return Name(key, label, image or None, self._report(parts, key))

    def _report(self, parts: list[str], key: str) -> str:
        """A path that any system takes and that is no other picture's."""
        wanted = "/".join(parts)
        path = "/".join(_UNWANTED.sub("_", one)[:_LONGEST] or "_" for one in parts)
        if path != wanted or path.casefold() in self._reports:
            path += "-" + hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:8]
        self._reports.add(path.casefold())
        return f"{path}.pdf"
