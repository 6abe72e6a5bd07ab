"""Bulk indexing: rows of a source are decoded, encoded in batches and written to the register.

A run can be stopped at any moment and goes on where it was. `MarkLens.ingest` and the command line
import this room; it imports `indexer.sources` and `indexer.register`.
"""

from indexer.ingest.encoding import encode_marks, mark_digest
from indexer.ingest.ingest_report import IngestOptions, IngestReport, Progress
from indexer.ingest.loop import ingest, is_indexed

__all__ = [
    "IngestOptions",
    "IngestReport",
    "Progress",
    "encode_marks",
    "ingest",
    "is_indexed",
    "mark_digest",
]
