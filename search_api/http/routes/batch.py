"""`POST /search/batch`: a few pictures, one search each."""

from typing import Annotated, Self

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.errors import UnreadableImage
from models.images.formats import ACCEPTED
from search_api.fields import SearchFields
from search_api.http.dependencies import MarkLensDep, MetricsDep, form_of
from search_api.http.forms import shown_name
from search_api.http.json_bodies import FieldsRoute
from search_api.http.problem_details import documented
from search_api.schemas import API, SearchResponse

router = APIRouter(prefix=API, tags=["search"], route_class=FieldsRoute)
MAX_IMAGES = 20


class BatchForm(SearchFields):
    """Pictures to compare with, one search each, and which marks may be found."""

    images: list[UploadFile] = Field(
        default=[],
        max_length=MAX_IMAGES,
        description=f"The query pictures, 1 to {MAX_IMAGES}, together no larger than the server's "
        f"limit of a request: {ACCEPTED}.",
    )

    @model_validator(mode="after")
    def _pictures_only(self) -> Self:
        if not self.images or self.mark_id is not None:
            raise ValueError("send pictures as `images`, and no `mark_id`")
        return self


class BatchItem(BaseModel):
    """What became of one picture."""

    image: str | None = Field(description="The name its upload gave itself.")
    error: str | None = Field(description="Why no search could be made with it.")
    answer: SearchResponse | None = Field(description="Else what was found.")


class BatchResponse(BaseModel):
    """The answers, in the order of the pictures."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"results": [{"image": "a.png", "error": "image: not a picture", "answer": None}]}
            ]
        }
    )

    results: list[BatchItem]


@router.post(
    "/search/batch",
    summary="Search with several pictures",
    response_description="An answer, or what is wrong with it, for each picture in its order.",
    dependencies=[form_of(BatchForm)],
    responses=documented(400, 413, 415, 422, 501, 503),
)
def search_batch(
    form: Annotated[BatchForm, Form(media_type="multipart/form-data")],
    marklens: MarkLensDep,
    metrics: MetricsDep,
) -> BatchResponse:
    """Search with each picture by itself; one that cannot be read does not keep the others.

    For more pictures than a request takes: `marklens search FOLDER --out FILE`.
    """
    results = []
    for upload in form.images:
        name = shown_name(upload.filename)
        try:
            answer = marklens.search(form.request(upload.file.read()))
        except UnreadableImage as error:
            results.append(BatchItem(image=name, error=str(error), answer=None))
            continue
        metrics.search(answer.plan)
        results.append(BatchItem(image=name, error=None, answer=SearchResponse.of(answer)))
    return BatchResponse(results=results)
