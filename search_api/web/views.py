"""Frozen values for the templates, which look nothing up and compute nothing."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Literal

from indexer.marks import MARK_FIELDS, Facets, FieldKind, Mark
from indexer.query import FILTER_FIELDS, OTHER_WEIGHTS, WORDS, FilterField
from models.network.checkpoint import Block
from models.vienna import ViennaCode, ViennaTree
from search_api.languages import Language, message
from search_api.schemas import image_path

_BLOCK_LABELS = {
    "visual": (message("Visual form"), message("shape, layout, line")),
    "concept": (message("Concept"), message("what is depicted")),
    "codes": (message("Vienna codes"), message("things seen, rare ones more")),
    "colour": (message("Colour"), message("which colours, how much")),
    "words": (message("Words"), message("those asked for; at 0 others are left out")),
}


@dataclass(frozen=True, slots=True)
class SampleMark:
    """A mark offered to try a search with."""

    id: str
    image: str
    digest: str | None
    label: str


@dataclass(frozen=True, slots=True)
class SliderView:
    """The weight slider of one block.

    Attributes:
        name: of the block.
        label: what people read.
        hint: what the block looks at, in a few words.
        default: the checkpoint's own weight.
        maximum: end of the slider, the same for all of them.
    """

    name: str
    label: str
    hint: str
    default: float
    maximum: float

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> "list[SliderView]":
        """Make a slider for each block, and one for words."""
        largest = max((block.weight for block in blocks), default=1.0)
        maximum = float(max(1, math.ceil(largest)))
        return [
            cls(block.name, *_block_label(block.name), round(block.weight, 3), maximum)
            for block in blocks
        ] + [cls(WORDS, *_block_label(WORDS), OTHER_WEIGHTS[WORDS], maximum)]


# Filters that are not about Vienna codes, in the order in which the panel shows them: kind of the
# field → kind of the control.
_CONTROLS: dict[str, Literal["text", "words", "days", "classes"]] = {
    "text": "text",
    "words": "words",
    "first_day": "days",
    "classes": "classes",
}
_TITLES = {one.name: one.title for one in MARK_FIELDS}


@dataclass(frozen=True, slots=True)
class ControlView:
    """A control of the filter panel: one field of a filter, or the two of a span of days.

    Attributes:
        kind: what it looks like.
        name: of the field.
        label: what people read.
        last_name: of the field of the last day.
        counts: values to choose from, with how many marks have each.
        days: the first and the last that a mark has.
    """

    kind: Literal["text", "words", "days", "classes"]
    name: str
    label: str
    last_name: str = ""
    counts: Mapping[str | int, int] | None = None
    days: tuple[date, date] | None = None

    @classmethod
    def of(cls, facets: Facets) -> "list[ControlView]":
        """Make the controls; none where no mark has anything to choose from."""
        made = [
            cls._of_field(one, facets)
            for kind in _CONTROLS
            for one in FILTER_FIELDS
            if one.kind == kind
        ]
        return [one for one in made if one.kind == "text" or one.counts or one.days]

    @classmethod
    def _of_field(cls, one: FilterField, facets: Facets) -> "ControlView":
        kind, label = _CONTROLS[one.kind], _TITLES[one.of]
        if kind == "text":
            return cls(
                kind, one.name, message("Words in the mark") if one.name == "text" else label
            )
        if kind == "days":
            last = next(x for x in FILTER_FIELDS if x.kind == "last_day" and x.of == one.of)
            return cls(kind, one.name, label, last.name, days=getattr(facets, one.of))
        return cls(kind, one.name, label, counts=getattr(facets, one.of))


def fields_of_scripts(language: Language) -> dict[str, list[dict[str, str]]]:
    """Name, kind and title of each field of a mark, and of each filter but those of codes."""
    shown = {*_CONTROLS, "last_day"}
    title = language.translations.gettext
    return {
        "mark": [
            {"name": one.name, "kind": one.kind.name.lower(), "title": title(one.title)}
            for one in MARK_FIELDS
        ],
        "filter": [
            {"name": one.name, "kind": one.kind, "title": title(_TITLES[one.of])}
            for one in FILTER_FIELDS
            if one.kind in shown
        ],
    }


@dataclass(frozen=True, slots=True)
class CodeView:
    """A Vienna code with its title and those above it.

    Attributes:
        code: as text.
        title: its own title; empty where the classification does not hold it.
        above: titles of its ancestors, broadest first; none that says what the next one says.
        probability: of a predicted code, 0 to 1.
    """

    code: str
    title: str
    above: tuple[str, ...]
    probability: float | None = None

    @classmethod
    def of(cls, code: ViennaCode, probability: float | None = None) -> "CodeView":
        """Look the titles of a code up."""
        tree = ViennaTree.load()
        titles = [tree.title(one) for one in (*code.ancestors(), code)]
        above = tuple(title for title, below in pairwise(titles) if title != below)
        return cls(str(code), titles[-1], above, probability)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a mark's data.

    Attributes:
        name: of the field.
        value: as it is shown; nothing for a day.
        day: a day, which each language writes in its own way.
        is_code: whether it is a number or code.
        is_word: whether it may be one of the words that the pages know in each language.
    """

    name: str
    value: str = ""
    day: date | None = None
    is_code: bool = False
    is_word: bool = False


