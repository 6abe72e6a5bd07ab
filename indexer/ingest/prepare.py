"""Sorts each row into unchanged, rejected, withdrawn, or a mark prepared for the network."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from indexer.errors import BadRecord, MissingPicture
from indexer.ingest.encoding import Filling, PreparedMark, mark_digest, prepare
from indexer.ingest.findings import Kind
from indexer.ingest.retry import Retry
from indexer.ingest.workers import Workers
from indexer.marks import Mark, MarkRecord
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources import RejectedRow, Row, SourceRow, Withdrawal
from models.errors import MarkLensError, UnreadableImage


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a row.

    Attributes:
        result: what is to be written, or why nothing is; None where the register holds the mark
            just so.
        finding: that is to be told at the run's end: its kind, and what to call it.
    """

    result: PreparedMark | Withdrawal | RejectedRow | None
    finding: tuple[Kind, str] | None = None


class Preparer:
    """Reads pictures, has them decoded, and compares rows with the register.

    Safe to share by threads.
    """

    def __init__(
        self,
        register: Register,
        images: ImageStore,
        workers: Workers,
        retry: Retry,
        *,
        dry_run: bool,
        read_words: bool,
    ) -> None:
        self._register, self._images, self._workers = register, images, workers
        self._retry, self._dry_run, self._read_words = retry, dry_run, read_words

    def outcome(self, row: Row, known: Mapping[str, str]) -> Outcome:
        """What becomes of a row; a new picture is in the store then, unless the run is dry.

        Args:
            row: of the source.
            known: digests of the marks that the register holds.

        Raises:
            MarkLensError: the database or the disk fails.
        """
        if isinstance(row, RejectedRow):
            return Outcome(row)
        if isinstance(row, Withdrawal):
            return Outcome(row) if row.id in known else Outcome(None, ("unknown", row.id))
        return self._outcome(row, known.get(row.record.id))

    def _outcome(self, row: SourceRow, before: str | None) -> Outcome:
        """What becomes of a mark, of which the register held one with that digest."""
        record = row.record
        held = self._held(record.id) if before is not None and row.left_out else None
        finding: tuple[Kind, str] | None = None
        try:
            if held is not None:
                kept = {name: getattr(held.record, name) for name in row.left_out}
                record = replace(record, **kept)
            try:
                if row.picture is None:
                    content = self._stored(held) if row.keeps_picture else None
                else:
                    content = row.read_picture()
                prepared = self._prepared(record, content, before)
            except UnreadableImage as error:
                if row.needs_picture or row.picture is None:
                    raise
                finding = "unreadable", f"{record.id} ({error})"
                if isinstance(error, MissingPicture):
                    finding = "missing", record.id
                # The mark is kept: as it is said to be, with the picture that the register holds.
                held = held or (None if before is None else self._held(record.id))
                content = self._stored(held)
                if held is not None and content is not None:
                    record = replace(record, image_name=held.record.image_name)
                prepared = self._prepared(record, content, before)
        except (BadRecord, UnreadableImage) as error:  # bad is what the register holds, from before
            name = row.record.image_name
            return Outcome(RejectedRow(row.position, record.id, name, str(error)))
        if prepared is not None and (row.left_out or finding is not None):
            sequence = 0 if held is None else held.sequence
            prepared = replace(prepared, filling=Filling(sequence, partial(self._again, row)))
        return Outcome(prepared, finding)

    def _again(self, row: SourceRow) -> PreparedMark | None:
        """The mark of a row, filled from what the register holds by now; None if it is that."""
        mark_id = row.record.id
        digests = self._retry.until_done(lambda: self._register.digests([mark_id]))
        result = self._outcome(row, digests.get(mark_id)).result
        if isinstance(result, RejectedRow):
            raise UnreadableImage(f"{mark_id} has been written meanwhile: {result.reason}")
        return result if isinstance(result, PreparedMark) else None

    def _prepared(
        self, record: MarkRecord, content: bytes | None, before: str | None
    ) -> PreparedMark | None:
        """A mark with its picture; None where the register holds it just so."""
        digest = None if content is None else hashlib.sha256(content).hexdigest()
        if before == mark_digest(record, digest, self._workers.fingerprint):
            if content is not None and not self._dry_run:
                self._images.put(content)  # should its file be lost or damaged
            return None
        prepared = prepare(self._workers, record, content, read_words=self._read_words)
        if content is not None and not self._dry_run:
            self._images.put(content)
        return replace(prepared, is_new=before is None)

    def _held(self, mark_id: str) -> Mark | None:
        return self._retry.until_done(lambda: self._register.marks([mark_id])).get(mark_id)

    def _stored(self, held: Mark | None) -> bytes | None:
        """The picture that the register holds of a mark."""
        if held is None or held.image_digest is None:
            return None
        try:
            return self._images.get(held.image_digest)
        except MarkLensError as error:
            raise UnreadableImage(str(error)) from error
