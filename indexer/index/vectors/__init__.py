"""Vectors are compared here, on a CPU with FAISS or on a CUDA device with torch.

An index is immutable and answers with row numbers and scores: exactly, or from inverted lists; its
arrays go into snapshots on disk. It knows neither marks nor filters, only rows, and nothing outside
`indexer.index` and `search_api`'s choice of a device may import it.
"""

from indexer.index.vectors.devices import (
    CpuBuilder,
    Device,
    IndexChoice,
    IndexKind,
    TorchBuilder,
    open_builder,
)
from indexer.index.vectors.index import IndexBuilder, Kept, Nearest, NoVectors, VectorIndex, rows_of

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
    "open_builder",
    "rows_of",
]
