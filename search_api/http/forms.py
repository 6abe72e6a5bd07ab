"""The forms of HTTP: the fields of a search, or of a mark, with a picture."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from fastapi import UploadFile
from pydantic import BeforeValidator, Field, WithJsonSchema, create_model, model_validator

from indexer.marks import MARK_FIELDS, FieldKind, MarkField, MarkRecord
from indexer.texts import MAX_ID
from models.images.formats import ACCEPTED
from models.vienna import ViennaTree
from search_api.errors import BadField
from search_api.field_types import Absent, Codes, Day, NiceClasses, Text, with_plain_blanks
from search_api.fields import (
    LISTED,
    REPEATED,
    Fields,
    MarkId,
    SearchFields,
    ViewFields,
    is_empty,
    parse_codes,
)
from search_api.kept_pictures import HANDLE
from search_api.marklens import MarkLens
from search_api.request import MAX_PICTURES, KeptPicture, Picture, SearchRequest

HANDLE_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015"
Handle = Annotated[str, Field(pattern=f"^{HANDLE.pattern}$")]
# By FastAPI's contentMediaType alone, as OpenAPI 3.1 has it, clients take a picture for a text.
Upload = Annotated[UploadFile, WithJsonSchema({"type": "string", "format": "binary"})]


def _without_empty(values: Any) -> Any:
    """Take an empty input of a repeated field as not given, as `Fields` does of others."""
    return [one for one in values if not is_empty(one)] if isinstance(values, list) else values


Handles = Annotated[list[Handle], BeforeValidator(_without_empty)]
Uploads = Annotated[list[Upload], BeforeValidator(_without_empty)]


def _require_one(form: "PictureForm | SearchForm") -> None:
    """Refuse a form that names no picture, or a mark beside one."""
    if (form.image is None and not form.query) == (form.mark_id is None):
        raise ValueError(
            "send either a picture as `image`, or its handle as `query`, or a mark's id as "
            "`mark_id`"
        )


def shown_name(filename: str | None) -> str | None:
    """The name an upload gave itself, where it is one that can be shown."""
    name = with_plain_blanks(filename or "").strip()
    return name[-255:] if name and name.isprintable() else None


class PictureForm(ViewFields):
    """A picture, or a part of one."""

    image: Annotated[
        Upload | Absent,
        Field(description=f"The picture: {ACCEPTED}."),
    ] = None
    mark_id: MarkId = None
    query: Annotated[
        Handle | Absent,
        Field(
            description="Instead of a picture: the handle that a search gave it.",
            examples=[HANDLE_EXAMPLE],
        ),
    ] = None

    @model_validator(mode="after")
    def _one_picture(self) -> Self:
        _require_one(self)
        return self

    def picture(self, marklens: MarkLens) -> Picture:
        """The picture that is meant.

        Raises:
            UnknownMark: the register holds no such mark, or the mark has no picture.
        """
        if self.mark_id is not None:
            return marklens.image(self.mark_id)
        if self.query is not None:
            return KeptPicture(self.query)
        return b"" if self.image is None else self.image.file.read()


class ExplainForm(PictureForm):
    """A picture, and the code to explain."""

    code: Annotated[
        Text | Absent,
        Field(
            description="Only this Vienna code: the answer is then as the picture, transparent but "
            "where the code was seen.",
            examples=["03.01"],
        ),
    ] = None


class AskedForm(SearchFields):
    """Pictures or a mark to compare with, if any, and which marks may be found."""

    image: Annotated[
        Upload | Absent,
        Field(description=f"The query picture: {ACCEPTED}."),
    ] = None
    query: Handles = Field(
        default=[],
        description="Instead of a picture's bytes: the handle that an earlier answer gave. "
        f"Several, or beside `image`, are further pictures of the same sign. {REPEATED}",
        examples=[[HANDLE_EXAMPLE]],
    )
    other_images: Uploads = Field(
        default=[],
        description="Further pictures of the same sign: a mark scores by the picture that it is "
        f"nearest to. {MAX_PICTURES} pictures at most. {REPEATED}",
    )
    keep: bool = Field(
        default=True,
        description="Whether the server keeps the pictures for later searches by a handle, as long "
        "as its settings say.",
        examples=[True],
    )

    def asked(self) -> SearchRequest:
        """The search that the form asks for; see `SearchFields.request`."""
        sent = [] if self.image is None else [self.image]
        pictures: list[Picture] = [one.file.read() for one in sent]
        pictures += [KeptPicture(handle) for handle in self.query]
        pictures += [one.file.read() for one in self.other_images]
        return self.request(*pictures, keep=self.keep)


class SearchForm(AskedForm):
    """A picture or a mark to compare with, and which marks may be found."""

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        _require_one(self)
        return self


_TYPES: Mapping[FieldKind, Any] = {
    FieldKind.ID: Annotated[Text, Field(min_length=1, max_length=MAX_ID)],
    FieldKind.TEXT: Text | Absent,
    FieldKind.WORD: Text | Absent,
    FieldKind.DAY: Day | Absent,
    FieldKind.NICE: NiceClasses,
    FieldKind.VIENNA: Codes,
    FieldKind.US_DESIGN: Codes,
}
_SENT = tuple(one for one in MARK_FIELDS if one.name != "image_name")  # that is the upload's own


def _definition(one: MarkField) -> Any:
    """A field of a mark as pydantic wants it: type and default."""
    how = f" {LISTED}" if one.kind.is_list else ""
    replaces = " The mark that has it already is replaced." if one.kind is FieldKind.ID else ""
    default: Any = ... if one.kind is FieldKind.ID else [] if one.kind.is_list else None
    text = one.description + how + replaces
    return (_TYPES[one.kind], Field(default, description=text, examples=[one.example]))


if TYPE_CHECKING:
    RecordFields = Fields
else:
    RecordFields = create_model(
        "RecordFields", __base__=Fields, **{one.name: _definition(one) for one in _SENT}
    )


class MarkForm(RecordFields):
    """A mark to register."""

    image: Annotated[Upload, Field(description=f"Its picture: {ACCEPTED}.")]

    def record(self) -> MarkRecord:
        """The mark without its picture.

        Raises:
            BadField: a text is no Vienna code, or one of no category.
            BadRecord: it breaks another rule of the register.
        """
        values = {one.name: self._value(one) for one in _SENT}
        return MarkRecord(**values, image_name=shown_name(self.image.filename))

    def _value(self, one: MarkField) -> Any:
        value = getattr(self, one.name)
        if one.kind is not FieldKind.VIENNA:
            return value
        codes = parse_codes(one.name, value)
        for code in codes:  # so that the answer names the field
            if not ViennaTree.load().has_category_of(code):
                raise BadField(one.name, f"{code} is in no category of the Vienna Classification.")
        return codes
