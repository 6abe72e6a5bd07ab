"""`POST /search/report`: a search as a report for the file."""

import json
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from pydantic import Field
from starlette.exceptions import HTTPException

from indexer.query import MAX_K
from search_api.errors import BadField
from search_api.field_types import Absent, Day, Shortlist
from search_api.fields import REPEATED
from search_api.http.dependencies import MarkLensDep, form_of
from search_api.http.forms import AskedForm, shown_name
from search_api.http.json_bodies import FieldsRoute
from search_api.http.problem_details import documented
from search_api.languages import ENGLISH, LANGUAGES
from search_api.report.contents import ReportRequest, make_report
from search_api.report.writing import FORMATS, MEDIA_TYPES, ReportFormat, report_bytes
from search_api.schemas import API

router = APIRouter(prefix=API, tags=["search"], route_class=FieldsRoute)


class ReportForm(AskedForm):
    """A search, or the marks that pass a filter, and what the report is to say."""

    format: Annotated[
        Literal["pdf", "xlsx", "csv"] | Absent,
        Field(
            description="Of the report; where left out, the first that `Accept` names, or PDF.",
            examples=["pdf"],
        ),
    ] = None
    shortlist: Shortlist = Field(
        default=[],
        description=f"Ids of the marks to report, of whatever place, {MAX_K} at most; where left "
        f"out, the first `k`. {REPEATED}",
        examples=[["EM-018000001"]],
    )
    notes: Annotated[
        str | Absent,
        Field(
            description="What the report says of marks: a JSON object, id to text of at most "
            "2000 characters.",
            examples=['{"EM-018000001": "Same device; class 30 only."}'],
        ),
    ] = None
    picture_name: Annotated[
        str | Absent,
        Field(
            description="What the query picture is called; where left out or unprintable, the "
            "file's own name.",
            examples=["lion.png"],
        ),
    ] = None
    language: Literal[tuple(LANGUAGES)] = Field(  # type: ignore[valid-type]  # of a table
        default=ENGLISH.code,
        description="Of the report. Names of columns in CSV are English in any.",
        examples=["fr"],
    )
    date: Annotated[
        Day | Absent,
        Field(
            description="The report's date; today's (UTC) where left out. The same register "
            "state, query and date give the same bytes.",
            examples=["2026-11-29"],
        ),
    ] = None

    def reported(self) -> ReportRequest:
        """The report that the form asks for.

        Raises:
            BadField: the notes are no JSON object of texts.
            BadQuery: a note is too long or cannot be written.
        """
        day: date | None = self.date
        own = None if self.image is None else shown_name(self.image.filename)
        name = shown_name(self.picture_name) or own or ""
        search = replace(self.asked(), keep=False)
        return ReportRequest(
            search, self.shortlist, self._notes(), day, name, language=self.language
        )

    def _notes(self) -> dict[str, str]:
        try:
            notes = {} if self.notes is None else json.loads(self.notes)
        except (ValueError, RecursionError) as error:
            raise BadField("notes", "The notes are not JSON.") from error
        if not isinstance(notes, dict) or not all(isinstance(one, str) for one in notes.values()):
            raise BadField("notes", "The notes must be a JSON object, id to text.")
        return notes


@router.post(
    "/search/report",
    summary="Write a report of a search: PDF, XLSX or CSV",
    response_class=Response,
    response_description="The report, as a file.",
    dependencies=[form_of(ReportForm)],
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in MEDIA_TYPES.values()
            }
        },
        **documented(400, 404, 406, 410, 413, 415, 422, 501, 503),
    },
)
def report(
    form: Annotated[ReportForm, Form(media_type="multipart/form-data")],
    request: Request,
    marklens: MarkLensDep,
) -> Response:
    """Search, and lay out the query, the marks with their pictures, and the notes on them.

    Without a picture or mark, the marks that pass the filter are reported, as `GET /marks` lists
    them; where it has words, those spelt or sounding alike. A report says the register's state,
    network and index, so that it can be made again.
    """
    format = form.format or _accepted(request.headers.get("accept", ""))
    admission = marklens.queries.admission
    with admission.lanes["report"].turn(admission.patience()):
        report = make_report(marklens, form.reported())
        content = report_bytes(report, format)
    name = f"marklens-{report.day.isoformat()}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, headers=headers, media_type=MEDIA_TYPES[format])


def _accepted(header: str) -> ReportFormat:
    """The first format that an `Accept` header names; PDF where it takes anything.

    Raises:
        HTTPException: it takes no format of a report.
    """
    wanted = [part.partition(";")[0].strip().lower() for part in header.split(",")]
    for kind in wanted:
        for format in FORMATS:
            if kind == MEDIA_TYPES[format]:
                return format
    if {"", "*/*", "application/*"} & set(wanted):
        return "pdf"
    raise HTTPException(406, f"A report is {', '.join(MEDIA_TYPES.values())}.")
