"""Whether stored embeddings are what searches can compare."""

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexer.damage import Fault
from indexer.register import counters, rows, schema

_BOX_BYTES, _NUMBER = 16, np.dtype("<f2")


def fault_of(
    mark_id: str, stored: bytes | None, boxes: bytes | None, dimension: int
) -> Fault | None:
    """What is wrong with the embedding of a mark that has a picture.

    Args:
        mark_id: of the mark.
        stored: its vectors; None without.
        boxes: of the sign and its parts; None where they were never found.
        dimension: of a vector.
    """
    if stored is None:
        return Fault("embedding-missing", mark_id, "has a picture and no embedding")
    vectors = stored_vectors(stored, boxes)
    if vectors is None or vectors.shape[1] != dimension:
        says = f"{len(stored):,} bytes are not some signs of {dimension:,} numbers"
        return Fault("embedding-damaged", mark_id, says)
    if not np.isfinite(vectors).all():
        return Fault("embedding-damaged", mark_id, "holds infinity, or what is no number")
    return None


def stored_vectors(stored: bytes, boxes: bytes | None) -> NDArray[np.float16] | None:
    """Vectors (v, d), one for each box; one alone without boxes; None where they do not fit."""
    count, rest = (1, 0) if boxes is None else divmod(len(boxes), _BOX_BYTES)
    if rest or not count or len(stored) % (count * _NUMBER.itemsize):
        return None
    return np.frombuffer(stored, _NUMBER).astype(np.float16, copy=False).reshape(count, -1)


def damaged(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of some marks with pictures whose embedding is missing or damaged."""
    dimension = int(counters.fact(connection, "dimension") or 0)
    marks, embeddings = schema.marks.c, schema.mark_embeddings
    wanted = (
        sa.select(marks.id, embeddings.c.embedding, marks.boxes)
        .outerjoin(embeddings, embeddings.c.mark_id == marks.id)
        .where(rows.LIVE, marks.image_digest.is_not(None))
    )
    return {
        held[0]
        for part in rows.in_parts(ids)
        for held in connection.execute(wanted.where(marks.id.in_(part)))
        if fault_of(*held, dimension) is not None
    }
