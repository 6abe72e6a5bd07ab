"""Dependencies of the routes, as annotated types: register, metrics, rights."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from indexer.register.keys import Scope
from search_api.errors import BadField
from search_api.fields import Fields
from search_api.http.access import require
from search_api.http.json_bodies import FORM, JSON, FieldsRoute, media_type
from search_api.http.metrics import Metrics
from search_api.marklens import MarkLens

_bearer = HTTPBearer(
    auto_error=False,
    description="A key, as `marklens keys create` makes them; browsers may send it as the password "
    "of Basic instead. On a loopback address none is needed where there are no keys.",
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
            if name not in model.model_fields:
                continue  # refused with all that is wrong
            if times > 1 and name not in lists:
                raise BadField(name, f"{name} was sent {times} times; send it once.")

    return Depends(require_form)


class Needs:
    """A dependency of routes that need more than reading; `GuardedRoute` checks it first."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(
        self,
        request: Request,
        _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> None:
        """Refuse a client without the scope; see `require`."""
        require(self.scope, request.scope)


class GuardedRoute(FieldsRoute):
    """A route that looks at who asks before it reads the body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        handle = super().get_route_handler()
        asked = [one.dependency for one in self.dependencies]
        needed = [one.scope for one in asked if isinstance(one, Needs)]

        async def guarded(request: Request) -> Response:
            for scope in needed:
                require(scope, request.scope)
            return await handle(request)

        return guarded


Indexer = Depends(Needs(Scope.INDEX))
Admin = Depends(Needs(Scope.ADMIN))
