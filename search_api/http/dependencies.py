"""Dependencies of the routes, as annotated types: register, metrics, the right to write."""

import secrets
from collections import Counter
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from search_api.errors import BadField, BadToken, NotAllowed
from search_api.fields import Fields
from search_api.http.json_bodies import FORM, JSON, media_type
from search_api.http.metrics import Metrics
from search_api.marklens import MarkLens

_bearer = HTTPBearer(
    auto_error=False,
    description="The server's MARKLENS_API_TOKEN; needed for writing where one is set.",
)


async def get_marklens(request: Request) -> MarkLens:
    """The register this server has open."""
    marklens: MarkLens = request.app.state.marklens
    return marklens


async def get_metrics(request: Request) -> Metrics:
    """This server's counters."""
    metrics: Metrics = request.app.state.metrics
    return metrics


MarkLensDep = Annotated[MarkLens, Depends(get_marklens)]
MetricsDep = Annotated[Metrics, Depends(get_metrics)]


def form_of(model: type[Fields]) -> Any:
    """A dependency that refuses a body that is no form of `model`, whatever its fields hold.

    That is a body of another type, rather than reading it as a form without fields, and a field
    that is sent twice though it takes one value, rather than using one of them silently.
    """
    lists = {name for name, field in model.model_fields.items() if field.get_default() == []}

    async def require_form(request: Request) -> None:
        kind = media_type(request)
        length = request.headers.get("content-length", "")
        has_body = length not in ("", "0") or "transfer-encoding" in request.headers
        if has_body and kind not in (FORM, JSON, "application/x-www-form-urlencoded"):
            raise HTTPException(
                415, f"Send the fields as {FORM} or {JSON}, not as {kind or 'untyped content'}."
            )
        sent = Counter(name for name, _ in (await request.form()).multi_items())
        for name, times in sent.items():
            if times > 1 and name not in lists:
                raise BadField(name, f"{name} was sent {times} times; send it once.")

    return Depends(require_form)


def require_writer(
    request: Request,
    marklens: MarkLensDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    """Let a request write that has the token or, where none is set, comes from this machine.

    Raises:
        BadToken: the token is missing or wrong.
        NotAllowed: no token is set, and the request comes from elsewhere.
    """
    token = marklens.settings.api_token
    if token is None:
        _require_local(request, marklens.settings.is_loopback)
        return
    given = credentials.credentials if credentials else ""
    if not secrets.compare_digest(given.encode(), token.get_secret_value().encode()):
        raise BadToken("Writing needs the header Authorization: Bearer with MARKLENS_API_TOKEN.")


def _require_local(request: Request, listens_locally: bool) -> None:
    """Check who asks; browsers let any page post a form to localhost, so `Origin` counts too.

    A host name with a dot is refused because a foreign page can point its own name at 127.0.0.1
    (DNS rebinding), but cannot own a name without one.
    """
    if not listens_locally:
        raise NotAllowed(
            "Writing from other machines needs a token: set MARKLENS_API_TOKEN on the server."
        )
    address = request.headers.get("host", "")
    origin = request.headers.get("origin")
    foreign_origin = origin is not None and origin.partition("//")[2] != address
    client = request.client.host if request.client else ""
    if foreign_origin or not _is_local(_host_name(address)) or not _is_local(client):
        raise NotAllowed(
            "Without a token only this machine may write: set MARKLENS_API_TOKEN on the server."
        )


def _host_name(address: str) -> str:
    """The name in a `Host` header; one that cannot be read is nobody's, so not this machine's."""
    try:
        return urlsplit(f"//{address}").hostname or ""
    except ValueError:
        return "unreadable."


def _is_local(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return "." not in name


Writer = Depends(require_writer)
