"""Vectors compared exactly, on CPU or CUDA, and their snapshots on disk; the only FAISS."""

from indexer.vectors.devices import Device, open_builder
from indexer.vectors.index import IndexBuilder, Nearest, VectorIndex

__all__ = ["Device", "IndexBuilder", "Nearest", "VectorIndex", "open_builder"]
