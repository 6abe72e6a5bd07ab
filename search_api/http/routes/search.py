"""`POST /search`, `/classify` and `/words`: pictures in; marks, codes or words out."""

import io
from typing import Annotated

from fastapi import APIRouter, Form, Response

from search_api.fields import parse_codes
from search_api.http.dependencies import MarkLensDep, MetricsDep, form_of
from search_api.http.forms import ExplainForm, PictureForm, SearchForm
from search_api.http.json_bodies import FieldsRoute
from search_api.http.problem_details import documented
from search_api.query_schemas import ClassifyResponse, WordsResponse
from search_api.schemas import API, SearchResponse

router = APIRouter(prefix=API, tags=["search"], route_class=FieldsRoute)


@router.post(
    "/search",
    summary="Find the marks that look most like a picture",
    response_description="The marks, nearest first, the codes seen in the query, and the plan.",
    dependencies=[form_of(SearchForm)],
    responses=documented(400, 404, 410, 413, 415, 422, 501, 503),
)
def search(
    form: Annotated[SearchForm, Form(media_type="multipart/form-data")],
    marklens: MarkLensDep,
    metrics: MetricsDep,
) -> SearchResponse:
    """Compare a picture, a part of one (`crop`), or a mark of the register (`mark_id`).

    The answer gives a handle for each picture that was sent, as long as the server keeps it: sent
    as `query` in the picture's place, it is neither sent nor encoded again.

    Filters are combined with "and"; within one list any of its values is enough, except for
    `vienna_all` and `vienna_none`. Scores are exact, and so is the ranking unless the plan that
    the answer names is `ivf`: that one may miss a mark that the filters allow.
    """
    answer = marklens.search(form.asked())
    metrics.search(answer.plan)
    return SearchResponse.of(answer)


@router.post(
    "/classify",
    summary="Name the Vienna codes seen in a picture",
    response_description="The codes that reach their threshold, and those that may be there.",
    dependencies=[form_of(PictureForm)],
    responses=documented(400, 404, 410, 413, 415, 422, 501, 503),
)
def classify(
    form: Annotated[PictureForm, Form(media_type="multipart/form-data")], marklens: MarkLensDep
) -> ClassifyResponse:
    """Look at a picture, or a part of one, without searching."""
    return ClassifyResponse.of(marklens.codes(form.picture(marklens), form.view()))


@router.post(
    "/words",
    summary="Read the words in a picture",
    response_description="The words, and where each line of them stands.",
    dependencies=[form_of(PictureForm)],
    responses=documented(400, 404, 410, 413, 415, 422, 501, 503),
)
def read_words(
    form: Annotated[PictureForm, Form(media_type="multipart/form-data")], marklens: MarkLensDep
) -> WordsResponse:
    """Read a picture, or a part of one, without searching; needs the extra `words`."""
    return WordsResponse.of(marklens.queries.read(form.picture(marklens), form.view()))


@router.post(
    "/classify/explain",
    summary="Show where in a picture each Vienna code was seen",
    dependencies=[form_of(ExplainForm)],
    response_class=Response,
    response_description="A PNG: the picture and a copy a code with the places in red, or a layer.",
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **documented(400, 404, 410, 413, 415, 422, 501, 503),
    },
)
def explain(
    form: Annotated[ExplainForm, Form(media_type="multipart/form-data")], marklens: MarkLensDep
) -> Response:
    """Draw the class activation maps of the codes that `/classify` names."""
    sheet = io.BytesIO()
    code = None if form.code is None else parse_codes("code", [form.code])[0]
    marklens.explain(form.picture(marklens), form.view(), code).save(sheet, "PNG")
    return Response(sheet.getvalue(), media_type="image/png")
