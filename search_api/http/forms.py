"""The form fields of the write and search endpoints: what may be sent, and what it means.

A field that nobody knows is refused, never ignored: a filter that was misspelt must not look as if
it had been applied.
"""

from datetime import date
from typing import Annotated, Any, Literal, Self

from fastapi import UploadFile
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from indexer.marks import MarkRecord
from indexer.query import Filter
from models.images.formats import ACCEPTED
from models.vienna import ViennaCode
from search_api.fields import parse_codes, split_list
from search_api.problems import BadField


def _split(value: Any) -> Any:
    """Split what came from a form; anything else is pydantic's to judge."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return split_list(value)
    return value


def _printable(text: str) -> str:
    """Refuse control characters: PostgreSQL cannot hold some, and no name has any."""
    if not text.isprintable():
        raise ValueError("contains a control character")
    return text


def _day(value: Any) -> Any:
    """Read ISO 8601 only: pydantic would also take 0 for the first day of 1970."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError("is not a date like 2024-01-31") from error
    return value


Text = Annotated[str, Field(max_length=1000), AfterValidator(_printable)]
Texts = Annotated[list[Text], BeforeValidator(_split), Field(max_length=200)]
NiceClasses = Annotated[
    list[Annotated[int, Field(ge=1, le=45)]], BeforeValidator(_split), Field(max_length=200)
]

Day = Annotated[date, BeforeValidator(_day)]

_CATEGORIES = 29
_LIST = "Repeated, or separated by commas or semicolons."
_CODE = "CC, CC.DD or CC.DD.SS; a prefix means everything below it. " + _LIST


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, fields: Any) -> Any:
        """Take an empty input of a web form as not given; so, too, a file input without file."""
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return getattr(value, "filename", None) == "" and getattr(value, "size", 1) == 0


def _shown_name(filename: str | None) -> str | None:
    """The name an upload gave itself, where it is one that can be shown."""
    return filename[-255:] if filename and filename.isprintable() else None


class PictureForm(_Form):
    """A picture, or a part of one."""

    image: Annotated[
        UploadFile,
        Field(description=f"The picture: {ACCEPTED}."),
    ]
    crop: Annotated[
        Text | None,
        Field(
            description="x,y,width,height of the part to look at, in pixels of the upright "
            "original.",
            examples=["10,20,200,100"],
        ),
    ] = None


