"""`/healthz`, `/readyz` and `/metrics`: for those who keep the server running."""

from typing import Literal

from anyio import fail_after, to_thread
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from search_api.http.dependencies import MarkLensDep, MetricsDep
from search_api.http.problem_details import documented
from search_api.marklens import MarkLens

router = APIRouter(tags=["health"])
_READY_S = 1.5


class IndexingProgress(BaseModel):
    """How far this server has come with the source that it is indexing."""

    done: int = Field(description="Steps done, such as lines of a table.")
    total: int = Field(description="Steps in all; 0 until it is known.")


class ReadyResponse(BaseModel):
    """That searches are answered, and from how fresh an index."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "ready", "marks": 1742, "sequence": 1742, "lag": 0, "indexing": None}
            ]
        }
    )

    status: Literal["ready"]
    marks: int = Field(description="Live marks in the register.")
    sequence: int = Field(description="The register's last change.")
    lag: int = Field(description="Changes that the index has not seen yet.")
    indexing: IndexingProgress | None = Field(
        description="What `marklens demo` still indexes while it serves; null when nothing."
    )


class HealthResponse(BaseModel):
    """That the process answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: Literal["alive"]


@router.get("/healthz", summary="Whether the process answers", response_description="It does.")
async def get_health() -> HealthResponse:
    """Answer without looking at anything; off the thread pool, so that load cannot hide it."""
    return HealthResponse(status="alive")


@router.get(
    "/readyz",
    summary="Whether searches are answered",
    response_description="They are.",
    responses=documented(503),
)
async def get_ready(request: Request, marklens: MarkLensDep) -> ReadyResponse:
    """Ask the register, and see that network and index are loaded; answer within two seconds."""
    if not marklens.ready:
        raise HTTPException(503, "The network and the index are still being loaded.")
    if marklens.follower.status.error is not None:
        # The follower logs the reason, which may name files, hosts and accounts.
        raise HTTPException(503, "The index no longer follows the register; the log says why.")
    try:
        with fail_after(_READY_S):
            # In threads of its own: searches that wait for the register may hold all others.
            return await to_thread.run_sync(
                _ask, marklens, abandon_on_cancel=True, limiter=request.app.state.asking
            )
    except TimeoutError:
        raise HTTPException(503, "The register does not answer.") from None


def _ask(marklens: MarkLens) -> ReadyResponse:
    """What the register says."""
    sequence = marklens.register.sequence()
    lag = max(0, sequence - marklens.follower.view().sequence)
    far = marklens.indexing.progress
    indexing = None
    if far is not None:
        indexing = IndexingProgress(done=far.position, total=far.last_position)
    return ReadyResponse(
        status="ready",
        marks=marklens.register.count(),
        sequence=sequence,
        lag=lag,
        indexing=indexing,
    )


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    response_description="Prometheus' text format.",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": "marklens_marks 1742.0\nmarklens_sequence_lag 0.0\n",
                }
            }
        },
        **documented(503),
    },
)
async def get_metrics_text(metrics: MetricsDep) -> Response:
    """Count requests and searches, time their stages and SQL, and say who waits, and the lag.

    The register is not asked: these are the figures wanted most when it does not answer.
    """
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
