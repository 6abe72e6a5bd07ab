"""The register as tools of an assistant, by MCP (Model Context Protocol) on stdin and stdout.

Only reading is offered. Answers are those of HTTP, and so are the fields.
"""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field, ValidationError

from models.errors import MarkLensError, UnreadableImage
from models.version import marklens_version
from search_api.errors import plain_fault
from search_api.fields import FilterFields, SearchFields
from search_api.list_fields import ListFields
from search_api.list_schemas import ListResponse
from search_api.marklens import MarkLens
from search_api.query_schemas import ClassifyResponse
from search_api.schemas import MarkResponse, SearchResponse

_INSTRUCTIONS = """Searches a register of figurative trademarks.

`search` finds the marks that look most like a picture, or like a mark of the register; `list_marks`
finds marks by words, owner, codes, classes and dates; `classify` names the Vienna codes of a
picture; `look_up` and `show_mark` give a mark's data and its picture. A score orders marks by
likeness and is no legal opinion. Say in the end what was searched, with the plan's sequence: the
state of the register.
"""
_SIDE = 640  # pixels of a mark's picture: enough to compare, small to send

PicturePath = Annotated[str, Field(description="Path of the picture file on this machine.")]
K = Annotated[int, Field(ge=1, le=100, description="How many marks.")]
Filters = Annotated[FilterFields | None, Field(description="Which marks may be found.")]
MarkId = Annotated[str, Field(description="The mark's id.")]

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def _told(tool: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Give an assistant the sentence of an error instead of its traceback."""

    @wraps(tool)
    def called(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        try:
            return tool(*args, **kwargs)
        except ValidationError as error:
            fault = error.errors()[0]
            name = ".".join(map(str, fault["loc"]))
            raise ToolError(f"{name}: {plain_fault(fault)}") from error
        except MarkLensError as error:
            raise ToolError(str(error)) from error

    return called


def create_server(marklens: MarkLens) -> MCPServer:
    """Make the server of an open register."""
    server = MCPServer("marklens", version=marklens_version(), instructions=_INSTRUCTIONS)
    tools = Tools(marklens)
    for tool in (tools.search, tools.list_marks, tools.classify, tools.look_up, tools.show_mark):
        server.add_tool(_told(tool))
    return server


class Tools:
    """What an assistant can ask of an open register; the docstrings are what it reads."""

    def __init__(self, marklens: MarkLens) -> None:
        self._marklens = marklens

    def search(
        self,
        picture: PicturePath | None = None,
        mark_id: MarkId | None = None,
        filters: Filters = None,
        weights: Annotated[
            str | None, Field(description="Weight of each block, as visual=1,concept=.5.")
        ] = None,
        k: K = 20,
    ) -> SearchResponse:
        """Find the marks that look most like a picture, or like a mark of the register."""
        if bool(picture) == bool(mark_id and mark_id.strip()):
            raise ToolError("give either the path of a picture or the id of a mark")
        asked = {**_asked(filters), "mark_id": mark_id, "weights": weights, "k": k}
        given = {name: value for name, value in asked.items() if value is not None}
        request = SearchFields.model_validate(given).request(*_files(picture))
        return SearchResponse.of(self._marklens.search(request))

    def list_marks(
        self,
        filters: Filters = None,
        order: Annotated[str | None, Field(description="Such as id, filed or -filed.")] = None,
        after: Annotated[str | None, Field(description="`next` of the page before.")] = None,
        k: K = 20,
    ) -> ListResponse:
        """Find marks by words (`text`), number, owner, codes, classes and dates alone."""
        asked = {**_asked(filters), "order": order, "after": after, "k": k}
        given = {name: value for name, value in asked.items() if value is not None}
        return ListResponse.of(self._marklens.search(ListFields.model_validate(given).request()))

    def classify(self, picture: PicturePath) -> ClassifyResponse:
        """Name the Vienna codes seen in a picture, most probable first."""
        return ClassifyResponse.of(self._marklens.codes(Path(picture)))

    def look_up(self, mark_id: MarkId) -> MarkResponse:
        """Say what the register holds of a mark."""
        return MarkResponse.of(self._marklens.mark(mark_id))

    def show_mark(self, mark_id: MarkId) -> Image:
        """Show a mark's picture, at most 640 pixels a side."""
        digest = self._marklens.mark(mark_id).image_digest
        if digest is None:
            raise UnreadableImage(f"The mark {mark_id!r} has no picture.")
        return Image(
            data=self._marklens.images.thumbnail(
                digest, _SIDE, self._marklens.queries.admission.decode
            ),
            format="webp",
        )


def _asked(filters: FilterFields | None) -> dict[str, object]:
    return {} if filters is None else filters.model_dump(mode="json", exclude_defaults=True)


def _files(picture: str | None) -> list[Path]:
    return [Path(picture)] if picture else []
