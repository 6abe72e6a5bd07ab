"""The forms of watches: made, changed, read."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Self

from pydantic import Field, model_validator

from indexer.register.watches import MAX_NUMBER
from models.images.formats import ACCEPTED
from search_api.field_types import Absent, Text, Words
from search_api.fields import REPEATED, Fields, SearchFields, ViewsFields
from search_api.http.forms import HANDLE_EXAMPLE, Handles, Uploads, shown_name
from search_api.request import KeptPicture
from search_api.watch.asked import MAX_SIGNS, NewWatch, WatchChange

_TELLS = (
    "Address that gets a POST of JSON for what came near, each event at least once: its `id` tells "
    "repeats."
)


class SignsFields(Fields):
    """Signs to watch."""

    marks: Words = Field(
        default=[], description=f"Marks of the register to watch. {REPEATED}", examples=[["EM-1"]]
    )
    images: Uploads = Field(
        default=[], max_length=100, description=f"Other pictures to watch: {ACCEPTED}."
    )
    query: Handles = Field(
        default=[],
        description=f"Handles of other pictures to watch, which a search gave. {REPEATED}",
        examples=[[HANDLE_EXAMPLE]],
    )
    names: list[str] = Field(
        default=[],
        max_length=MAX_SIGNS,
        description="What the pictures of `query` are called, in their order; one that is empty or "
        f"unprintable is numbered. {REPEATED}",
        examples=[["lion.png"]],
    )

    @model_validator(mode="after")
    def _names_of_pictures(self) -> Self:
        if len(self.names) > len(self.query):
            raise ValueError("`names` are those of the pictures of `query`, one for each")
        return self

    def pictures(self) -> Sequence[tuple[str, bytes | KeptPicture]]:
        """The pictures to watch, each with what it is called."""
        sent: list[tuple[str | None, bytes | KeptPicture]] = [
            (shown_name(name), KeptPicture(handle))
            for handle, name in zip_longest(self.query, self.names)
        ]
        sent += [(shown_name(one.filename), one.file.read()) for one in self.images]
        return [(name or f"picture {place}", one) for place, (name, one) in enumerate(sent, 1)]


class WatchForm(SearchFields, SignsFields):
    """Signs to watch, from which score on, and among which marks."""

    name: Annotated[
        Text, Field(description="Of the watch, at most 64 characters.", examples=["Our lions"])
    ]
    threshold: Annotated[
        float,
        Field(gt=0, le=1, description="Score from which a mark is near.", examples=[0.6]),
    ]
    webhook: Annotated[
        Text | Absent, Field(description=_TELLS, examples=["https://example.org/hook"])
    ] = None

    @model_validator(mode="after")
    def _no_query(self) -> Self:
        if self.mark_id is not None:
            raise ValueError("name marks as `marks`")
        return self

    def watch(self) -> NewWatch:
        """The watch that the form asks for."""
        own = {"name", "threshold", "webhook", *SignsFields.model_fields}
        asked = self.model_dump(mode="json", exclude=own, exclude_defaults=True)
        fields = SearchFields.model_validate(asked)
        signs = (self.marks, self.pictures(), fields)
        return NewWatch(self.name, self.threshold, *signs, self.webhook)


class ChangeForm(ViewsFields, SignsFields):
    """What of a watch is changed; its name, filter and weights stay."""

    threshold: Annotated[
        Annotated[float, Field(gt=0, le=1)] | Absent,
        Field(description="Score from which a mark is near.", examples=[0.6]),
    ] = None
    webhook: Annotated[
        Text | Absent,
        Field(
            description=f"{_TELLS} Where there was none it is told only of what comes from now on.",
            examples=["https://example.org/hook"],
        ),
    ] = None
    remove_webhook: bool = Field(
        default=False, description="Whether nobody is told any more.", examples=[False]
    )
    remove: Words = Field(
        default=[],
        description="Signs that are watched no more, as `signs` of the watch names them. What they "
        f"found is deleted. {REPEATED}",
        examples=[["lion.png"]],
    )

    def change(self) -> WatchChange:
        """The change that the form asks for."""
        return WatchChange(
            threshold=self.threshold,
            webhook=self.webhook,
            remove_webhook=self.remove_webhook,
            mark_ids=self.marks,
            pictures=self.pictures(),
            fields=self,
            removed=self.remove,
        )


class ReadForm(Fields):
    """How far was read."""

    upto: Annotated[
        int | Absent,
        Field(
            ge=0,
            le=MAX_NUMBER,
            description="Number of the last event; the newest if left out.",
            examples=[7],
        ),
    ] = None
