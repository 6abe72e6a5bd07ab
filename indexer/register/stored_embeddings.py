"""Reads embeddings as the register's columns hold them, and tells those that are damaged."""

import struct

import numpy as np
from numpy.typing import NDArray

from indexer.marks import Box
from models.encoder import Embedding

STORED, STORED_BOXES = np.dtype("<f2"), np.dtype("<f4")  # numbers of vectors, of boxes
_BOX = struct.Struct("<4f")


def stored_vectors(
    stored: bytes, boxes: bytes | None, dimension: int = 0
) -> NDArray[np.float16] | None:
    """Vectors (v, d), one for each box; one alone where a register before parts has no boxes.

    Args:
        stored: their bytes.
        boxes: of the sign and its parts.
        dimension: d; 0 takes any.

    Returns:
        None where the bytes are not so many vectors: they are damaged.
    """
    count, rest = (1, 0) if boxes is None else divmod(len(boxes), _BOX.size)
    if rest or not count or not stored or len(stored) % (count * STORED.itemsize):
        return None
    shape = count, len(stored) // (count * STORED.itemsize)
    vectors = np.ndarray(shape, STORED, stored)  # half of the time that frombuffer takes
    return vectors.astype(np.float16, copy=False) if dimension in (0, shape[1]) else None


def stored_boxes(stored: bytes | None) -> tuple[Box, ...]:
    """Boxes of the sign and its parts; none where there are none, or damaged ones."""
    whole = stored is not None and len(stored) % _BOX.size == 0
    return tuple(_BOX.iter_unpack(stored)) if stored is not None and whole else ()


def stored_embedding(
    dimension: int, stored: bytes, boxes: bytes | None, places: bytes | None
) -> Embedding | None:
    """What `stored_vectors` gives, with its boxes and places."""
    vectors = stored_vectors(stored, boxes, dimension)
    if vectors is None:
        return None
    if boxes is None:
        return Embedding.without_boxes(vectors)
    held = np.frombuffer(boxes, STORED_BOXES).astype(np.float32, copy=False)
    return Embedding(vectors, held.reshape(-1, 4), places or b"")
