"""The register in SQL: marks, codes, embeddings and runs, and the pictures on disk.

This is the only room that knows SQLAlchemy. Ingest, index and search import it; it imports
`indexer.marks`, `indexer.query` and `models`.
"""

from indexer.register.register import Register, Run, RunCounts, RunPosition

__all__ = ["Register", "Run", "RunCounts", "RunPosition"]
