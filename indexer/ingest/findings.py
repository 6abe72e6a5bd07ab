"""What a run finds on its way and tells at its end: counted by kind, the first of each named."""

from collections.abc import Iterator, Mapping
from typing import Literal

from indexer.runs import Finding

Kind = Literal[
    "withdrawn", "words", "no words", "unknown", "apart", "paged", "unreadable", "missing"
]

_WARNINGS: Mapping[Kind, str] = {
    "unknown": (
        "{times} rows withdraw marks that the register does not hold, first {first}: see whether "
        "their ids are written as in the register"
    ),
    "apart": (
        "{times} new marks have an id whose accents stand apart from their letters, as macOS names "
        "files, first {first}: written in one, the id looks the same and is another mark's; see "
        "that every table and folder writes it in the same way"
    ),
    "paged": (
        "{times} marks have a picture of several pages, first {first}: the first page is indexed; "
        "save the page that shows the mark as a file of its own where it is another"
    ),
    "unreadable": (
        "{times} marks have a picture that cannot be read, first {first}: they are kept without "
        "it, or with the one that the register holds"
    ),
    "missing": (
        "{times} marks name a picture that is not there, first {first}: those that the register "
        "has no picture of can be found by words, codes and dates only; give the pictures' folder "
        "or zip file with --images and index again"
    ),
}


class Findings:
    """Counts what is found; `found` is saved with the run's position, so that none is lost."""

    def __init__(self, found: Mapping[str, Finding]) -> None:
        """Go on from what was found before."""
        self._found = dict(found)

    @property
    def found(self) -> Mapping[str, Finding]:
        """What is found so far, by kind."""
        return dict(self._found)

    def add(self, kind: Kind, first: str) -> None:
        """Count one more, and keep how the first of its kind is called."""
        held = self._found.get(kind, Finding(0, first))
        self._found[kind] = Finding(held.times + 1, held.first)

    def count(self, kind: Kind) -> int:
        """How many of a kind were found."""
        return self._found[kind].times if kind in self._found else 0

    def warnings(self) -> Iterator[str]:
        """Sentences on what looks odd."""
        for kind, sentence in _WARNINGS.items():
            if kind in self._found:
                yield sentence.format(**self._found[kind]._asdict())
