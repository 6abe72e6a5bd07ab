"""Vectors compared on CPU or CUDA, and their snapshots on disk; the only FAISS."""

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