class SearchForm(_Form):
    """A picture or a mark to compare with, and which marks may be found."""

    image: Annotated[
        UploadFile | None,
        Field(description=f"The query picture: {ACCEPTED}."),
    ] = None
    mark_id: Annotated[
        Text | None,
        Field(
            description="Instead of a picture: a mark of the register; it is left out of the "
            "hits itself.",
            examples=["EM-018000001"],
        ),
    ] = None
    crop: Annotated[
        Text | None,
        Field(
            description="x,y,width,height of the part to compare, in pixels of the upright "
            "original.",
            examples=["10,20,200,100"],
        ),
    ] = None
    k: Annotated[int, Field(ge=1, le=1000, description="How many marks.", examples=[20])] = 20
    weights: Annotated[
        Text | None,
        Field(
            description="Weight of each block, 0 or more, as visual=1,concept=.5 or as a JSON "
            "object; a block left out keeps its default.",
            examples=["visual=1,concept=.5,colour=0"],
        ),
    ] = None
    vienna_any: Annotated[
        Texts, Field(description="Marks with any of these codes. " + _CODE, examples=[["03.01"]])
    ] = []
    vienna_all: Annotated[
        Texts,
        Field(description="Marks with all of these codes. " + _CODE, examples=[["03", "27.05"]]),
    ] = []
    vienna_none: Annotated[
        Texts, Field(description="Marks with none of these codes. " + _CODE, examples=[["26"]])
    ] = []
    vienna_source: Annotated[
        Literal["assigned", "predicted", "either"],
        Field(
            description="Which codes of a mark count: the office's, the network's, or either.",
            examples=["either"],
        ),
    ] = "either"
    min_probability: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Probability from which a predicted code counts; each code's own "
            "calibrated threshold where left out.",
            examples=[0.5],
        ),
    ] = None
    nice: Annotated[
        NiceClasses,
        Field(description="Marks in any of these Nice classes. " + _LIST, examples=[[25, 30]]),
    ] = []
    status: Annotated[
        Texts,
        Field(description="Marks of any of these states. " + _LIST, examples=[["registered"]]),
    ] = []
    office: Annotated[
        Texts, Field(description="Marks of any of these offices. " + _LIST, examples=[["EM"]])
    ] = []
    filed_from: Annotated[
        Day | None, Field(description="Filed on this day or later.", examples=["2019-01-01"])
    ] = None
    filed_to: Annotated[
        Day | None, Field(description="Filed on this day or before.", examples=["2024-12-31"])
    ] = None
    text: Annotated[
        Text | None, Field(description="Words the mark must contain.", examples=["lion"])
    ] = None

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if (self.image is None) == (self.mark_id is None):
            raise ValueError("send either a picture as `image` or a mark's id as `mark_id`")
        return self

    def picture(self) -> bytes:
        """The bytes of the picture sent.

        Raises:
            BadField: there is none.
        """
        if self.image is None:
            raise BadField("image", "send a picture as `image`, or a mark's id as `mark_id`")
        return self.image.file.read()

    def filter(self) -> Filter:
        """Which marks may be found.

        Raises:
            BadField: a text is no Vienna code.
        """
        return Filter(
            vienna_any=parse_codes("vienna_any", self.vienna_any),
            vienna_all=parse_codes("vienna_all", self.vienna_all),
            vienna_none=parse_codes("vienna_none", self.vienna_none),
            vienna_source=self.vienna_source,
            min_probability=self.min_probability,
            nice=frozenset(self.nice),
            status=frozenset(text.lower() for text in self.status),
            office=frozenset(self.office),
            filed_from=self.filed_from,
            filed_to=self.filed_to,
            text=self.text,
        )


class MarkForm(_Form):
    """A mark to register."""

    image: Annotated[
        UploadFile,
        Field(description=f"Its picture: {ACCEPTED}."),
    ]
    id: Annotated[
        Text,
        Field(
            min_length=1,
            max_length=128,
            description="Its id: up to 128 printable characters, without spaces and slashes. "
            "The mark that has it already is replaced.",
            examples=["EM-018000001"],
        ),
    ]
    text: Annotated[
        Text | None, Field(description="The words in the mark.", examples=["LION CAFE"])
    ] = None
    owner: Annotated[
        Text | None, Field(description="Who owns it.", examples=["Lion Cafe GmbH"])
    ] = None
    office: Annotated[Text | None, Field(description="Its office.", examples=["EM"])] = None
    status: Annotated[
        Text | None, Field(description="Its legal status.", examples=["registered"])
    ] = None
    filed: Annotated[Day | None, Field(description="Filing date.", examples=["2019-01-07"])] = None
    registered: Annotated[
        Day | None, Field(description="Registration date.", examples=["2019-06-21"])
    ] = None
    nice: Annotated[
        NiceClasses, Field(description="Nice classes. " + _LIST, examples=[[30, 43]])
    ] = []
    vienna: Annotated[
        Texts,
        Field(
            description="Vienna codes that the office assigned. " + _LIST,
            examples=[["03.01.01", "27.05.01"]],
        ),
    ] = []

    def record(self) -> MarkRecord:
        """The mark without its picture.

        Raises:
            BadField: a text is no Vienna code, or one of no category.
            BadRecord: it breaks another rule of the register.
        """
        return MarkRecord(
            id=self.id,
            text=self.text,
            owner=self.owner,
            office=self.office,
            status=None if self.status is None else self.status.lower(),
            filed=self.filed,
            registered=self.registered,
            nice=tuple(sorted(set(self.nice))),
            vienna=self._codes(),
            image_name=_shown_name(self.image.filename),
        )

    def _codes(self) -> tuple[ViennaCode, ...]:
        codes = sorted(set(parse_codes("vienna", self.vienna)), key=str)
        for code in codes:
            if not 1 <= code.category <= _CATEGORIES:
                raise BadField("vienna", f"{code} is in none of the Vienna Classification's 29.")
        return tuple(codes)
