"""Marks: as a source describes them, as they are written, and as the register holds them.

`MARK_FIELDS` is the one list of what a mark may say. The register's columns, the reading of tables,
the digest, the export, and what people see all follow it, so that a new field is one line in
`MarkRecord` and one migration (and one line in each office's format that has it).
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from indexer.errors import BadRecord
from indexer.texts import MAX_ID, is_mark_id, is_storable
from models.vienna import PredictedCode, ViennaCode, ViennaTree

if TYPE_CHECKING:  # the command line lists its options without loading NumPy
    import numpy as np
    from numpy.typing import NDArray

    from models.encoder import Embedding

MAX_TEXT = 10_000  # characters a field; the longest owners' names on record have some hundreds
NICE_CLASSES = range(1, 46)  # the Nice Classification's goods and services classes

_US_DESIGN = re.compile(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}", re.ASCII)
CodeSource = Literal["assigned", "predicted", "either"]
Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of a picture


class FieldKind(Enum):
    """What the value of a mark's field is."""

    ID = "id"  # str, never empty
    TEXT = "text"  # str | None
    WORD = "word"  # str | None, kept in lower case
    DAY = "day"  # date | None
    NICE = "Nice classes"  # tuple[int, ...]
    VIENNA = "Vienna codes"  # tuple[ViennaCode, ...]
    US_DESIGN = "USPTO design search codes"  # tuple[str, ...]

    @property
    def is_list(self) -> bool:
        """Whether a mark may have several of it."""
        return self in (FieldKind.NICE, FieldKind.VIENNA, FieldKind.US_DESIGN)


@dataclass(frozen=True, slots=True)
class MarkField:
    """One field of a mark, described for whoever stores, reads, writes or shows it.

    Attributes:
        name: of the attribute of `MarkRecord`, and of the register's column.
        kind: what its value is.
        column: what tables call it, read and written.
        title: what people call it, in a word or two.
        description: one sentence on what it holds.
        example: a value as JSON has it.
        in_digest: whether the mark's digest always holds it, or only where the mark has one
            (`given`; `named` says also which field it is). A field that is added later is
            `named`: marks without it keep the digest that they have.
    """

    name: str
    kind: FieldKind
    column: str
    title: str
    description: str
    example: str | list[int] | list[str]
    in_digest: Literal["always", "given", "named"] = "named"

    def as_json(self, record: "MarkRecord") -> str | list[int] | list[str] | None:
        """The field's value as JSON has it: days and codes as texts, lists as lists."""
        value = getattr(record, self.name)
        if self.kind is FieldKind.DAY:
            return None if value is None else str(value.isoformat())
        if self.kind is FieldKind.VIENNA:
            return [str(code) for code in value]
        return list(value) if self.kind.is_list else value


def _described(
    kind: FieldKind,
    title: str,
    description: str,
    example: str | list[int] | list[str],
    **others: str,
) -> Mapping[str, Any]:
    """What a field of `MarkRecord` says of itself; `others` are attributes of `MarkField`."""
    described = {"kind": kind, "title": title, "description": description, "example": example}
    return {"described": {**described, **others}}


@dataclass(frozen=True, slots=True)
class MarkRecord:
    """A mark as a source or a user describes it; only the id is required.

    Lists are sorted and hold each value once; texts lose blanks around them, and are None where
    nothing is left; a status is brought to lower case. USPTO design search codes look like Vienna
    codes and are not: below the category the two differ.

    Raises:
        BadRecord: the id, a Nice class or a code is out of its rules, or a text cannot be stored.
    """

    id: str = field(
        metadata=_described(
            FieldKind.ID,
            "Number",
            "The mark's id, unique in the register: up to 128 printable characters, without blanks "
            "and slashes.",
            "EM-018000001",
            in_digest="always",
        )
    )
    text: str | None = field(
        default=None,
        metadata=_described(
            FieldKind.TEXT, "Words", "The words in the mark.", "LION CAFE", in_digest="always"
        ),
    )
    owner: str | None = field(
        default=None,
        metadata=_described(
            FieldKind.TEXT, "Owner", "Who owns it.", "Lion Cafe GmbH", in_digest="always"
        ),
    )
    office: str | None = field(
        default=None,
        metadata=_described(
            FieldKind.TEXT, "Office", "The office it is registered with.", "EM", in_digest="always"
        ),
    )
    status: str | None = field(
        default=None,
        metadata=_described(
            FieldKind.WORD,
            "Status",
            "Its legal status, in lower case.",
            "registered",
            in_digest="always",
        ),
    )
    filed: date | None = field(
        default=None,
        metadata=_described(
            FieldKind.DAY, "Filed", "The day of filing.", "2019-01-07", in_digest="always"
        ),
    )
    registered: date | None = field(
        default=None,
        metadata=_described(
            FieldKind.DAY,
            "Registered",
            "The day of registration.",
            "2019-06-21",
            in_digest="always",
        ),
    )
    nice: tuple[int, ...] = field(
        default=(),
        metadata=_described(
            FieldKind.NICE,
            "Nice classes",
            "Its Nice classes, 1 to 45.",
            [30, 43],
            in_digest="always",
        ),
    )
    vienna: tuple[ViennaCode, ...] = field(
        default=(),
        metadata=_described(
            FieldKind.VIENNA,
            "Vienna codes",
            "Vienna codes that an office assigned.",
            ["03.01.01", "27.05.01"],
            in_digest="always",
        ),
    )
    image_name: str | None = field(
        default=None,
        metadata=_described(
            FieldKind.TEXT,
            "Picture's name",
            "The picture's name as the source gave it.",
            "018000001.png",
            column="image",
            in_digest="always",
        ),
    )
    us_design: tuple[str, ...] = field(
        default=(),
        metadata=_described(
            FieldKind.US_DESIGN,
            "US design codes",
            "USPTO design search codes, a scheme of their own.",
            ["03.01.16"],
            in_digest="given",
        ),
    )

    def __post_init__(self) -> None:
        """Check the rules and bring lists into their one order."""
        if not self.id or len(self.id) > MAX_ID:
            raise BadRecord(f"id has {len(self.id)} characters; give it 1 to {MAX_ID}")
        if not is_mark_id(self.id):
            raise BadRecord(
                f"id {self.id!r} is '.' or '..', or holds white space, '/' or an unprintable "
                "character"
            )
        for one in MARK_FIELDS:
            value = _checked(one, getattr(self, one.name))
            object.__setattr__(self, one.name, value)


