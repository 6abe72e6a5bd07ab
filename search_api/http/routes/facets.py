"""`GET /facets`: how many marks each code, class, status and office would leave of a search."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from indexer.search.facets import facet_counts
from search_api.facet_schemas import FacetsResponse
from search_api.fields import PassingFields
from search_api.http.dependencies import MarkLensDep
from search_api.http.problem_details import documented
from search_api.request import require_known_codes
from search_api.schemas import API

router = APIRouter(prefix=API, tags=["vienna"])


class FacetFields(PassingFields):
    """The filter of a search or of a list."""

    compared: Annotated[
        bool,
        Field(
            description="Whether marks are compared with a picture: then those without one do not "
            "count. Leave `text` out where it is part of the score.",
            examples=[False],
        ),
    ] = False


@router.get(
    "/facets",
    summary="Count the marks of a search by code, class, status and office",
    response_description="How many marks would pass with each value.",
    responses=documented(422, 503),
)
def get_facets(fields: Annotated[FacetFields, Query()], marklens: MarkLensDep) -> FacetsResponse:
    """Count what passes the filter, each facet without what the filter asks of itself.

    So the counts of classes are those under the codes, status, office, dates and texts asked for.
    `vienna_all` and `vienna_none` hold for the counts of codes, too.
    """
    wanted = fields.filter()
    require_known_codes(wanted, marklens.follower)
    return FacetsResponse.of(
        facet_counts(marklens.register, marklens.follower, wanted, fields.compared)
    )
