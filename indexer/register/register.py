"""The register in SQL: the truth that the index only caches.

Every write is one transaction: rows, codes, embeddings and rising sequence numbers together. The
numbers come from one counter row that the transaction updates first, so that writers take turns
and nobody ever sees a later number before an earlier one.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import URL, Connection, Engine

from indexer.errors import DatabaseUnavailable, FingerprintMismatch, UnknownMark
from indexer.marks import (
    Change,
    CodeSource,
    EncodedMark,
    Facets,
    Mark,
    Run,
    RunCounts,
    RunPosition,
    RunState,
    is_mark_id,
)
from indexer.query import Filter
from indexer.register import listing, rows, runs, schema
from indexer.register.database import create_engine, parse_url, plain_errors, prepare, shown
from models.vienna import PredictedCode, ViennaCode

__all__ = ["Register", "Run", "RunCounts", "RunPosition"]

_IDS_AT_ONCE = 500  # ids a statement: SQLite takes 32,766 parameters, planners like fewer
_LIVE = schema.marks.c.deleted.is_(False)


class Register:
    """An open register; safe to share by threads.

    Attributes:
        url: where it is, without the password.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._url = url
        self.url = shown(url)
        # Counting codes reads all of them; the answer holds until the next write.
        self._counts: dict[CodeSource, tuple[int, dict[ViennaCode, int]]] = {}

    @classmethod
    def open(cls, url: str, create: bool = True) -> "Register":
        """Open a register and bring its tables to the newest schema.

        Args:
            url: ``sqlite:///path`` or ``postgresql://user:password@host/database``.
            create: make the tables, and SQLite's file, where they are missing.

        Raises:
            DatabaseUnavailable: the URL is wrong, or the database cannot be reached or written,
                or there is no register and none may be made.
        """
        parsed = parse_url(url)
        engine = create_engine(parsed, create)
        register = cls(engine, parsed)
        try:
            with plain_errors(parsed):
                prepare(engine, create)
            register.identity()
        except DatabaseUnavailable:
            engine.dispose()
            raise
        return register

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def identity(self) -> str:
        """A name that no other register has, for snapshots to know theirs."""
        known = sa.select(schema.meta.c.value).where(schema.meta.c.key == "identity")
        with self._reading() as connection:
            held: str | None = connection.scalar(known)
        if held is not None:
            return held
        with self._writing() as connection:
            return _set_once(connection, "identity", uuid.uuid4().hex)

    def bound(self) -> tuple[str, int] | None:
        """Fingerprint and dimension of the embeddings; None before the first."""
        with self._reading() as connection:
            known = dict(
                tuple(row)
                for row in connection.execute(sa.select(schema.meta.c.key, schema.meta.c.value))
            )
        if "fingerprint" not in known:
            return None
        return known["fingerprint"], int(known["dimension"])

    def bind_fingerprint(self, fingerprint: str, dimension: int) -> None:
        """Say which network the embeddings come from; the first call decides.

        Raises:
            FingerprintMismatch: the register is bound to another one.
        """
        with self._writing() as connection:
            held = _set_once(connection, "fingerprint", fingerprint)
            _set_once(connection, "dimension", str(dimension))
        if held != fingerprint:
            raise FingerprintMismatch(
                f"The register's embeddings come from network {held}, not from {fingerprint}: "
                "run `marklens rebuild --encode`."
            )

    def rebind_fingerprint(self, fingerprint: str, dimension: int) -> None:
        """Bind to another network, whatever was bound before: for re-encoding only."""
        with self._writing() as connection:
            _take_numbers(connection, 0)  # like every writer, in turn
            connection.execute(
                sa.delete(schema.meta).where(schema.meta.c.key.in_(["fingerprint", "dimension"]))
            )
            _set_once(connection, "fingerprint", fingerprint)
            _set_once(connection, "dimension", str(dimension))

    def add(
        self,
        marks: Sequence[EncodedMark],
        run: RunPosition | None = None,
        withdrawn: Sequence[str] = (),
    ) -> int:
        """Write marks, new or in place of those with their ids, in one transaction.

        Args:
            marks: of one id the last counts.
            run: the position that is reached with them, saved in the same transaction.
            withdrawn: ids of other marks to delete in the same transaction.

        Returns:
            The last sequence number given, or the register's if nothing was written.

        Raises:
            FingerprintMismatch: an embedding has another dimension than the register's.
        """
        latest = list({mark.record.id: mark for mark in marks}.values())
        with self._writing() as connection:
            last = _take_numbers(connection, len(latest))
            _refuse_other_shapes(connection, latest)
            if latest:
                rows.write(connection, latest, first=last - len(latest) + 1)
            if withdrawn:
                last = max(last, self._bury(connection, withdrawn)[1])
            if run is not None:
                runs.save_position(connection, run)
        return last

    def delete(self, ids: Sequence[str]) -> int:
        """Withdraw marks: each becomes a tombstone with a new number.

        Returns:
            How many of them were live.
        """
        with self._writing() as connection:
            # The counter first: it is what makes writers take turns.
            _take_numbers(connection, 0)
            return self._bury(connection, ids)[0]

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Digest of each live mark among these ids."""
        marks = schema.marks
        with self._reading() as connection:
            found = _by_ids(connection, sa.select(marks.c.id, marks.c.digest).where(_LIVE), ids)
            return {row[0]: row[1] for row in found}

    def encodings(
        self, pixels_digests: Sequence[str]
    ) -> dict[str, tuple[NDArray[np.float16], tuple[PredictedCode, ...], frozenset[ViennaCode]]]:
        """What the network said of pictures that live marks have.

        Returns:
            Digest of its pixels → embedding (d,) float16, predicted codes, the confident ones.
        """
        with self._reading() as connection:
            carriers = rows.carriers(connection, pixels_digests)
            seen = rows.predictions(connection, [mark_id for mark_id, _ in carriers.values()])
        return {
            digest: (
                embedding,
                tuple(PredictedCode(one.code, one.probability) for one in seen[mark_id]),
                frozenset(one.code for one in seen[mark_id] if one.confident),
            )
            for digest, (mark_id, embedding) in carriers.items()
        }

    def mark(self, mark_id: str) -> Mark:
        """Return a live mark.

        Raises:
            UnknownMark: there is none of this id.
        """
        found = self.marks([mark_id])
        if mark_id not in found:
            raise UnknownMark(mark_id)
        return found[mark_id]

    def marks(self, ids: Sequence[str]) -> dict[str, Mark]:
        """The live marks among these ids, in the order asked for."""
        with self._reading() as connection:
            found = {
                mark.record.id: mark
                for part in _parts(_possible(ids))
                for mark in rows.read_marks(connection, part)
            }
        return {mark_id: found[mark_id] for mark_id in ids if mark_id in found}

    def sequence(self) -> int:
        """The last committed sequence number; 0 in an empty register."""
        with self._reading() as connection:
            return int(connection.scalar(sa.select(schema.counter.c.value)) or 0)

    def changes(self, after: int, limit: int, upto: int | None = None) -> list[Change]:
        """Rows in sequence order, tombstones included.

        Args:
            after: only numbers above this one.
            limit: at most so many rows.
            upto: only numbers up to this one.
        """
        with self._reading() as connection:
            return rows.read_changes(connection, after, limit, upto)

    def ids_with_text(self, text: str) -> NDArray[np.int64]:
        """Sequence numbers of live marks whose words contain a text, in any case.

        Returns:
            (n,) int64, ascending.
        """
        marks = schema.marks
        wanted = (
            sa.select(marks.c.sequence)
            .where(_LIVE, marks.c.text_folded.contains(rows.fold(text), autoescape=True))
            .order_by(marks.c.sequence)
        )
        with self._reading() as connection:
            return np.fromiter(connection.scalars(wanted), np.int64)

    def count(self) -> int:
        """How many live marks there are."""
        with self._reading() as connection:
            counted = sa.select(sa.func.count()).select_from(schema.marks).where(_LIVE)
            return int(connection.scalar(counted) or 0)

    def code_counts(self, source: CodeSource) -> dict[ViennaCode, int]:
        """Live marks that bear each code or anything below it.

        Args:
            source: assigned codes, confidently predicted ones, or either.
        """
        with self._reading() as connection:
            now = int(connection.scalar(sa.select(schema.counter.c.value)) or 0)
            counted_at, counts = self._counts.get(source, (-1, {}))
            if counted_at != now:
                counts = rows.count_codes(connection, source)
                self._counts[source] = (now, counts)
        return dict(counts)

    def facets(self) -> Facets:
        """The statuses, offices, classes and filing dates of live marks, with their counts."""
        with self._reading() as connection:
            return listing.facets(connection)

    def find(self, wanted: Filter, limit: int, offset: int = 0) -> tuple[list[Mark], int]:
        """Live marks that pass a filter, with or without picture, by id; and how many pass.

        At most `limit` are returned, after the first `offset`; an empty filter lets every one pass.
        """
        with self._reading() as connection:
            ids, total = listing.passing(connection, wanted, limit, offset)
            found = {mark.record.id: mark for mark in rows.read_marks(connection, ids)}
        return [found[mark_id] for mark_id in ids], total

    def every_mark(self, at_once: int = 500) -> Iterator[Mark]:
        """All live marks by id, a few at a time: constant memory, whatever their number.

        A mark that is written meanwhile comes as it was or as it is; none comes twice.
        """
        last = ""
        while True:
            with self._reading() as connection:
                ids = listing.ids_after(connection, last, at_once)
                found = {mark.record.id: mark for mark in rows.read_marks(connection, ids)}
            yield from (found[mark_id] for mark_id in ids)
            if len(ids) < at_once:
                return
            last = ids[-1]

    def start_run(self, source: str, size: int, mtime_ns: int) -> Run:
        """Note that a run over a source begins."""
        with self._writing() as connection:
            return runs.start(connection, source, size, mtime_ns)

    def finish_run(
        self,
        run_id: int,
        state: RunState,
        position: int,
        counts: RunCounts,
        rejects_file: str | None = None,
    ) -> None:
        """Note how a run ended."""
        with self._writing() as connection:
            runs.save_position(connection, RunPosition(run_id, position, counts))
            runs.finish(connection, run_id, state, rejects_file)

    def last_runs(self, limit: int = 5, source: str | None = None) -> list[Run]:
        """The newest runs, newest first; of one source only, if named."""
        with self._reading() as connection:
            return runs.newest(connection, limit, source)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with plain_errors(self._url), self._engine.connect() as connection:
            # One snapshot for all statements of a call, so that rows and codes belong together.
            options = {"isolation_level": "REPEATABLE READ"} if self._is_postgresql else {}
            with connection.execution_options(**options).begin():
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        writing = self._engine.execution_options(transaction="IMMEDIATE")
        with plain_errors(self._url), writing.begin() as connection:
            yield connection

    @property
    def _is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"

    @staticmethod
    def _bury(connection: Connection, ids: Sequence[str]) -> tuple[int, int]:
        """Bury the live ones among these ids: how many, and the last number given."""
        found = _by_ids(connection, sa.select(schema.marks.c.id).where(_LIVE), ids)
        live = sorted({id_ for (id_,) in found})
        last = _take_numbers(connection, len(live))
        if live:
            rows.bury(connection, live, first=last - len(live) + 1)
        return len(live), last


def _possible(ids: Sequence[str]) -> Sequence[str]:
    """The ids that a mark can have: the rest is unknown without asking; PostgreSQL fails on NUL."""
    return [mark_id for mark_id in ids if is_mark_id(mark_id)]


def _refuse_other_shapes(connection: Connection, marks: Sequence[EncodedMark]) -> None:
    known = sa.select(schema.meta.c.value).where(schema.meta.c.key == "dimension")
    dimension = int(connection.scalar(known) or 0)
    for mark in marks:
        if dimension and mark.embedding is not None and mark.embedding.shape != (dimension,):
            raise FingerprintMismatch(
                f"The embedding of {mark.record.id} has shape {mark.embedding.shape}, the "
                f"register's have ({dimension},): it comes from another network."
            )


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]


def _by_ids(
    connection: Connection, wanted: sa.Select[*tuple[str, ...]], ids: Sequence[str]
) -> Iterable[tuple[str, ...]]:
    for part in _parts(_possible(ids)):
        found = connection.execute(wanted.where(schema.marks.c.id.in_(part)))
        yield from (tuple(row) for row in found)


def _take_numbers(connection: Connection, n: int) -> int:
    """Advance the counter; its row stays locked until the transaction ends."""
    value = schema.counter.c.value
    taken = sa.update(schema.counter).values(value=value + n).returning(value)
    return int(connection.execute(taken).scalar_one())


def _set_once(connection: Connection, key: str, value: str) -> str:
    """Store a value under a key unless there is one; return what is stored."""
    known = sa.select(schema.meta.c.value).where(schema.meta.c.key == key)
    held: str | None = connection.scalar(known)
    if held is not None:
        return held
    # Two processes may come here at once on PostgreSQL: the counter's lock orders them.
    _take_numbers(connection, 0)
    held = connection.scalar(known)
    if held is None:
        connection.execute(sa.insert(schema.meta).values(key=key, value=value))
        held = value
    return held
