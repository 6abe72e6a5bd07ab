"""What an index on another machine asks of the register: vectors, counts, a turn to write.

An index in memory holds all of this itself (`indexer.index.segments`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import sqlalchemy as sa
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexer.query import Filter
from indexer.register import Register, counters, database, listing, rows, schema
from indexer.register.among import among
from indexer.register.listing import FacetCounts
from indexer.register.stored_embeddings import stored_vectors

_WRITING_LOCK = 0x4D696C76  # PostgreSQL advisory lock: any number that stays the same

Stored = tuple[int, NDArray[np.float16]]  # sequence of a mark, and its vectors (v, d)


class RemoteIndexing:
    """See the module; safe to share by threads, and good as long as its register is open."""

    def __init__(self, register: Register) -> None:
        self._reading = register._reading
        self._engine = register._engine

    def vectors_numbered(self, numbers: Sequence[int]) -> dict[int, Stored]:
        """Vectors of the live marks among those with some numbers, by number."""
        with self._reading() as connection:
            return _read(connection, schema.marks.c.number, numbers)

    def vectors_written(self, sequences: Sequence[int]) -> dict[int, Stored]:
        """Vectors of the live marks that were written under some sequences, by sequence."""
        with self._reading() as connection:
            return _read(connection, schema.marks.c.sequence, sequences)

    def count_passing(
        self, wanted: Filter, among: NDArray[np.int64] | None, with_pictures: bool
    ) -> FacetCounts:
        """Count the live marks that pass a filter, by each value of each facet.

        Args:
            wanted: the filter.
            among: numbers of the only marks to count, some thousand at most; None for all.
            with_pictures: whether only marks with vectors count.
        """
        numbers = None if among is None else among.tolist()
        with self._reading() as connection:
            return listing.count_passing(connection, wanted, numbers, with_pictures)

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether this process may write to the index until the block ends; only one may.

        A process that ends, however it ends, gives its turn away: PostgreSQL ends its transaction,
        the system releases its file.
        """
        if self._engine.dialect.name == "postgresql":
            with database.plain_errors(self._engine.url), self._engine.begin() as connection:
                asked = sa.select(sa.func.pg_try_advisory_xact_lock(_WRITING_LOCK))
                yield bool(connection.scalar(asked))
            return
        lock = FileLock(f"{self._engine.url.database}.index.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


def _read(
    connection: Connection, column: sa.Column[int], values: Sequence[int]
) -> dict[int, Stored]:
    """Sequence and vectors of the live marks with some values in a column, by that value."""
    table, embeddings = schema.marks, schema.mark_embeddings
    dimension = counters.dimension(connection)
    wanted = (
        sa.select(column, table.c.sequence, embeddings.c.embedding, table.c.boxes)
        .join(embeddings, embeddings.c.mark_id == table.c.id)
        .where(rows.LIVE, among(column, values))
        .execution_options(**database.BINARY)
    )
    found = {
        row[0]: (row[1], stored_vectors(row[2], row[3], dimension))
        for row in connection.execute(wanted)
    }
    return {at: (sequence, one) for at, (sequence, one) in found.items() if one is not None}
