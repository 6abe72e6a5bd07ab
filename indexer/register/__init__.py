"""The register in SQL: marks, codes, embeddings and runs, and the pictures on disk.

`register` is the door, `rows` writes and reads marks, `listing` and `word_search` find them,
`migrations` brings old registers along. This is the only room that knows SQLAlchemy. Ingest, index
and search import it; it imports `indexer.marks`, `indexer.query` and `models`.
"""

from indexer.register.register import Register

__all__ = ["Register"]
