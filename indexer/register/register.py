"""The register in SQL: the truth that the index only caches.

Every write is one transaction: rows, codes, embeddings and rising sequence numbers together. The
numbers come from one counter row that the transaction updates first, so that writers take turns
and nobody ever sees a later number before an earlier one.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
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
)
from indexer.matches import Candidate
from indexer.pages import Listed, Page
from indexer.query import Filter
from indexer.register import (
    audit,
    counters,
    database,
    embedding_checks,
    listing,
    live_marks,
    rows,
    runs,
    schema,
    schema_steps,
    word_search,
)
from indexer.register.among import among
from indexer.register.derived import DerivedTables
from indexer.register.keys import Keys
from indexer.register.watches import Watches
from indexer.register.words_read import WordsRead
from indexer.runs import Run, RunPosition, RunState
from indexer.texts import is_mark_id
from models.encoder import Embedding
from models.vienna import ViennaCode


class Register:
    """An open register; safe to share by threads.

    Attributes:
        url: where it is, without the password.
        watches: lists of signs, and what came near them.
        keys: of the HTTP API.
        audit: who wrote what.
        words_read: in the pictures of marks without words.
        derived: tables that can be made of the marks.
    """

    def __init__(self, engine: Engine, url: URL) -> None:
        self._engine = engine
        self._url = url
        self.url = database.shown(url)
        self.watches = Watches(self._reading, self._writing)
        self.keys = Keys(self._reading, self._writing)
        self.audit = audit.AuditLog(self._reading, self._writing)
        self.words_read = WordsRead(self._reading, self._writing)
        self.derived = DerivedTables(self._writing)
        self._counted = listing.Counted()

    @classmethod
    def open(cls, url: str, create: bool = True, answer_s: float = database.ANSWER_S) -> "Register":
        """Open a register and bring its tables to the newest schema.

        Args:
            url: ``sqlite:///path`` or ``postgresql://user:password@host/database``.
            create: make the tables, and SQLite's file, where they are missing.
            answer_s: seconds that PostgreSQL may take for each answer to a reader.

        Raises:
            DatabaseUnavailable: the URL is wrong, or the database cannot be reached or written,
                or there is no register and none may be made.
        """
        parsed = database.parse_url(url)
        engine = database.create_engine(parsed, create, answer_s)
        register = cls(engine, parsed)
        try:
            with database.plain_errors(parsed):
                schema_steps.prepare(engine, create)
            register.identity()
        except DatabaseUnavailable:
            engine.dispose()
            raise
        return register

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def observe_statements(self, observe: Callable[[float | None], None]) -> None:
        """Have a function called after each SQL statement with its seconds; None where it fails."""
        database.observe_statements(self._engine, observe)

    def identity(self) -> str:
        """A name that no other register has, for snapshots to know theirs."""
        with self._reading() as connection:
            held = counters.fact(connection, "identity")
        if held is not None:
            return held
        with self._writing() as connection:
            return counters.set_once(connection, "identity", uuid.uuid4().hex)

    def bound(self) -> tuple[str, int] | None:
        """Fingerprint and dimension of the embeddings; None before the first."""
        with self._reading() as connection:
            fingerprint = counters.fact(connection, "fingerprint")
            dimension = counters.dimension(connection)
        return None if fingerprint is None or not dimension else (fingerprint, dimension)

    def bind_fingerprint(self, fingerprint: str, dimension: int) -> None:
        """Say which network the embeddings come from; the first call decides.

        Raises:
            FingerprintMismatch: the register is bound to another one.
        """
        with self._writing() as connection:
            held = counters.set_once(connection, "fingerprint", fingerprint)
            counters.set_once(connection, "dimension", str(dimension))
        if held != fingerprint:
            raise FingerprintMismatch(
                f"The register's embeddings come from network {held}, not from {fingerprint}: "
                "run `marklens rebuild --encode`."
            )

    def rebind_fingerprint(self, fingerprint: str, dimension: int) -> None:
        """Bind to another network, whatever was bound before: for re-encoding only."""
        with self._writing() as connection:
            counters.take_sequences(connection, 0)  # like every writer, in turn
            audit.note(connection, "encode all marks again", f"network {fingerprint}")
            counters.forget(connection, "fingerprint", "dimension")
            counters.set_once(connection, "fingerprint", fingerprint)
            counters.set_once(connection, "dimension", str(dimension))

    def add(
        self,
        marks: Sequence[EncodedMark],
        run: RunPosition | None = None,
        withdrawn: Sequence[str] = (),
        *,
        seen: Mapping[str, int] | None = None,
        is_noted: bool = True,
    ) -> int:
        """Write marks, new or in place of those with their ids, in one transaction.

        Args:
            marks: of one id the last counts.
            run: the position that is reached with them, saved in the same transaction.
            withdrawn: ids of other marks to delete in the same transaction.
            seen: sequence of each mark that some of these were made from, 0 of one that was not
                there; the others replace whatever there is.
            is_noted: whether the audit log names the marks; of a run it does not.

        Returns:
            The last sequence number given, or the register's if nothing was written.

        Raises:
            ChangedMeanwhile: a mark has another sequence than was seen; nothing is written.
            FingerprintMismatch: an embedding has another dimension than the register's.
        """
        latest = list({mark.record.id: mark for mark in marks}.values())
        with self._writing() as connection:
            last = counters.take_sequences(connection, len(latest))
            rows.refuse_other_shapes(latest, counters.dimension(connection))
            if latest:
                known = live_marks.sequences(connection, [mark.record.id for mark in latest])
                live_marks.refuse_changed(known, seen or {})
                rows.write(connection, latest, first=last - len(latest) + 1)
                counters.add_live_marks(connection, len(latest) - len(known))
            if withdrawn:
                last = max(last, live_marks.withdraw(connection, withdrawn)[1])
            if run is not None:
                runs.save_position(connection, run)
            elif latest and is_noted:
                audit.note(connection, "write marks", [mark.record.id for mark in latest])
        return last

    def delete(self, ids: Sequence[str]) -> int:
        """Withdraw marks: each becomes a tombstone with a new number.

        Returns:
            How many of them were live.
        """
        with self._writing() as connection:
            # The counter first: it is what makes writers take turns.
            counters.take_sequences(connection, 0)
            withdrawn, _ = live_marks.withdraw(connection, ids)
            if withdrawn:
                audit.note(connection, "withdraw marks", live_marks.possible(ids))
            return withdrawn

    def digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Digest of each live mark among these ids."""
        marks = schema.marks.c
        with self._reading() as connection:
            return dict(live_marks.columns(connection, sa.select(marks.id, marks.digest), ids))

    def damaged_embeddings(self, ids: Sequence[str]) -> set[str]:
        """Those of some marks with pictures whose embedding is missing or damaged."""
        with self._reading() as connection:
            return embedding_checks.damaged(connection, ids)

    def encodings(self, pixels_digests: Sequence[str]) -> dict[str, rows.Encoding]:
        """What the network said of pictures that live marks have, by the digest of their pixels.

        Returns:
            Embedding, predicted codes, the confident ones.
        """
        with self._reading() as connection:
            return rows.read_encodings(connection, pixels_digests)

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
            found = live_marks.read(connection, live_marks.possible(ids))
        return {mark_id: found[mark_id] for mark_id in ids if mark_id in found}

    def withdrawn(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids whose marks were withdrawn."""
        with self._reading() as connection:
            return live_marks.withdrawn(connection, ids)

    def marks_numbered(self, numbers: Sequence[int]) -> dict[int, Mark]:
        """The live marks among those with these numbers, by number; see `Change.number`."""
        with self._reading() as connection:
            return rows.read_marks(connection, among(schema.marks.c.number, numbers))

    def ids_numbered(self, numbers: Sequence[int]) -> dict[int, str]:
        """Ids of the live marks among those with these numbers, by number."""
        marks = schema.marks.c
        wanted = sa.select(marks.number, marks.id).where(rows.LIVE, among(marks.number, numbers))
        with self._reading() as connection:
            return dict(map(tuple, connection.execute(wanted)))

    def numbers_of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Numbers (n,) of the live marks among these ids, in no order."""
        marks = schema.marks.c
        with self._reading() as connection:
            found = live_marks.columns(connection, sa.select(marks.id, marks.number), ids)
            return np.fromiter((number for _, number in found), np.int64)

    def embedding(self, mark_id: str) -> Embedding | None:
        """The embedding of a live mark; None if it has none, or there is none of this id."""
        if not is_mark_id(mark_id):
            return None
        with self._reading() as connection:
            return rows.read_embedding(connection, mark_id)

    def candidates(self, sequences: Sequence[int]) -> dict[int, Candidate]:
        """What the live marks that were written under some sequences are ranked again by.

        By sequence; one that was written again or withdrawn since is missing.
        """
        with self._reading() as connection:
            return rows.read_candidates(connection, sequences)

    def sequence(self) -> int:
        """The last committed sequence number; 0 in an empty register."""
        with self._reading() as connection:
            return counters.sequence(connection)

    def stamp(self, sequence: int) -> int | None:
        """What tells the writings up to a sequence number from others; see `counters.stamp`."""
        with self._reading() as connection:
            return counters.stamp(connection, sequence)

    def changes(self, after: int, limit: int, upto: int | None = None) -> list[Change]:
        """Rows in sequence order, tombstones included.

        Args:
            after: only numbers above this one.
            limit: at most so many rows.
            upto: only numbers up to this one.
        """
        with self._reading() as connection:
            return rows.read_changes(connection, after, limit, upto)

    def numbers_with_text(self, text: str, of: str = "text") -> NDArray[np.int64]:
        """Numbers (n,), ascending, of the live marks whose words, or another field, hold a text."""
        with self._reading() as connection:
            return word_search.numbers_with(connection, of, text)

    def count(self) -> int:
        """How many live marks there are; kept with each write, so that asking costs nothing."""
        with self._reading() as connection:
            return counters.live_marks(connection)

    def code_counts(self, source: CodeSource) -> dict[ViennaCode, int]:
        """Live marks that have each code or anything below it.

        Args:
            source: assigned codes, confidently predicted ones, or either.
        """
        with self._reading() as connection:
            return dict(
                self._counted.of(
                    connection, source, lambda: listing.count_codes(connection, source)
                )
            )

    def facets(self) -> Facets:
        """The statuses, offices, classes and filing dates of live marks, with their counts."""
        with self._reading() as connection:
            return self._counted.of(connection, Facets, lambda: listing.facets(connection))

    def find(
        self, wanted: Filter, page: Page, only: Sequence[str] | None = None
    ) -> tuple[list[Mark], int]:
        """Live marks that pass a filter, of some ids with `only`; and how many pass."""
        with self._reading() as connection:
            ids, total = listing.find(connection, wanted, page, self._counted, only)
            found = live_marks.read(connection, ids)
        return [found[mark_id] for mark_id in ids], total

    def find_words(
        self, wanted: Filter, page: Page, only: Sequence[str] | None = None
    ) -> tuple[list[Listed], int]:
        """Live marks with words like a filter's, the likest some hundreds; and how many."""
        with self._reading() as connection:
            ranked, total = listing.by_words(connection, wanted, page, only)
            found = live_marks.read(connection, [mark_id for mark_id, _ in ranked])
        return [Listed(found[mark_id], match) for mark_id, match in ranked], total

    def every_mark(self, at_once: int = 500) -> Iterator[Mark]:
        """All live marks by id, a few at a time: constant memory, whatever their number.

        A mark that is written meanwhile comes as it was or as it is; none comes twice.
        """
        last = ""
        while True:
            with self._reading() as connection:
                ids = listing.ids_after(connection, last, at_once)
                found = live_marks.read(connection, ids)
            yield from (found[mark_id] for mark_id in ids)
            if len(ids) < at_once:
                return
            last = ids[-1]

    def start_run(self, source: str, size: int, mtime_ns: int) -> Run:
        """Note that a run over a source begins."""
        with self._writing() as connection:
            audit.note(connection, "begin run", source)
            return runs.start(connection, source, size, mtime_ns)

    def finish_run(
        self, reached: RunPosition, state: RunState, rejects_file: str | None = None
    ) -> None:
        """Note where and how a run ended."""
        with self._writing() as connection:
            runs.save_position(connection, reached)
            runs.finish(connection, reached.run_id, state, rejects_file)
            said = f"run {reached.run_id}, {reached.counts.read:,} rows read"
            audit.note(connection, f"end run: {state}", said)

    def last_runs(self, limit: int = 5, source: str | None = None) -> list[Run]:
        """The newest runs, newest first; of one source only, if named."""
        with self._reading() as connection:
            return runs.newest(connection, limit, source)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with database.plain_errors(self._url), self._engine.connect() as connection:
            # One snapshot for all statements of a call, so that rows and codes belong together.
            options = {"isolation_level": "REPEATABLE READ"} if self._is_postgresql else {}
            with connection.execution_options(**options).begin():
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        writing = self._engine.execution_options(transaction="IMMEDIATE")
        with database.plain_errors(self._url), writing.begin() as connection:
            yield connection

    @property
    def _is_postgresql(self) -> bool:
        return self._engine.dialect.name == "postgresql"
