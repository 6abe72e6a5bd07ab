"""Errors as RFC 9457 problem details: one plain sentence, never a traceback."""

import json
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from indexer.errors import StorageFull
from models.errors import MarkLensError
from search_api.errors import (
    MEDIA_TYPE,
    PROBLEMS,
    RETRY_AFTER_S,
    BadField,
    Problem,
    TooLarge,
    UnreadablePicture,
    plain_fault,
    problem_for,
    public_detail,
    where_logged,
)
from search_api.log_records import REQUEST_ID, request_id
from search_api.schemas import FieldProblem, ProblemResponse

logger = logging.getLogger(__name__)
_RETRY_AFTER = {
    "schema": {"type": "integer"},
    "description": "Seconds after which to ask again.",
}
_MOST_FAULTS = 20  # that one answer names
_LONGEST_NAME = 80  # of a field that there is not


def problem_response(
    problem: Problem, detail: str, path: str, errors: Sequence[FieldProblem] = ()
) -> Response:
    """Make the answer for a problem.

    Args:
        problem: its kind.
        detail: what is wrong here.
        path: of the request, decoded.
        errors: the fields at fault.
    """
    body = ProblemResponse(
        type=problem.type,
        title=problem.title,
        status=problem.status,
        detail=detail,
        instance=quote(path, errors="replace"),
        errors=list(errors),
    )
    headers = {REQUEST_ID: request_id.get()}
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    # A detail may name what was sent, and JSON can send half a character, which UTF-8 cannot.
    text = json.dumps(body.model_dump(), ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), problem.status, headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Say in the OpenAPI document which problems an endpoint may answer with."""
    schema = {"$ref": "#/components/schemas/ProblemResponse"}
    answers: dict[int | str, dict[str, Any]] = {}
    everywhere = {401, 403, 429}  # of keys, hosts and rates
    uploads = {507} if 413 in statuses else set()  # larger ones are kept on the disk meanwhile
    for status in sorted({*statuses, *everywhere, *uploads}):
        kinds = [kind for kind in PROBLEMS.values() if kind.status == status]
        kinds = kinds or [_plain(status)]
        examples = {
            kind.slug: {
                "value": {
                    "type": kind.type,
                    "title": kind.title,
                    "status": status,
                    "detail": kind.title + ".",
                    "instance": "/api/v1/…",
                    "errors": [],
                }
            }
            for kind in kinds
        }
        answers[status] = {
            "description": "; ".join(kind.title for kind in kinds) + ".",
            "content": {MEDIA_TYPE: {"schema": schema, "examples": examples}},
        }
        if status in (429, 503):
            answers[status]["headers"] = {"Retry-After": _RETRY_AFTER}
    return answers


def log_failure(request: Request, error: MarkLensError) -> None:
    """Log the reason of an error that is the server's, and that its answer does not tell."""
    if problem_for(error).status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        where = (request_id.get(), request.method, request.url.path)
        logger.error("request %s, %s %s: %s", *where, error)


NotFoundPage = Callable[[Request], Response]


def install(app: FastAPI, not_found_page: NotFoundPage) -> None:
    """Answer every error of an application with problem details.

    Args:
        app: the application.
        not_found_page: what a browser gets for an address outside ``/api`` that leads nowhere.
    """

    async def http_error(request: Request, error: Exception) -> Response:
        wants_page = "text/html" in request.headers.get("accept", "")
        outside = not request.url.path.startswith("/api")
        lost = isinstance(error, HTTPException) and error.status_code == HTTPStatus.NOT_FOUND
        if lost and outside and wants_page:
            return not_found_page(request)
        return await _http_error(request, error)

    app.add_exception_handler(MarkLensError, _marklens_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, _unexpected_error)


def _plain(status: int) -> Problem:
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return PROBLEMS[TooLarge]
    phrase = HTTPStatus(status).phrase
    return Problem(status, phrase.lower().replace(" ", "-"), phrase, 1)


async def _marklens_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, MarkLensError):
        raise error
    log_failure(request, error)
    problem = problem_for(error)
    errors = []
    if isinstance(error, BadField | UnreadablePicture):
        errors = [FieldProblem(field=error.field, detail=str(error))]
    return problem_response(problem, public_detail(error), request.url.path, errors)


async def _invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    # A field that may be left out also fails to be None, which nobody can send.
    faults = [fault for fault in error.errors() if fault["type"] != "none_required"]
    errors = [_field_problem(fault) for fault in faults[:_MOST_FAULTS]]
    told = [f"{one.field}: {one.detail}" if one.field else one.detail for one in errors]
    if more := len(faults) - len(errors):
        told.append(f"and {more} more")
    detail = "; ".join(told)
    return problem_response(PROBLEMS[BadField], detail, request.url.path, errors)


def _field_problem(fault: dict[str, Any]) -> FieldProblem:
    place = fault["loc"]
    name = str(place[1])[:_LONGEST_NAME] if len(place) > 1 else ""
    return FieldProblem(field=name, detail=plain_fault(fault))


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if StorageFull.is_told_by(error.__cause__):  # an upload that did not fit into a temporary file
        return await _marklens_error(
            request, StorageFull(f"an upload cannot be kept: {error.__cause__}")
        )
    response = problem_response(_plain(error.status_code), error.detail, request.url.path)
    response.headers.update(error.headers or {})
    return response


async def _unexpected_error(request: Request, error: Exception) -> Response:
    where = (request_id.get(), request.method, request.url.path)
    logger.error("request %s, %s %s failed", *where, exc_info=error)
    detail = f"MarkLens failed at this request. {where_logged()}"
    return problem_response(_plain(500), detail, request.url.path)
