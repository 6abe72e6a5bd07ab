"""The Python API of MarkLens, a search engine for figurative trademarks.

::

    from pathlib import Path
    from marklens import Filter, MarkLens, SearchRequest, ViennaCode

    with MarkLens.open() as marklens:
        animals = Filter(vienna_any=(ViennaCode.parse("03"),))
        answer = marklens.search(SearchRequest(Path("logo.png"), k=10, filter=animals))
        for hit in answer.hits:
            print(hit.score, hit.id)

Everything that it takes, returns and raises is exported here and loaded when it is first used, so
that importing costs nothing. It may import `search_api` and what is below; nothing imports it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.errors import BadFilter as BadFilter
    from indexer.errors import BadQuery as BadQuery
    from indexer.errors import BadRecord as BadRecord
    from indexer.errors import DatabaseUnavailable as DatabaseUnavailable
    from indexer.errors import FingerprintMismatch as FingerprintMismatch
    from indexer.errors import SourceError as SourceError
    from indexer.errors import UnknownMark as UnknownMark
    from indexer.ingest import IngestOptions as IngestOptions
    from indexer.ingest import IngestProgress as IngestProgress
    from indexer.ingest import IngestReport as IngestReport
    from indexer.marks import Mark as Mark
    from indexer.marks import MarkRecord as MarkRecord
    from indexer.query import Filter as Filter
    from indexer.query import Hit as Hit
    from indexer.query import PlanReport as PlanReport
    from models.errors import BadCheckpoint as BadCheckpoint
    from models.errors import BadViennaCode as BadViennaCode
    from models.errors import MarkLensError as MarkLensError
    from models.errors import MissingPackage as MissingPackage
    from models.errors import UnreadableImage as UnreadableImage
    from models.vienna import PredictedCode as PredictedCode
    from models.vienna import ViennaCode as ViennaCode
    from models.vienna import ViennaTree as ViennaTree
    from search_api.answers import Added as Added
    from search_api.answers import Answer as Answer
    from search_api.answers import RebuildReport as RebuildReport
    from search_api.answers import Status as Status
    from search_api.batch.running import BatchReport as BatchReport
    from search_api.batch.running import BatchRequest as BatchRequest
    from search_api.batch.running import run_batch as run_batch
    from search_api.errors import TooBusy as TooBusy
    from search_api.marklens import MarkLens as MarkLens
    from search_api.report.contents import Report as Report
    from search_api.report.contents import ReportRequest as ReportRequest
    from search_api.report.contents import make_report as make_report
    from search_api.report.writing import report_bytes as report_bytes
    from search_api.report.writing import write_report as write_report
    from search_api.request import SearchRequest as SearchRequest
    from search_api.settings import BadSettings as BadSettings
    from search_api.settings import Settings as Settings

_HOMES = {
    "indexer.errors": "BadFilter BadQuery BadRecord DatabaseUnavailable FingerprintMismatch "
    "SourceError UnknownMark",
    "indexer.ingest": "IngestOptions IngestReport IngestProgress",
    "indexer.marks": "Mark MarkRecord",
    "indexer.query": "Filter Hit PlanReport",
    "models.errors": "BadCheckpoint BadViennaCode MarkLensError MissingPackage UnreadableImage",
    "models.vienna": "PredictedCode ViennaCode ViennaTree",
    "search_api.answers": "Added Answer RebuildReport Status",
    "search_api.batch.running": "BatchReport BatchRequest run_batch",
    "search_api.errors": "TooBusy",
    "search_api.marklens": "MarkLens",
    "search_api.report.contents": "Report ReportRequest make_report",
    "search_api.report.writing": "report_bytes write_report",
    "search_api.request": "SearchRequest",
    "search_api.settings": "BadSettings Settings",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__version__: str


def __getattr__(name: str) -> Any:
    """Load an export from the module that defines it."""
    if name == "__version__":
        from models.version import marklens_version

        return marklens_version()
    if name not in _HOME_OF:
        raise AttributeError(f"module 'marklens' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    """The names of what is exported."""
    return sorted(_HOME_OF)
