"""`ETag` and `If-None-Match`: whether what a client holds is still what it would get."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request, Response, status

from models.version import marklens_version
from search_api.marklens import MarkLens

_Answer = TypeVar("_Answer")
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The copy that `If-None-Match` names is still right."}
}


def is_held(request: Request, etag: str) -> bool:
    """Whether a client says that it holds what an entity tag names."""
    held = request.headers.get("if-none-match", "").split(",")
    tags = [one.strip().removeprefix("W/") for one in held]
    return "*" in tags or etag.removeprefix("W/") in tags


def revised(
    request: Request,
    response: Response,
    marklens: MarkLens,
    sequence: int,
    make: Callable[[], _Answer],
) -> _Answer | Response:
    """Answer with what `make` gives, or with 304 where the client holds that.

    Args:
        request: says what the client holds.
        response: gets the headers.
        marklens: whose register is described.
        sequence: the change of the register after which nothing changed in the answer, read before
            the answer is made: a client may then hold something newer than its tag, never older.
        make: makes the answer.
    """
    state = (marklens_version(), marklens.register.identity(), sequence, request.url.query)
    digest = hashlib.sha256(repr(state).encode()).hexdigest()[:32]
    headers = {"ETag": f'W/"{digest}"', "Cache-Control": "no-cache"}
    if is_held(request, headers["ETag"]):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return make()