def _checked(one: MarkField, value: Any) -> Any:
    """A field's value, in its one order and case.

    Raises:
        BadRecord: no mark can have it.
    """
    if one.kind.is_list:
        _check_list(one.kind, value)
        return tuple(sorted(set(value)))
    if isinstance(value, str):
        if not is_storable(value):
            raise BadRecord(f"{one.name} holds a NUL character or half a character; remove it")
        if len(value) > MAX_TEXT:
            raise BadRecord(f"{one.name} has {len(value)} characters; give it at most {MAX_TEXT}")
        value = value.strip() or None
        return value.lower() if value and one.kind is FieldKind.WORD else value
    return value


def _check_list(kind: FieldKind, values: Iterable[Any]) -> None:
    for value in values:
        if kind is FieldKind.NICE and value not in NICE_CLASSES:
            raise BadRecord(f"Nice class {value} does not exist; they go from 1 to 45")
        if kind is FieldKind.US_DESIGN and not _US_DESIGN.fullmatch(value):
            raise BadRecord(f"{value!r} is not a USPTO design search code such as 26.01.21")
        if kind is FieldKind.VIENNA and not ViennaTree.load().has_category_of(value):
            raise BadRecord(f"{value} is in no category of the Vienna Classification")


MARK_FIELDS = tuple(
    MarkField(one.name, **{"column": one.name, **one.metadata["described"]})
    for one in dataclasses.fields(MarkRecord)
)


@dataclass(frozen=True)
class EncodedMark:
    """A mark with what the network says of its picture: one row ready to be written.

    Attributes:
        record: the mark.
        digest: changes when anything does that the register holds of it.
        image_digest: SHA-256 (hex) of the picture's bytes; None for a mark without picture.
        pixels_digest: of what the network sees of it, whatever the file's name and format.
        media_type: of the picture.
        width, height: of the picture, pixels.
        embedding: of the whole sign and its parts, or None without picture.
        predicted: codes seen with a probability worth keeping.
        confident: those of them that reach their calibrated threshold.
        words_read: in its picture, where the record has none; None where nobody looked.

    Raises:
        BadRecord: a probability is not what it should be.
    """

    record: MarkRecord
    digest: str
    image_digest: str | None = None
    pixels_digest: str | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    embedding: "Embedding | None" = None
    predicted: tuple[PredictedCode, ...] = ()
    confident: frozenset[ViennaCode] = frozenset()
    words_read: str | None = None

    def __post_init__(self) -> None:
        """Check ranges; of embeddings the index does, which leaves marks out, not whole batches."""
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
    boxes: tuple[Box, ...] = ()  # of the sign and its parts; none in a register before parts
    words_read: str | None = None  # in its picture, where the record has none; None: nobody looked

    @property
    def words(self) -> str:
        """The words that it is found by: the record's, or else those read in its picture."""
        return self.record.text or self.words_read or ""


class StoredPrediction(NamedTuple):
    """A predicted code of a mark, and whether it reached its threshold when it was written."""

    code: ViennaCode
    probability: float
    confident: bool


@dataclass(frozen=True)
class Change:
    """What followers need of a row; of a deleted mark id, sequence and number only."""

    id: str
    sequence: int
    deleted: bool
    number: int = field(kw_only=True)  # the mark keeps it, however often it is written
    embedding: "NDArray[np.float16] | None" = None  # (v, d), of the whole sign and its parts
    assigned: tuple[ViennaCode, ...] = ()
    predicted: tuple[StoredPrediction, ...] = ()
    nice: tuple[int, ...] = ()
    status: str | None = None
    office: str | None = None
    filed: date | None = None
    registered: date | None = None


@dataclass(frozen=True)
class Facets:
    """What live marks have to filter by, with how many marks have it."""

    status: Mapping[str, int] = field(default_factory=dict)
    office: Mapping[str, int] = field(default_factory=dict)
    nice: Mapping[int, int] = field(default_factory=dict)
    filed: tuple[date, date] | None = None  # the first day and the last
    registered: tuple[date, date] | None = None
