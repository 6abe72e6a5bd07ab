"""`/audit`: who wrote what."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from search_api.http.dependencies import Admin, GuardedRoute, MarkLensDep
from search_api.http.problem_details import documented
from search_api.schemas import API

router = APIRouter(prefix=API, tags=["audit"], route_class=GuardedRoute)
_ENTRY: dict[str, Any] = {
    "id": 7,
    "at": "2026-11-29T10:00:00Z",
    "who": "key importer",
    "action": "write marks",
    "subject": "EM-018000099",
    "request": "0f8fad5bd9cb469fa16570867728950e",
}


class AuditEntryResponse(BaseModel):
    """One write."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]}, from_attributes=True)

    id: int = Field(description="Rising number.")
    at: datetime
    who: str = Field(description="A key, an address, or an account of the server.")
    action: str
    subject: str
    request: str | None = Field(description="Id of the HTTP request, as its answer had it.")


class AuditResponse(BaseModel):
    """Writes, the newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entries": [_ENTRY]}]})

    entries: list[AuditEntryResponse]


@router.get(
    "/audit",
    summary="Who wrote what",
    response_description="The newest first.",
    dependencies=[Admin],
    responses=documented(422, 503),
)
def get_audit(
    marklens: MarkLensDep,
    limit: Annotated[
        int, Query(ge=1, le=1000, description="At most so many.", examples=[100])
    ] = 100,
    who: Annotated[
        str | None,
        Query(max_length=128, description="Only those of one.", examples=["key importer"]),
    ] = None,
) -> AuditResponse:
    """List writes; each was noted in the transaction that wrote."""
    found = marklens.register.audit.newest(limit, who)
    return AuditResponse(entries=[AuditEntryResponse.model_validate(one) for one in found])
