"""`/marks`: list them, register one, look at one, withdraw one."""

from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response, status

from indexer.marks import Mark
from indexer.register.thumbnails import LARGEST, SMALLEST, step_of
from models.errors import UnreadableImage
from search_api.http.dependencies import GuardedRoute, Indexer, MarkLensDep, form_of
from search_api.http.forms import MarkForm
from search_api.http.problem_details import documented
from search_api.http.revisions import NOT_MODIFIED, is_held, revised
from search_api.list_fields import ListFields
from search_api.list_schemas import ListResponse
from search_api.schemas import API, MarkResponse, image_path

router = APIRouter(prefix=API, tags=["marks"], route_class=GuardedRoute)

MarkId = Annotated[
    str,
    Path(min_length=1, max_length=128, description="The mark's id.", examples=["EM-018000001"]),
]
Digest = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{64}$",
        description="The picture's SHA-256 as hits give it: the answer may then be kept for ever.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]
Size = Annotated[
    int | None,
    Query(
        ge=SMALLEST,
        le=LARGEST,
        description="Longest side of a thumbnail in pixels, rounded up to 64, 160, 320, 640 or "
        "1024; the original where left out.",
        examples=[256],
    ),
]

# What a browser shows as a picture and never runs. An SVG is a document that can hold scripts, so
# like the formats browsers do not show it is served as a drawing of it.
_SHOWN_AS_IS = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


@router.post(
    "/marks",
    summary="Register a mark, or replace the one of the same id",
    response_description="The mark, new to the register; searches find it from now on.",
    status_code=status.HTTP_201_CREATED,
    dependencies=[form_of(MarkForm), Indexer],
    responses={
        200: {"model": MarkResponse, "description": "The mark, which replaced an older one."},
        201: {"headers": {"Location": {"schema": {"type": "string"}, "description": "Its path."}}},
        **documented(400, 401, 403, 413, 415, 422, 503),
    },
)
def add_mark(
    form: Annotated[MarkForm, Form(media_type="multipart/form-data")],
    response: Response,
    marklens: MarkLensDep,
) -> MarkResponse:
    """Store the picture, encode it and commit the mark; it can be found on return."""
    added = marklens.add(form.record(), form.image.file.read())
    if not added.created:
        response.status_code = status.HTTP_200_OK
    response.headers["Location"] = image_path(added.mark.record.id).removesuffix("/image")
    return MarkResponse.of(added.mark)


@router.get(
    "/marks",
    summary="List marks by words, number, owner, codes, classes and dates",
    response_description="A page of them, how many there are, and the cursor of the next page.",
    response_model=ListResponse,
    responses={**NOT_MODIFIED, **documented(422, 503)},
)
def list_marks(
    fields: Annotated[ListFields, Query()],
    request: Request,
    response: Response,
    marklens: MarkLensDep,
) -> ListResponse | Response:
    """Find marks without a picture; also those that have none.

    With `text`, marks whose words are spelt or sound alike come first the likest, each with how
    it matches; without, all marks that pass the filter, in the order asked for.
    """
    asked = fields.request()
    sequence = marklens.register.sequence()

    def listed() -> ListResponse:
        return ListResponse.of(marklens.search(asked))

    return revised(request, response, marklens, sequence, listed)


@router.get(
    "/marks/{mark_id}",
    summary="Look at a mark",
    response_description="The mark.",
    response_model=MarkResponse,
    responses={**NOT_MODIFIED, **documented(404, 422, 503)},
)
def get_mark(
    mark_id: MarkId, request: Request, response: Response, marklens: MarkLensDep
) -> MarkResponse | Response:
    """Say what the register holds of a mark."""
    mark = marklens.mark(mark_id)
    return revised(request, response, marklens, mark.sequence, lambda: MarkResponse.of(mark))


@router.delete(
    "/marks/{mark_id}",
    summary="Withdraw a mark",
    response_description="It is gone from the results.",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Indexer],
    responses=documented(401, 403, 404, 422, 503),
)
def delete_mark(mark_id: MarkId, marklens: MarkLensDep) -> None:
    """Take a mark out of the register; other servers stop finding it within `poll_s` seconds."""
    marklens.delete(mark_id)


@router.get(
    "/marks/{mark_id}/image",
    summary="Show a mark's picture",
    response_description="The original, or a thumbnail of it.",
    response_class=Response,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in sorted(_SHOWN_AS_IS)
            }
        },
        **NOT_MODIFIED,
        **documented(404, 422, 503),
    },
)
def get_mark_image(
    mark_id: MarkId,
    request: Request,
    marklens: MarkLensDep,
    size: Size = None,
    digest: Digest = None,
) -> Response:
    """Send the picture as it was handed in, or, where browsers do not show that, a WebP of it."""
    mark = marklens.mark(mark_id)
    if mark.image_digest is None:
        raise UnreadableImage(f"The mark {mark_id!r} has no picture.")
    if size is None and mark.media_type not in _SHOWN_AS_IS:
        size = LARGEST
    size = None if size is None else step_of(size)
    headers = {
        "ETag": f'"{mark.image_digest}-{size or "original"}"',
        "Cache-Control": _cache_control(digest, mark, marklens.settings.public_reading),
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if is_held(request, headers["ETag"]):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    if size is None:
        content, kind = marklens.images.get(mark.image_digest), mark.media_type
    else:
        content, kind = (
            marklens.images.thumbnail(mark.image_digest, size, marklens.queries.admission.decode),
            "image/webp",
        )
    return Response(content, headers=headers, media_type=kind)


def _cache_control(digest: str | None, mark: Mark, is_public: bool) -> str:
    """A mark's picture may be replaced; what a digest names never changes.

    A proxy keeps for all who ask it only what everybody may see.
    """
    whose = "public" if is_public else "private"
    return f"{whose}, max-age=31536000, immutable" if digest == mark.image_digest else "no-cache"
