"""Vectors are compared here, on a CPU with FAISS or on a CUDA device with torch.

An index is immutable and answers with row numbers and scores, exactly or from inverted lists; its
arrays go into snapshots on disk. It knows neither marks nor filters, only rows: `indexer.index`
and `indexer.search` import it, and `search_api.marklens` its `IndexChoice`.
"""

from indexer.index.vectors.devices import (
    CpuBuilder,
    Device,
    IndexChoice,
    IndexKind,
    TorchBuilder,
    open_builder,
)
from indexer.index.vectors.index import (
    IndexBuilder,
    Kept,
    Nearest,
    NoVectors,
    VectorIndex,
    kept_vectors,
)

__all__ = [
    "CpuBuilder",
    "Device",
    "IndexBuilder",
    "IndexChoice",
    "IndexKind",
    "Kept",
    "Nearest",
    "NoVectors",
    "TorchBuilder",
    "VectorIndex",
    "kept_vectors",
    "open_builder",
]
