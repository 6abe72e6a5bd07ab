"""`/healthz`, `/readyz` and `/metrics`: for those who keep the server running."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from search_api.http.dependencies import MarkLensDep, MetricsDep
from search_api.http.problem_details import documented
from search_api.schemas import HealthResponse, IndexingProgress, ReadyResponse

router = APIRouter(tags=["health"])


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
def get_ready(marklens: MarkLensDep) -> ReadyResponse:
    """Ask the register, and see that network and index are loaded."""
    if not marklens.ready:
        raise HTTPException(503, "The network and the index are still being loaded.")
    fault = marklens.follower.status.error
    if fault is not None:
        raise HTTPException(503, f"The index no longer follows the register: {fault}")
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
def get_metrics_text(marklens: MarkLensDep, metrics: MetricsDep) -> Response:
    """Count requests, time stages, and say how many marks there are and how far the index lags."""
    if marklens.ready:
        sequence = marklens.register.sequence()
        metrics.register(marklens.register.count(), sequence, marklens.follower.view().sequence)
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)
