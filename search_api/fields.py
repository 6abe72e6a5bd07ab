"""The fields of a search as people type them, in a form or as options, read into one request.

The filter's fields are those of `indexer.query.FILTER_FIELDS`. A field that nobody knows is
refused, never ignored: a filter that was misspelt must not look as if it had been applied.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from indexer.query import (
    FILTER_FIELDS,
    MAX_K,
    MAX_WEIGHT,
    RERANK,
    Filter,
    FilterField,
    FilterKind,
)
from indexer.texts import is_storable
from models.errors import BadViennaCode
from models.vienna import ViennaCode
from search_api.errors import BadField
from search_api.field_types import Absent, Codes, Day, NiceClasses, Text, Words, split_list
from search_api.request import Box, Picture, SearchRequest, View

MAX_PAGE = 1000
MAX_TURN = 360
MAX_OFFSET = 10**12  # more marks than there are, and SQL's numbers hold it
_LONGEST = 500


def parse_codes(field: str, texts: Iterable[str]) -> tuple[ViennaCode, ...]:
    """Read Vienna codes in any of the usual spellings.

    Raises:
        BadField: one is no code; its cause is the `BadViennaCode`.
    """
    try:
        return tuple(ViennaCode.parse(text) for text in texts)
    except BadViennaCode as error:
        raise BadField(field, str(error)) from error


def parse_weights(text: str) -> dict[str, float]:
    """Read ``visual=1,concept=.5`` or ``{"visual": 1, "concept": 0.5}``.

    Raises:
        BadField: it is neither, or a weight is not a number.
    """
    if len(text) > _LONGEST:
        raise BadField("weights", "The weights are too long to be any.")
    try:
        pairs = _json_pairs(text) if text.lstrip().startswith("{") else _plain_pairs(text)
        weights = {name: float(number) for name, number in pairs}
    except (ValueError, OverflowError, RecursionError) as error:
        raise BadField(
            "weights",
            f"The weights {text!r} cannot be read: write visual=1,concept=.5 or a JSON object.",
        ) from error
    if not weights or not all(0 <= weight <= MAX_WEIGHT for weight in weights.values()):
        raise BadField(
            "weights",
            f"The weights {text!r} must be numbers from 0 to {MAX_WEIGHT:g}, one at least.",
        )
    return weights


def parse_crop(text: str) -> Box:
    """Read ``x,y,width,height`` in pixels.

    Raises:
        BadField: it is not four whole numbers, or not a box with an area.
    """
    parts = text.split(",") if len(text) <= _LONGEST else []
    try:
        x, y, width, height = (int(part) for part in parts)
    except ValueError as error:
        raise BadField(
            "crop", "A crop is x,y,width,height in whole pixels, such as 10,20,200,100."
        ) from error
    if x < 0 or y < 0 or width < 1 or height < 1:
        raise BadField("crop", "A crop has x and y of 0 or more, width and height of 1 or more.")
    return x, y, width, height


def _json_pairs(text: str) -> list[tuple[str, int | float]]:
    pairs = json.loads(text, object_pairs_hook=list)
    for name, number in pairs:
        if isinstance(number, bool) or not isinstance(number, int | float) or not is_storable(name):
            raise ValueError("not a name and a number")
    return [(name, number) for name, number in pairs]


def _plain_pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in split_list([text]):
        name, equals, number = part.partition("=")
        if not equals or not name.strip():
            raise ValueError("not a name and a number")
        pairs.append((name.strip(), number))
    return pairs


REPEATED = "May be repeated."
LISTED = "Repeated, or separated by commas or semicolons."
_CODES = f" Written CC, CC.DD or CC.DD.SS; a prefix means everything below it. {LISTED}"
_HOW: Mapping[FilterKind, str] = {
    "any_code": _CODES,
    "all_codes": _CODES,
    "no_code": _CODES,
    "classes": f" {LISTED}",
    "words": f" {REPEATED}",
}
_TYPES: Mapping[FilterKind, Any] = {
    "any_code": Codes,
    "all_codes": Codes,
    "no_code": Codes,
    "classes": NiceClasses,
    "words": Words,
    "share": Annotated[float, Field(ge=0, le=1)] | Absent,
    "first_day": Day | Absent,
    "last_day": Day | Absent,
    "text": Text | Absent,
}


def described(asked: FilterField) -> str:
    """What a field of the filter asks, and how to write it."""
    return asked.description + _HOW.get(asked.kind, "")


class Fields(BaseModel):
    """Fields that a form or a command line gave; an unknown one is refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, fields: Any) -> Any:
        """Take an empty input of a web form as not given; so, too, a file input without file."""
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if not is_empty(value)}


def is_empty(value: Any) -> bool:
    """Whether an input of a web form was left empty."""
    if isinstance(value, str):
        return not value.strip()
    return getattr(value, "filename", None) == "" and getattr(value, "size", 1) == 0


def _definition(asked: FilterField) -> Any:
    """A field of the filter as pydantic wants it: type and default."""
    example = list(asked.example) if isinstance(asked.example, tuple) else asked.example
    kind = Literal[asked.choices] if asked.kind == "choice" else _TYPES[asked.kind]
    default = [] if asked.is_list else Filter.__dataclass_fields__[asked.name].default
    return (kind, Field(default, description=described(asked), examples=[example]))


