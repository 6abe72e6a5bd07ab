"""The search without JavaScript: one form, and a page of the marks that it finds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, QueryParams, UploadFile

from indexer.errors import UnknownMark
from indexer.query import MAX_K, Hit
from indexer.words.likeness import WordMatch
from models.errors import MarkLensError
from search_api.errors import (
    RETRY_AFTER_S,
    BadField,
    PictureGone,
    plain_fault,
    problem_for,
    public_detail,
)
from search_api.fields import SearchFields, ViewFields
from search_api.http.dependencies import MarkLensDep
from search_api.http.problem_details import log_failure
from search_api.marklens import MarkLens
from search_api.request import KeptPicture, Picture, SearchRequest
from search_api.schemas import image_path
from search_api.web.pages import render
from search_api.web.views import ControlView

router = APIRouter()

_NEVER_AGAIN = {"image", "lang", "order"}  # only scripts sort
_OF_PICTURE = {"query", "mark_id", "offset", "other_views", *ViewFields.model_fields}
_KNOWN = {"query", *SearchFields.model_fields}
_LOST: Mapping[type[MarkLensError], str] = {PictureGone: "query", UnknownMark: "mark_id"}
_LISTS = {name for name, field in SearchFields.model_fields.items() if field.get_default() == []}


@dataclass(frozen=True, slots=True)
class HitView:
    """A hit as the page shows it.

    Attributes:
        id: of the mark.
        title: its words, or else its id.
        image: path of a thumbnail; None where it has no picture.
        score: None where marks are only listed.
        band: the score in a word; None where that is not known.
        match: how its words match those looked for; None where none were.
        facts: number, owner and office.
        status: its legal status.
        filed: its day of filing.
    """

    id: str
    title: str
    image: str | None
    score: float | None
    band: str | None
    match: WordMatch | None
    facts: tuple[str, ...]
    status: str | None
    filed: date | None

    @classmethod
    def of(cls, hit: Hit) -> "HitView":
        """Prepare a hit."""
        mark, record = hit.mark, hit.mark.record
        image = None
        if mark.image_digest is not None:
            image = f"{image_path(record.id)}?size=320&digest={mark.image_digest}"
        return cls(
            id=record.id,
            title=mark.words or record.id,
            image=image,
            score=None if hit.score is None else max(0.0, hit.score),
            band=hit.band,
            match=hit.words,
            facts=tuple(one for one in (record.id, record.owner, record.office) if one),
            status=record.status,
            filed=record.filed,
        )


@router.get("/results", response_class=HTMLResponse)
async def results_of_link(request: Request, marklens: MarkLensDep) -> HTMLResponse:
    """What an address of the search page asks for."""
    return await _results(request, marklens, request.query_params)


@router.post("/results", response_class=HTMLResponse)
async def results_of_form(request: Request, marklens: MarkLensDep) -> HTMLResponse:
    """What the form asks for."""
    async with request.form() as form:
        return await _results(request, marklens, form)


async def _results(
    request: Request, marklens: MarkLensDep, given: FormData | QueryParams
) -> HTMLResponse:
    sent = await _picture(given)
    fields = _fields(given, is_sent=bool(sent))
    at_fault = ""
    context: dict[str, Any] = {"hits": [], "problem": None, "matched": 0, "first": 1}
    context["controls"], status = [], 422
    try:
        context["controls"] = await run_in_threadpool(_controls, marklens)
        asked = _request(fields, sent)
        if not asked.is_ranked and asked.filter.is_empty:
            context["problem"] = ""  # the page says what lacks
        else:
            answer = await run_in_threadpool(marklens.search, asked)
            if sent and answer.pictures[0].handle:
                fields["query"] = [answer.pictures[0].handle]
            context |= {
                "hits": [HitView.of(hit) for hit in answer.hits],
                "matched": answer.plan.matched,
                "first": asked.offset + 1,
            }
            if not sent or "query" in fields:  # no address holds a picture that is not kept
                context["pages"] = _pages(fields, asked, answer.plan.matched)
    except ValidationError as error:
        fault = error.errors()[0]
        context["problem"] = f"{fault['loc'][0]}: {plain_fault(fault)}"
        at_fault = str(fault["loc"][0])
    except MarkLensError as error:
        log_failure(request, error)
        context["problem"], status = public_detail(error), problem_for(error).status
        at_fault = error.field if isinstance(error, BadField) else _LOST.get(type(error), "")
    controls = context["controls"]
    shown = {"vienna_any", "k", *(name for one in controls for name in (one.name, one.last_name))}
    # What is at fault and no input shows is left out, or the next search would fail as well.
    left_out = (fields.keys() - _KNOWN) | ({at_fault} - shown)
    context["given"] = kept = {name: fields[name] for name in fields if name not in left_out}
    context["query"] = urlencode(kept, doseq=True)  # also of a form, whose address has none
    return _page(request, context, status)


def _page(request: Request, context: dict[str, Any], status: int) -> HTMLResponse:
    """The page, with the status of its problem where it has one."""
    page = render(request, "results.html", context, 200 if context["problem"] is None else status)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        page.headers["Retry-After"] = str(RETRY_AFTER_S)
    return page


def _controls(marklens: MarkLens) -> list[ControlView]:
    """What the form filters by; where no index is followed, the database counts it."""
    return ControlView.of(marklens.follower.facets())


async def _picture(given: FormData | QueryParams) -> bytes:
    """The picture that was sent; nothing where none was."""
    image = given.get("image")
    return await image.read() if isinstance(image, UploadFile) else b""


def _fields(given: FormData | QueryParams, is_sent: bool) -> dict[str, list[str]]:
    """What was asked, to be asked again; a picture that was sent replaces the one before."""
    left_out = _NEVER_AGAIN | (_OF_PICTURE if is_sent else set())
    texts = {name: [str(one) for one in given.getlist(name)] for name in given}
    return {
        name: kept
        for name, values in texts.items()
        if name not in left_out and (kept := [one for one in values if one.strip()])
    }


def _request(fields: Mapping[str, list[str]], sent: bytes) -> SearchRequest:
    """The search that fields and a picture ask for.

    Raises:
        ValidationError, MarkLensError: they cannot be understood.
    """
    pictures: list[Picture] = [KeptPicture(one) for one in fields.get("query", ())]
    values = {
        name: values if name in _LISTS else values[0]
        for name, values in fields.items()
        if name != "query"
    }
    asked = SearchFields.model_validate(values)
    return asked.request(*([sent] if sent else []), *pictures, keep=True)


def _pages(fields: Mapping[str, list[str]], asked: SearchRequest, matched: int) -> dict[str, str]:
    """Queries of the addresses of the pages before and after this one, where there are some."""
    last = MAX_K - asked.k if asked.is_ranked else matched
    offsets = {"before": max(0, asked.offset - asked.k), "after": asked.offset + asked.k}
    is_there = {"before": asked.offset > 0, "after": offsets["after"] < min(matched, last + 1)}
    return {
        name: urlencode({**fields, "offset": [str(offset)]}, doseq=True)
        for name, offset in offsets.items()
        if is_there[name]
    }
