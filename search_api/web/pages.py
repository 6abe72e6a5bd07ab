"""The pages people see: search, one mark, the watches, the HTTP API.

Templates render what the register knows; the scripts in ``static/js`` call ``/api/v1`` for the
rest. Nothing is loaded from other hosts, and no script or style is inline (the server's content
security policy forbids both).
"""

import io
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from indexer.errors import UnknownMark
from indexer.query import OTHER_WEIGHTS
from indexer.register import Register
from models.images import full_size, page_count
from models.images.formats import ACCEPTED
from models.reading import READER
from models.version import marklens_version
from search_api.errors import Problem
from search_api.http.dependencies import MarkLensDep, form_of
from search_api.http.forms import PictureForm
from search_api.http.json_bodies import FieldsRoute
from search_api.languages import LANGUAGES, Language
from search_api.schemas import API, image_path
from search_api.web.languages import language_of, say_language, without_language
from search_api.web.nice_titles import NICE_TITLES
from search_api.web.views import ControlView, MarkView, SampleMark, SliderView, fields_of_scripts

_HERE = Path(__file__).parent
_SAMPLES = 10
_PREVIEW_SIDE = 1024  # pixels

router = APIRouter(route_class=FieldsRoute)


def environment(language: Language) -> Environment:
    """Templates that speak a language: ``_``, ``ngettext``, and some filters."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    made.filters |= {
        "number": language.number,
        "day": language.day,
        "translated": language.translations.gettext,  # of words that stand in tables of Python
    }
    others = [one for one in LANGUAGES.values() if one is not language]
    made.globals |= {"api": API, "language": language, "other_languages": others}
    made.globals |= {"fields": fields_of_scripts(language), "nice_titles": NICE_TITLES}
    return made


_TEMPLATES = {
    language.code: Jinja2Templates(env=environment(language)) for language in LANGUAGES.values()
}


class _Revalidated(StaticFiles):
    """Static files that browsers ask for again each time, so that an upgrade shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def mount_static(app: FastAPI) -> None:
    """Serve the style sheet, scripts and icons at ``/static``."""
    app.mount("/static", _Revalidated(directory=_HERE / "static"), name="static")


@router.get("/", response_class=HTMLResponse)
def search_page(request: Request, marklens: MarkLensDep) -> HTMLResponse:
    """The search page."""
    register = marklens.register
    context = {
        "sliders": SliderView.of(marklens.encoder.blocks),
        "other_weights": OTHER_WEIGHTS,
        "controls": ControlView.of(marklens.follower.facets()),
        "samples": _samples(register),
        "reads_words": READER.is_installed,
        "marks": register.count(),
        "indexing": marklens.indexing.progress,
        "max_upload_bytes": marklens.settings.max_upload_bytes,
        "accepted": ACCEPTED.split(" and "),
    }
    return render(request, "search.html", context)


@router.get("/marks/{mark_id}", response_class=HTMLResponse)
def mark_page(request: Request, mark_id: str, marklens: MarkLensDep) -> HTMLResponse:
    """All that the register holds of one mark."""
    try:
        mark = marklens.mark(mark_id)
    except UnknownMark:
        return render(request, "not_found.html", {"mark_id": mark_id}, status=404)
    return render(request, "mark.html", {"mark": MarkView.of(mark)})


@router.get("/watches", response_class=HTMLResponse)
def watches_page(request: Request) -> HTMLResponse:
    """The watches and what came near them."""
    return render(request, "watches.html", {})


@router.get("/batches", response_class=HTMLResponse)
def batches_page(request: Request, marklens: MarkLensDep) -> HTMLResponse:
    """Searches with many pictures, and how far each is."""
    limit = {"max_upload_bytes": marklens.settings.max_upload_bytes}
    return render(request, "batches.html", limit)


@router.get("/docs", response_class=HTMLResponse)
def docs_page(request: Request) -> HTMLResponse:
    """The HTTP API: every request with its fields, to be tried out."""
    return render(request, "docs.html", {})


@router.post(f"{API}/preview", dependencies=[form_of(PictureForm)])
def preview(
    form: Annotated[PictureForm, Form(media_type="multipart/form-data")], marklens: MarkLensDep
) -> Response:
    """Draw a query picture for a browser that does not show its format, as a WebP.

    The header ``Picture-Size`` has width and height of the original, turned, in which crops are
    measured, and ``Picture-Pages`` the number of pages of the file.
    """
    drawn = marklens.draw(form.picture(marklens), form.view())
    width, height = full_size(drawn)
    drawn.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    content = io.BytesIO()
    drawn.save(content, "WEBP", quality=90)
    headers = {
        "Picture-Size": f"{width}x{height}",
        "Picture-Pages": str(page_count(drawn)),
        "Cache-Control": "no-store",
    }
    return Response(content.getvalue(), headers=headers, media_type="image/webp")


def not_found_page(request: Request) -> HTMLResponse:
    """Say that a page does not exist, in the style of the others (status 404)."""
    return render(request, "not_found.html", {}, status=404)


def refused_page(request: Request, problem: Problem, detail: str) -> HTMLResponse:
    """Say why a browser is shown nothing: it has no key, a lesser one, or asked too often."""
    context = {"problem": problem, "detail": detail}
    return render(request, "refused.html", context, status=problem.status)


def render(
    request: Request, template: str, context: dict[str, Any], status: int = 200
) -> HTMLResponse:
    """Show a template with what it needs, in the language that the request asks for."""
    language = language_of(request)
    query = without_language(request.url.query)
    context = {"version": marklens_version(), "query": query, **context}
    templates = _TEMPLATES[language.code]
    response = templates.TemplateResponse(request, template, context, status_code=status)
    say_language(request, response, language)
    return response


def _samples(register: Register) -> list[SampleMark]:
    """A few marks from all over the register, the same ones until it changes."""
    last = register.sequence()
    oldest = register.changes(0, 1)
    begin = oldest[0].sequence - 1 if oldest else last
    ids: dict[str, None] = {}
    for place in range(_SAMPLES):
        for change in register.changes(begin + (last - begin) * place // _SAMPLES, 1):
            if not change.deleted and change.embedding is not None:
                ids[change.id] = None
    marks = register.marks(list(ids))
    return [
        SampleMark(mark_id, image_path(mark_id), mark.image_digest, mark.words or mark_id)
        for mark_id, mark in marks.items()
    ]
