"""`/queries/{handle}`: the pictures that were searched with and are still kept."""

from typing import Annotated

from fastapi import APIRouter, Path, Response, status

from search_api.http.dependencies import MarkLensDep
from search_api.http.problem_details import documented
from search_api.kept_pictures import HANDLE
from search_api.schemas import API

router = APIRouter(prefix=API, tags=["search"])

Handle = Annotated[
    str,
    Path(
        pattern=f"^{HANDLE.pattern}$",
        description="As the answer to a search gave it.",
        examples=["9f86d081884c7d659a2feaa0c55ad015"],
    ),
]


@router.get(
    "/queries/{handle}/image",
    summary="The picture that a handle stands for",
    response_class=Response,
    response_description="The bytes that were sent.",
    responses={
        200: {
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            }
        },
        **documented(410, 422),
    },
)
def get_query_image(handle: Handle, marklens: MarkLensDep) -> Response:
    """Give the picture back, as bytes to be saved: a browser neither shows nor runs them."""
    headers = {
        "Content-Disposition": "attachment",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
    }
    content = marklens.queries.kept.content(handle)
    return Response(content, headers=headers, media_type="application/octet-stream")


@router.delete(
    "/queries/{handle}",
    summary="Forget a picture that was searched with",
    response_description="It is kept no longer.",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=documented(422),
)
def forget_query(handle: Handle, marklens: MarkLensDep) -> None:
    """Remove the picture now, and what was found out of it; who has the handle may."""
    marklens.queries.kept.forget(handle)
