"""The register as tools of an assistant, by MCP (Model Context Protocol) on stdin and stdout.

Only reading is offered. Arguments are the fields of HTTP, all of them of the tool itself, and one
that no tool has is refused. Answers are those of HTTP without what costs an assistant many words
and tells it little: where marks match, and what `look_up` says of a single one.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, Field, ValidationError

from indexer.errors import BadQuery
from indexer.marks import MARK_FIELDS
from models.errors import MarkLensError, UnreadableImage
from models.version import marklens_version
from search_api.errors import plain_fault
from search_api.facet_schemas import FoundCode, found_codes
from search_api.field_types import Text, Words
from search_api.fields import Fields, SearchFields, ViewFields
from search_api.list_fields import ListFields
from search_api.list_schemas import ListResponse
from search_api.marklens import MarkLens
from search_api.query_schemas import ClassifyResponse
from search_api.request import SearchRequest
from search_api.schemas import MarkResponse, SearchResponse

_INSTRUCTIONS = """Searches a register of figurative trademarks.

`search` finds the marks that look most like a picture, or like a mark of the register; `list_marks`
finds marks by words, owner, codes, classes and dates; `classify` names the Vienna codes of a
picture, `find_codes` those of a word; `look_up` and `show_mark` give a mark's data and its picture.
A score orders marks by likeness and is no legal opinion. Say in the end what was searched, with the
plan's sequence: the state of the register.
"""
_SIDE = 640  # pixels of a mark's picture: enough to compare, small to send
_MARK = frozenset(one.name for one in MARK_FIELDS) | {"words_read"}
_MATCH = {"match": {"said"}}
# What of an answer an assistant is told: a tenth of its letters.
_OF_SEARCH: dict[str, Any] = {
    "query": {"vienna"},
    "plan": {"kind", "matched", "total", "sequence"},
    "hits": {"__all__": dict.fromkeys(_MARK | {"score", "band", "group"}, True) | _MATCH},
    "better_than_chance": True,
}
_OF_LIST: dict[str, Any] = {
    "total": True,
    "next": True,
    "marks": {"__all__": dict.fromkeys(_MARK, True) | _MATCH},
}

K = Annotated[int, Field(ge=1, le=100, description="How many, 1 to 100.")]
MarkId = Annotated[Text, Field(description="The mark's id.")]


class SearchArguments(SearchFields):
    """Pictures or a mark to compare with, and which marks may be found."""

    pictures: Words = Field(
        default=[],
        description="Paths of picture files on this machine; several are pictures of one sign.",
    )
    k: K = 20

    def asked(self) -> SearchRequest:
        """The search; see `SearchFields.request`."""
        if bool(self.pictures) == (self.mark_id is not None):
            raise BadQuery("give either the paths of `pictures` or the id of a mark, `mark_id`")
        return self.request(*map(Path, self.pictures))


class ListArguments(ListFields):
    """Which marks to list, and in what order."""

    k: K = 20


class PictureArguments(ViewFields):
    """A picture, or a part of one."""

    picture: Annotated[Text, Field(description="Path of the picture file on this machine.")]


class SubjectArguments(Fields):
    """What codes stand for."""

    words: Annotated[Text, Field(description="Such as crown, or a code: it and all below it.")]
    k: K = 20


class MarkArguments(Fields):
    """A mark."""

    mark_id: MarkId


class FoundResponse(BaseModel):
    """Codes that words may mean."""

    codes: list[FoundCode]


class Tools:
    """What an assistant can ask of an open register; the docstrings are what it reads."""

    def __init__(self, marklens: MarkLens) -> None:
        self._marklens = marklens

    def search(self, asked: SearchArguments) -> CallToolResult:
        """Find the marks that look most like a picture, or like a mark of the register.

        `band` says how probably a hit is the same sign or a variant: near-identical, strong, some,
        or weak, which is no better than chance. `group` is the first hit that shows the same sign.
        """
        return _told(SearchResponse.of(self._marklens.search(asked.asked())), _OF_SEARCH)

    def list_marks(self, asked: ListArguments) -> CallToolResult:
        """Find marks by words (`text`), number, owner, codes, classes and dates alone.

        Send `next` of the answer as `after` for the next page.
        """
        return _told(ListResponse.of(self._marklens.search(asked.request())), _OF_LIST)

    def classify(self, asked: PictureArguments) -> CallToolResult:
        """Name the Vienna codes seen in a picture, most probable first."""
        return _told(ClassifyResponse.of(self._marklens.codes(Path(asked.picture), asked.view())))

    def find_codes(self, asked: SubjectArguments) -> CallToolResult:
        """Find Vienna codes by words for what they stand for, with how many marks bear each."""
        found = found_codes(asked.words, self._marklens.follower.code_counts("either"))
        return _told(FoundResponse(codes=found[: asked.k]))

    def look_up(self, asked: MarkArguments) -> CallToolResult:
        """Say all that the register holds of a mark."""
        return _told(MarkResponse.of(self._marklens.mark(asked.mark_id)))

    def show_mark(self, asked: MarkArguments) -> CallToolResult:
        """Show a mark's picture."""
        digest = self._marklens.mark(asked.mark_id).image_digest
        if digest is None:
            raise UnreadableImage(f"The mark {asked.mark_id!r} has no picture.")
        decode = self._marklens.queries.admission.decode
        drawn = b64encode(self._marklens.images.thumbnail(digest, _SIDE, decode)).decode()
        return CallToolResult(
            content=[ImageContent(type="image", data=drawn, mime_type="image/webp")]
        )


