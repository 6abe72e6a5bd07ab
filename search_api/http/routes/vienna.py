"""`GET /vienna`: the classification, with the number of marks at each code."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from models.vienna import ViennaCode, ViennaTree
from search_api.http.dependencies import MarkLensDep
from search_api.http.problem_details import documented
from search_api.http.revisions import NOT_MODIFIED, revised
from search_api.schemas import API, ViennaNode, ViennaResponse

router = APIRouter(prefix=API, tags=["vienna"])

Source = Annotated[
    Literal["assigned", "predicted", "either"],
    Query(
        description="Which codes of a mark count: the office's, the network's, or either.",
        examples=["either"],
    ),
]


@router.get(
    "/vienna",
    summary="The Vienna Classification with counts",
    response_description="The 29 categories, with divisions and sections below them.",
    response_model=ViennaResponse,
    responses={**NOT_MODIFIED, **documented(422, 503)},
)
def get_vienna(
    request: Request, response: Response, marklens: MarkLensDep, source: Source = "either"
) -> ViennaResponse | Response:
    """List the codes that filters take, and how many marks each would leave."""
    sequence = marklens.follower.view().sequence

    def counted() -> ViennaResponse:
        counts = marklens.follower.code_counts(source)
        tree = ViennaTree.load()
        nodes = [_node(tree, code, counts) for code in tree.children(None)]
        return ViennaResponse(source=source, categories=nodes)

    return revised(request, response, marklens, sequence, counted)


def _node(tree: ViennaTree, code: ViennaCode, counts: Mapping[ViennaCode, int]) -> ViennaNode:
    return ViennaNode(
        code=str(code),
        title=tree.title(code),
        marks=counts.get(code, 0),
        children=[_node(tree, child, counts) for child in tree.children(code)],
    )