if TYPE_CHECKING:
    FilterFields = Fields
else:
    FilterFields = create_model(
        "FilterFields", __base__=Fields, **{one.name: _definition(one) for one in FILTER_FIELDS}
    )


MarkId = Annotated[
    Text | Absent,
    Field(
        description="Instead of a picture: a mark of the register. No search finds the mark that "
        "it is made with.",
        examples=["EM-018000001"],
    ),
]


class PartFields(Fields):
    """Which part of a picture is looked at."""

    crop: Annotated[
        Text | Absent,
        Field(
            description="x,y,width,height of the part to look at, in pixels of the upright "
            "original, after it is turned.",
            examples=["10,20,200,100"],
        ),
    ] = None
    page: int = Field(
        default=1, ge=1, le=MAX_PAGE, description="Page of a TIFF or PDF, from 1.", examples=[1]
    )
    turn: int = Field(
        default=0,
        ge=-MAX_TURN,
        le=MAX_TURN,
        description="Degrees by which the picture is turned clockwise first.",
        examples=[90],
    )

    def view(self) -> View:
        """What of the picture is looked at.

        Raises:
            BadField: the crop is none.
        """
        crop = None if self.crop is None else parse_crop(self.crop)
        return View(crop, self.page, self.turn)


def parse_view(text: str) -> View:
    """Read ``page=2;turn=90;crop=x,y,width,height``, each of which may be left out.

    Raises:
        BadField: it is something else.
    """
    try:
        pairs = dict(pair.split("=") for pair in text.split(";"))
        return PartFields.model_validate(pairs).view()
    except (ValueError, BadField) as error:
        raise BadField(
            "other_views",
            f"The view {text[:80]!r} cannot be read: write page=2;turn=90;crop=10,20,200,100, "
            "or one or two of these.",
        ) from error


class ViewFields(PartFields):
    """What of a picture is looked at."""

    ignore_words: bool = Field(
        default=False,
        description="Whether its lettering is painted over first; needs the extra `words`.",
        examples=[False],
    )

    def view(self) -> View:
        """What of the picture is looked at; raises what `PartFields.view` does."""
        return replace(super().view(), ignore_words=self.ignore_words)


class ViewsFields(ViewFields):
    """What of several pictures is looked at."""

    other_views: Words = Field(
        default=[],
        description="What is looked at of the pictures after the first, in their order, as "
        f"page=2;turn=90;crop=10,20,200,100; page=1 is one as it is. {REPEATED}",
        examples=[["page=2"]],
    )

    def further_views(self) -> tuple[View, ...]:
        """What of the pictures after the first is looked at.

        Raises:
            BadField: a view is none.
        """
        return tuple(map(parse_view, self.other_views))


class PassingFields(FilterFields):
    """Which marks are wanted."""

    def filter(self) -> Filter:
        """Which marks may be found.

        Raises:
            BadField: a text is no Vienna code.
            BadFilter: the values do not go together.
        """
        return Filter(**{one.name: _value(one, getattr(self, one.name)) for one in FILTER_FIELDS})


class WantedFields(PassingFields):
    """Which marks are wanted, and how many."""

    k: Annotated[
        int, Field(ge=1, le=MAX_K, description=f"How many marks, 1 to {MAX_K}.", examples=[20])
    ] = 20
    offset: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_OFFSET,
            description="How many of the first marks to leave out, for the next page; a ranking "
            f"ends at {MAX_K}.",
            examples=[0],
        ),
    ] = 0


class SearchFields(ViewsFields, WantedFields):
    """What to compare with beside a picture, how, and which marks may be found."""

    mark_id: MarkId = None
    rerank: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_K,
            description="How many of the first marks are ranked again by where they match and by "
            "codes; 0 for none.",
            examples=[RERANK],
        ),
    ] = RERANK
    weights: Annotated[
        Text | Absent,
        Field(
            description=f"Weight of each block, 0 to {MAX_WEIGHT:g}, as visual=1,concept=.5 or as "
            "a JSON object; a block left out keeps its default. Blocks of the shipped network: "
            "visual (form), concept, colour, codes. parts=0 compares whole signs alone; words is "
            "how much `text` counts, and words=0 leaves out marks with other words; places=0 "
            "leaves out where marks match, same_codes=0 codes that both show.",
            examples=["visual=1,concept=.5,colour=0"],
        ),
    ] = None

    def request(self, *pictures: Picture, keep: bool = False) -> SearchRequest:
        """The search that the fields and some pictures of a sign ask for.

        With `keep` the pictures are kept for later searches.

        Raises:
            BadField: a text is no Vienna code, crop, view or weight.
            BadFilter, BadQuery: the values do not go together.
        """
        view = self.view()
        return SearchRequest(
            picture=pictures[0] if pictures else None,
            others=pictures[1:],
            other_views=self.further_views(),
            mark_id=self.mark_id,
            crop=view.crop,
            page=view.page,
            turn=view.turn,
            ignore_words=view.ignore_words,
            filter=self.filter(),
            weights=None if self.weights is None else parse_weights(self.weights),
            k=self.k,
            offset=self.offset,
            rerank=self.rerank,
            keep=keep,
        )


def _value(asked: FilterField, given: Any) -> Any:
    if asked.has_codes:
        return parse_codes(asked.name, given)
    return frozenset(given) if asked.is_list else given