@dataclass(frozen=True, slots=True)
class MarkView:
    """A mark as its page shows it.

    Attributes:
        id: of the mark.
        title: its words, or else its id.
        image: path of its picture; None where it has none.
        digest: of the picture.
        width, height: of the picture in pixels.
        lines: its data, name and value.
        updated: when it last changed.
        sequence: the register's number of that change.
        nice: its Nice classes.
        assigned: codes that an office assigned.
        predicted: codes that the network sees, most probable first.
    """

    id: str
    title: str
    image: str | None
    digest: str | None
    width: int | None
    height: int | None
    lines: tuple[Line, ...]
    updated: datetime
    sequence: int
    nice: tuple[int, ...]
    assigned: tuple[CodeView, ...]
    predicted: tuple[CodeView, ...]

    @classmethod
    def of(cls, mark: Mark) -> "MarkView":
        """Prepare a mark."""
        record = mark.record
        return cls(
            id=record.id,
            title=mark.words or record.id,
            image=None if mark.image_digest is None else image_path(record.id),
            digest=mark.image_digest,
            width=mark.width,
            height=mark.height,
            lines=tuple(_lines(mark)),
            updated=mark.updated,
            sequence=mark.sequence,
            nice=record.nice,
            assigned=tuple(CodeView.of(code) for code in record.vienna),
            predicted=tuple(CodeView.of(seen.code, seen.probability) for seen in mark.predicted),
        )


def _lines(mark: Mark) -> Iterable[Line]:
    """What the register says of a mark, but what the page shows in parts of its own."""
    for one in MARK_FIELDS:
        value = one.as_json(mark.record)
        if not value or one.kind in (FieldKind.NICE, FieldKind.VIENNA) or one.column == "image":
            continue
        if one.kind is FieldKind.DAY:
            yield Line(one.title, day=getattr(mark.record, one.name))
            continue
        text = ", ".join(str(part) for part in value) if isinstance(value, list) else value
        is_code = one.kind in (FieldKind.ID, FieldKind.US_DESIGN)
        yield Line(one.title, text, is_code=is_code, is_word=one.kind is FieldKind.WORD)
    if mark.words_read:
        yield Line(message("Words read in the picture"), mark.words_read)
    if mark.media_type:
        picture = f"{mark.media_type}, {mark.width} × {mark.height} px"
        yield Line(message("Picture"), picture)


def _block_label(name: str) -> tuple[str, str]:
    return _BLOCK_LABELS.get(name, (name.replace("_", " ").capitalize(), ""))
