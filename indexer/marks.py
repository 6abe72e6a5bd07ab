"""Marks: as a source describes them, as they are written, and as the register holds them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from indexer.errors import BadRecord
from models.vienna import PredictedCode, ViennaCode

MAX_ID = 128
MAX_TEXT = 10_000  # characters a field; the longest owners' names on record have some hundreds
NICE_CLASSES = range(1, 46)  # the Nice Classification's goods and services classes

RunState = Literal["running", "interrupted", "failed", "finished"]
_US_DESIGN = re.compile(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}", re.ASCII)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
CodeSource = Literal["assigned", "predicted", "either"]


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


@dataclass(frozen=True, slots=True)
class MarkRecord:
    """A mark as a source or a user describes it; only the id is required.

    Attributes:
        id: unique in the register: 1 to 128 printable characters, no white space, no ``/``,
            not ``.`` or ``..``.
        text: the words in the mark.
        owner: who holds it.
        office: the office's code, such as ``EM``.
        status: such as ``registered``; brought to lower case.
        filed: day of filing.
        registered: day of registration.
        nice: Nice classes, sorted, each once.
        vienna: codes assigned by an office, sorted, each once.
        image_name: the picture's name as the source gave it.
        us_design: USPTO design search codes, as ``26.01.21``, sorted, each once. They look like
            Vienna codes and are not: below the category the two classifications differ.

    Raises:
        BadRecord: the id or a Nice class is out of its rules, or a text cannot be stored.
    """

    id: str
    text: str | None = None
    owner: str | None = None
    office: str | None = None
    status: str | None = None
    filed: date | None = None
    registered: date | None = None
    nice: tuple[int, ...] = ()
    vienna: tuple[ViennaCode, ...] = ()
    image_name: str | None = None
    us_design: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the rules and bring lists into their one order."""
        if not self.id or len(self.id) > MAX_ID:
            raise BadRecord(f"id has {len(self.id)} characters; give it 1 to {MAX_ID}")
        if not is_mark_id(self.id):
            raise BadRecord(
                f"id {self.id!r} is '.' or '..', or holds white space, '/' or an unprintable "
                "character"
            )
        wrong = [number for number in self.nice if number not in NICE_CLASSES]
        if wrong:
            raise BadRecord(f"Nice class {wrong[0]} does not exist; they go from 1 to 45")
        for name in ("text", "owner", "office", "status", "image_name"):
            value = getattr(self, name)
            if value is not None and not is_storable(value):
                raise BadRecord(f"{name} holds a NUL character or half a character; remove it")
            if value is not None and len(value) > MAX_TEXT:
                raise BadRecord(f"{name} has {len(value)} characters; give it at most {MAX_TEXT}")
        odd = [code for code in self.us_design if not _US_DESIGN.fullmatch(code)]
        if odd:
            raise BadRecord(f"{odd[0]!r} is not a USPTO design search code such as 26.01.21")
        object.__setattr__(self, "us_design", tuple(sorted(set(self.us_design))))
        object.__setattr__(self, "status", self.status and self.status.lower())
        object.__setattr__(self, "nice", tuple(sorted(set(self.nice))))
        object.__setattr__(self, "vienna", tuple(sorted(set(self.vienna))))


@dataclass(frozen=True)
class EncodedMark:
    """A mark with what the network says of its picture: one row ready to be written.

    Attributes:
        record: the mark.
        digest: changes when anything does that the register holds of it.
        image_digest: SHA-256 (hex) of the picture's bytes; None for a mark without picture.
        pixels_digest: of what the network sees of the picture: the same for files of other names
            and formats with the same pixels.
        media_type: of the picture.
        width, height: of the picture, pixels.
        embedding: (d,) float16, or None without picture.
        predicted: codes seen with a probability worth keeping.
        confident: those of them that reach their calibrated threshold.

    Raises:
        BadRecord: the embedding or a probability is not what it should be.
    """

    record: MarkRecord
    digest: str
    image_digest: str | None = None
    pixels_digest: str | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    embedding: NDArray[np.float16] | None = None
    predicted: tuple[PredictedCode, ...] = ()
    confident: frozenset[ViennaCode] = frozenset()

    def __post_init__(self) -> None:
        """Check shapes and ranges.

        Finiteness is the index's business: it leaves such a mark out with a warning, while a
        refusal here would stop a whole batch.
        """
        vector = self.embedding
        if vector is not None and (vector.ndim != 1 or vector.dtype != np.float16):
            raise BadRecord(
                f"the embedding is {vector.shape} {vector.dtype}; it must be (d,) float16"
            )
        wrong = [seen for seen in self.predicted if not 0.0 <= seen.probability <= 1.0]
        if wrong:
            raise BadRecord(
                f"the probability of {wrong[0].code} is {wrong[0].probability}; it goes from 0 to 1"
            )
        if len({seen.code for seen in self.predicted}) < len(self.predicted):
            raise BadRecord("a code is predicted twice")


@dataclass(frozen=True, slots=True)
class Mark:
    """A live mark as the register holds it."""

    record: MarkRecord
    sequence: int
    image_digest: str | None
    media_type: str | None
    width: int | None
    height: int | None
    predicted: tuple[PredictedCode, ...]
    updated: datetime


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """A predicted code of a mark, and whether it reached its threshold when it was written."""

    code: ViennaCode
    probability: float
    confident: bool


@dataclass(frozen=True)
class Change:
    """What followers need of a row, in sequence order.

    A deleted mark's change carries its id and sequence only.
    """

    id: str
    sequence: int
    deleted: bool
    embedding: NDArray[np.float16] | None = None
    assigned: tuple[ViennaCode, ...] = ()
    predicted: tuple[StoredPrediction, ...] = ()
    nice: tuple[int, ...] = ()
    status: str | None = None
    office: str | None = None
    filed: date | None = None


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What a run over a source did so far; read = the sum of the others."""

    read: int = 0
    indexed: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class RunPosition:
    """Where a run stands, committed in the same transaction as the marks up to there."""

    run_id: int
    position: int
    counts: RunCounts


@dataclass(frozen=True, slots=True)
class Run:
    """One run over a source, named by path, size (bytes) and time of change (ns)."""

    id: int
    source: str
    size: int
    mtime_ns: int
    position: int
    counts: RunCounts
    state: RunState
    started: datetime
    finished: datetime | None
    rejects_file: str | None


@dataclass(frozen=True)
class Facets:
    """What live marks have to filter by, with how many marks have it."""

    status: Mapping[str, int] = field(default_factory=dict)
    office: Mapping[str, int] = field(default_factory=dict)
    nice: Mapping[int, int] = field(default_factory=dict)
    filed: tuple[date, date] | None = None
