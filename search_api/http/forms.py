"""The forms of HTTP: the fields of a search, or of a mark, with a picture."""

from typing import Annotated, Self

from fastapi import UploadFile
from pydantic import Field, model_validator

from indexer.marks import MarkRecord
from models.images.formats import ACCEPTED
from models.vienna import ViennaCode
from search_api.errors import BadField
from search_api.fields import (
    LISTED,
    Codes,
    Day,
    Fields,
    NiceClasses,
    SearchFields,
    Text,
    parse_codes,
    parse_crop,
)
from search_api.request import Box, SearchRequest

_CATEGORIES = 29


def _shown_name(filename: str | None) -> str | None:
    """The name an upload gave itself, where it is one that can be shown."""
    return filename[-255:] if filename and filename.isprintable() else None


class PictureForm(Fields):
    """A picture, or a part of one."""

    image: Annotated[UploadFile, Field(description=f"The picture: {ACCEPTED}.")]
    crop: Annotated[
        Text | None,
        Field(
            description="x,y,width,height of the part to look at, in pixels of the upright "
            "original.",
            examples=["10,20,200,100"],
        ),
    ] = None

    def box(self) -> Box | None:
        """The part to look at.

        Raises:
            BadField: it is no crop.
        """
        return None if self.crop is None else parse_crop(self.crop)


class SearchForm(SearchFields):
    """A picture or a mark to compare with, and which marks may be found."""

    image: Annotated[UploadFile | None, Field(description=f"The query picture: {ACCEPTED}.")] = None

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if (self.image is None) == (self.mark_id is None):
            raise ValueError("send either a picture as `image` or a mark's id as `mark_id`")
        return self

    def asked(self) -> SearchRequest:
        """The search that the form asks for; see `SearchFields.request`."""
        return self.request(None if self.image is None else self.image.file.read())


class MarkForm(Fields):
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
        NiceClasses,
        Field(default_factory=list, description="Nice classes. " + LISTED, examples=[[30, 43]]),
    ]
    vienna: Annotated[
        Codes,
        Field(
            default_factory=list,
            description="Vienna codes that the office assigned. " + LISTED,
            examples=[["03.01.01", "27.05.01"]],
        ),
    ]

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
