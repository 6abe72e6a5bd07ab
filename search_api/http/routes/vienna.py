"""`GET /vienna`: the classification, or codes of a subject, with the number of marks at each."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from models.vienna import ViennaCode, ViennaTree
from search_api.facet_schemas import ViennaNode, ViennaResponse, found_codes
from search_api.http.dependencies import MarkLensDep
from search_api.http.problem_details import documented
from search_api.http.revisions import NOT_MODIFIED, revised
from search_api.schemas import API

router = APIRouter(prefix=API, tags=["vienna"])

Source = Annotated[
    Literal["assigned", "predicted", "either"],
    Query(
        description="Which codes of a mark count: the office's, the network's, or either.",
        examples=["either"],
    ),
]

Subject = Annotated[
    str | None,
    Query(
        max_length=200,
        description="A code, or words for what it stands for: only codes that fit are listed, the "
        "best first.",
        examples=["tiara"],
    ),
]


@router.get(
    "/vienna",
    summary="The Vienna Classification with counts",
    response_description="The categories, with divisions and sections below them, or codes found.",
    response_model=ViennaResponse,
    responses={**NOT_MODIFIED, **documented(422, 503)},
)
def get_vienna(
    request: Request,
    response: Response,
    marklens: MarkLensDep,
    source: Source = "either",
    q: Subject = None,
) -> ViennaResponse | Response:
    """List the codes that filters take, and how many marks each would leave.

    With `q` those that its words may mean: "puppy" is a dog, "tiara" a crown. Things that are
    called just so come first, then titles with all of the words, then those with words that begin
    so, then those with most of the words, or with words one letter away. Words are English or
    French; plurals and British and American spellings are one.
    """
    sequence = marklens.follower.view().sequence

    def counted() -> ViennaResponse:
        counts = marklens.follower.code_counts(source)
        if q is not None:
            return ViennaResponse(source=source, categories=[], found=found_codes(q, counts))
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
