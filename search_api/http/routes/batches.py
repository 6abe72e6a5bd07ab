"""`/batches`: a search with each of many pictures, worked off in the background."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Form, Path, Response, status
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.images.formats import ACCEPTED
from search_api.batch.kept import BatchFormat, BatchState, KeptBatch, KeptBatches
from search_api.batch.uploads import MAX_PICTURES, Upload
from search_api.fields import SearchFields
from search_api.http.dependencies import MarkLensDep, form_of
from search_api.http.forms import Uploads
from search_api.http.json_bodies import FieldsRoute
from search_api.http.problem_details import documented
from search_api.kept_pictures import HANDLE
from search_api.report.writing import MEDIA_TYPES
from search_api.schemas import API

router = APIRouter(prefix=API, tags=["batches"], route_class=FieldsRoute)
_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015"
_MEDIA_TYPES: dict[BatchFormat, str] = {
    "csv": MEDIA_TYPES["csv"],
    "xlsx": MEDIA_TYPES["xlsx"],
    "jsonl": "application/jsonl",
    "pdf": "application/zip",
}
_BATCH: dict[str, Any] = {
    "id": _EXAMPLE,
    "state": "running",
    "done": 12,
    "total": 40,
    "seconds_left": 9.5,
    "unreadable": [{"image": "notes.png", "reason": "notes.png: not a picture"}],
    "created": "2026-11-30T09:00:00Z",
    "format": "xlsx",
    "results": None,
    "error": None,
}

BatchId = Annotated[
    str,
    Path(
        pattern=f"^{HANDLE.pattern}$",
        description="As the answer gave it when the batch was sent.",
        examples=[_EXAMPLE],
    ),
]


class BatchForm(SearchFields):
    """Pictures to compare with, one search each, and which marks may be found."""

    images: Uploads = Field(
        default=[],
        description=f"The pictures ({ACCEPTED}; of a PDF the first page), or one zip file of them; "
        "or a table (CSV, JSON Lines, Parquet) whose column image names each picture, and id what "
        "it is called, with its pictures or a zip file of them. At most "
        f"{MAX_PICTURES:,} pictures, 1000 files, and the server's limit of a request.",
    )
    format: BatchFormat = Field(
        default="csv",
        description="Of the results: one table, or pdf for one report each, in a zip file.",
        examples=["xlsx"],
    )

    @model_validator(mode="after")
    def _pictures_only(self) -> Self:
        if not self.images or self.mark_id is not None or self.other_views:
            raise ValueError("send pictures as `images`, no `mark_id` and no `other_views`")
        self.request(b"")  # whose values go together
        return self

    def uploads(self) -> list[Upload]:
        """What was sent."""
        return [Upload(one.filename or "", one.file) for one in self.images]

    def asked(self) -> dict[str, Any]:
        """The fields of the search."""
        fields = set(SearchFields.model_fields)
        return self.model_dump(mode="json", include=fields, exclude_unset=True)


class UnreadableResponse(BaseModel):
    """A picture that no search could be made with."""

    image: str = Field(description="Its name.")
    reason: str = Field(description="Why not.")


class BatchResponse(BaseModel):
    """A batch, and how far it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BATCH]})

    id: str = Field(description="Who has it can see the batch; nobody can list batches.")
    state: BatchState = Field(description="stopped: for the reason in `error`.")
    done: int = Field(description="Pictures that are done.")
    total: int = Field(description="About how many there are.")
    seconds_left: float | None = Field(description="Null while nobody knows.")
    unreadable: list[UnreadableResponse] = Field(
        description="The first 1000 pictures that no search could be made with."
    )
    created: datetime = Field(description="When it was sent (UTC).")
    format: BatchFormat
    results: str | None = Field(description="Path of the results; null until they are there.")
    error: str | None = Field(description="Why it was stopped.")

    @classmethod
    def of(cls, batch: KeptBatch) -> "BatchResponse":
        """Show a batch."""
        return cls(
            id=batch.id,
            state=batch.state,
            done=batch.done,
            total=batch.total,
            seconds_left=batch.seconds_left,
            unreadable=[
                UnreadableResponse(image=name, reason=reason) for name, reason in batch.unreadable
            ],
            created=batch.created,
            format=batch.format,
            results=f"{_path(batch)}/results" if batch.state == "done" else None,
            error=batch.error,
        )


def _path(batch: KeptBatch) -> str:
    return f"{API}/batches/{batch.id}"


@router.post(
    "/batches",
    summary="Search with many pictures",
    response_description="The batch, which waits; `Location` says where to look at it.",
    status_code=status.HTTP_202_ACCEPTED,
    dependencies=[form_of(BatchForm)],
    responses=documented(400, 413, 415, 422, 503),
)
def start_batch(
    form: Annotated[BatchForm, Form(media_type="multipart/form-data")],
    marklens: MarkLensDep,
    response: Response,
) -> BatchResponse:
    """Search with each picture by itself; one that cannot be read does not keep the others.

    The server works batches off one after the other, behind the searches of people, and goes on
    after it was started again. It keeps them as long as query pictures.
    """
    kept = KeptBatches(marklens.settings)
    batch = kept.start(form.uploads(), form.asked(), form.format)
    response.headers["Location"] = _path(batch)
    return BatchResponse.of(batch)


@router.get(
    "/batches/{batch_id}",
    summary="How far a batch is",
    response_description="The batch.",
    responses=documented(404, 422),
)
def get_batch(batch_id: BatchId, marklens: MarkLensDep, response: Response) -> BatchResponse:
    """Look at a batch."""
    response.headers["Cache-Control"] = "private, no-store"
    return BatchResponse.of(KeptBatches(marklens.settings).batch(batch_id))


@router.get(
    "/batches/{batch_id}/results",
    summary="The results of a batch",
    response_class=FileResponse,
    response_description="The table, or a zip file of reports.",
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in sorted(_MEDIA_TYPES.values())
            }
        },
        **documented(404, 409, 422),
    },
)
def get_batch_results(batch_id: BatchId, marklens: MarkLensDep) -> FileResponse:
    """Fetch the results, once the batch is done."""
    kept = KeptBatches(marklens.settings)
    file = kept.results(batch_id)
    headers = {"Cache-Control": "private, no-store"}
    kind = _MEDIA_TYPES[kept.batch(batch_id).format]
    return FileResponse(file, headers=headers, media_type=kind, filename=file.name)


@router.delete(
    "/batches/{batch_id}",
    summary="Stop a batch and forget it",
    response_description="It is gone, with its pictures and results.",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=documented(422),
)
def forget_batch(batch_id: BatchId, marklens: MarkLensDep) -> None:
    """Remove what was sent and found; who has the id may."""
    KeptBatches(marklens.settings).forget(batch_id)
