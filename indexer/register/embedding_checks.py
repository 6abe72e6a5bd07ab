"""Whether stored embeddings are what searches can compare."""

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.damage import Fault
from indexer.register import counters, rows, schema
from indexer.register.among import among
from indexer.register.stored_embeddings import stored_vectors


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
    vectors = stored_vectors(stored, boxes, dimension)
    if vectors is None:
        says = f"{len(stored):,} bytes are not some signs of {dimension:,} numbers"
        return Fault("embedding-damaged", mark_id, says)
    if not np.isfinite(vectors).all():
        return Fault("embedding-damaged", mark_id, "holds infinity, or what is no number")
    return None


def damaged(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of some marks with pictures whose embedding is missing or damaged."""
    dimension = counters.dimension(connection)
    marks, embeddings = schema.marks.c, schema.mark_embeddings
    wanted = (
        sa.select(marks.id, embeddings.c.embedding, marks.boxes)
        .outerjoin(embeddings, embeddings.c.mark_id == marks.id)
        .where(rows.LIVE, marks.image_digest.is_not(None), among(marks.id, ids))
    )
    return {
        held[0] for held in connection.execute(wanted) if fault_of(*held, dimension) is not None
    }