@dataclass(frozen=True, slots=True)
class _Offer:
    """A tool: what it takes, and what answers it; name and description are those of `answer`."""

    arguments: type[Fields]
    answer: Callable[[Any], CallToolResult]

    def tool(self) -> Tool:
        """What is said of it to an assistant."""
        return Tool(
            name=self.answer.__name__,
            description=getdoc(self.answer),
            input_schema=self.arguments.model_json_schema(),
            annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False),
        )

    def call(self, given: dict[str, Any]) -> CallToolResult:
        """Answer, or say in a sentence why not."""
        held = {name: value for name, value in given.items() if value is not None}
        try:
            return self.answer(self.arguments.model_validate(held))
        except ValidationError as error:
            # A field that may be left out also fails to be None, which is left out before.
            faults = [fault for fault in error.errors() if fault["type"] != "none_required"]
            return _refused("; ".join(f"{one['loc'][0]}: {plain_fault(one)}" for one in faults))
        except MarkLensError as error:
            return _refused(str(error))


def create_server(marklens: MarkLens) -> Server[dict[str, Any]]:
    """Make the server of an open register."""
    tools = Tools(marklens)
    offered = (
        _Offer(SearchArguments, tools.search),
        _Offer(ListArguments, tools.list_marks),
        _Offer(PictureArguments, tools.classify),
        _Offer(SubjectArguments, tools.find_codes),
        _Offer(MarkArguments, tools.look_up),
        _Offer(MarkArguments, tools.show_mark),
    )
    offers = {one.answer.__name__: one for one in offered}

    async def list_tools(
        _: ServerRequestContext[dict[str, Any]], __: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=[one.tool() for one in offered])

    async def call_tool(
        _: ServerRequestContext[dict[str, Any]], asked: CallToolRequestParams
    ) -> CallToolResult:
        if asked.name not in offers:
            return _refused(f"there is no tool {asked.name!r}; there are {', '.join(offers)}")
        return await to_thread.run_sync(offers[asked.name].call, asked.arguments or {})

    return Server(
        "marklens",
        version=marklens_version(),
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve(marklens: MarkLens) -> None:
    """Answer an assistant on stdin and stdout until it hangs up."""
    server = create_server(marklens)
    async with stdio_server() as (asked, answered):
        await server.run(asked, answered, server.create_initialization_options())


def _told(answer: BaseModel, wanted: dict[str, Any] | None = None) -> CallToolResult:
    """An answer, or what is wanted of it; what is null in it is left out."""
    held = answer.model_dump(mode="json", include=wanted, exclude_none=True)
    text = json.dumps(held, ensure_ascii=False, separators=(",", ":"))
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=held)


def _refused(sentence: str) -> CallToolResult:
    """An error, which an assistant reads."""
    return CallToolResult(content=[TextContent(type="text", text=sentence)], is_error=True)
