"""The fields of a list of marks, as HTTP and the command line take them."""

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from indexer.pages import ORDERS, WORDS_ORDER
from search_api.field_types import Absent, Text, Words
from search_api.fields import REPEATED, SearchFields, WantedFields
from search_api.request import Picture, SearchRequest


class ListFields(WantedFields):
    """Which marks to list, and in what order."""

    order: Annotated[
        Literal[(*ORDERS, WORDS_ORDER)] | Absent,  # type: ignore[valid-type]  # of a table
        Field(
            description="What they go by, falling with -; by default words, the likest first, "
            "where `text` is given, else id. Marks without the day come last.",
            examples=["-filed"],
        ),
    ] = None
    after: Annotated[
        Text | Absent,
        Field(
            description="The page after this one: `next` of the answer to the same request.",
            examples=["WyJpZCIsbnVsbCwiRU0tMDE4MDAwMDAxIl0"],
        ),
    ] = None

    ids: Words = Field(
        default=[],
        description=f"Only these marks, of those that pass; 200 at most. {REPEATED}",
        examples=[["EM-018000001"]],
    )

    def request(self) -> SearchRequest:
        """The list that the fields ask for.

        Raises:
            BadField: a text is no Vienna code.
            BadFilter, BadQuery: the values do not go together.
        """
        return SearchRequest(
            filter=self.filter(),
            k=self.k,
            offset=self.offset,
            order=self.order,
            after=self.after,
            among=tuple(self.ids) or None,
        )


class OptionFields(SearchFields, ListFields):
    """What the command line takes: a search by picture, or a list where there is none."""

    def request(self, *pictures: Picture, keep: bool = False) -> SearchRequest:
        """The search, or the list, that the options ask for; raises what the others raise."""
        return replace(super().request(*pictures, keep=keep), order=self.order, after=self.after)
