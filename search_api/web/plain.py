"""The search without JavaScript: one form, and a page of the marks that it finds."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, QueryParams, UploadFile

from indexer.query import Hit
from indexer.words.likeness import WordMatch
from models.errors import MarkLensError
from search_api.errors import public_detail
from search_api.fields import SearchFields, plain_fault
from search_api.http.dependencies import MarkLensDep
from search_api.http.problem_details import log_failure
from search_api.request import KeptPicture, Picture, SearchRequest
from search_api.schemas import image_path
from search_api.web.pages import render
from search_api.web.views import ControlView

router = APIRouter()

_LISTS = {name for name, field in SearchFields.model_fields.items() if field.get_default() == []}


@dataclass(frozen=True, slots=True)
class HitView:
    """A hit as the page shows it.

    Attributes:
        id: of the mark.
        title: its words, or else its id.
        image: path of a thumbnail; None where it has no picture.
        score: None where marks are only listed.
        match: how its words match those looked for; None where none were.
        facts: number, owner and office.
        status: its legal status.
        filed: its day of filing.
    """

    id: str
    title: str
    image: str | None
    score: float | None
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
    context: dict[str, Any] = {"hits": [], "problem": None, "matched": 0}
    try:
        asked = await _request(given)
        if not asked.is_ranked and asked.filter.is_empty:
            context["problem"] = ""  # the page says what lacks
        else:
            answer = await run_in_threadpool(marklens.search, asked)
            context["hits"] = [HitView.of(hit) for hit in answer.hits]
            context["matched"] = answer.plan.matched
    except ValidationError as error:
        fault = error.errors()[0]
        context["problem"] = f"{fault['loc'][0]}: {plain_fault(fault)}"
    except MarkLensError as error:
        log_failure(request, error)
        context["problem"] = public_detail(error)
    context["controls"] = ControlView.of(marklens.follower.facets())
    return render(
        request, "results.html", context, status=200 if context["problem"] is None else 422
    )


async def _request(given: FormData | QueryParams) -> SearchRequest:
    """The search that fields ask for.

    Raises:
        ValidationError, MarkLensError: they cannot be understood.
    """
    image = given.get("image")
    content = await image.read() if isinstance(image, UploadFile) else b""
    fields = {
        name: given.getlist(name) if name in _LISTS else given.get(name)
        for name in given
        if name not in ("image", "query", "lang")
    }
    pictures: list[Picture] = [KeptPicture(str(one)) for one in given.getlist("query")]
    return SearchFields.model_validate(fields).request(*([content] if content else []), *pictures)
