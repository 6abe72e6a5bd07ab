"""Bulk indexing: rows of a source are decoded, encoded in batches and written to the register.

A run can be stopped at any moment and goes on where it was. `MarkLens.ingest` and the command line
import this room; it imports `indexer.sources` and `indexer.register`.
"""

from indexer.ingest.encoding import encode_marks, mark_digest
from indexer.ingest.loop import ingest
from indexer.ingest.opening import open_workers
from indexer.ingest.report import IngestOptions, IngestProgress, IngestReport
from indexer.ingest.run import is_indexed

__all__ = [
    "IngestOptions",
    "IngestProgress",
    "IngestReport",
    "encode_marks",
    "ingest",
    "is_indexed",
    "mark_digest",
    "open_workers",
]
