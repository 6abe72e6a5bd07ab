"""The bulk loop: rows of a source → pictures decoded by threads → encoded in batches → register.

A batch is one transaction that also saves how far the run has come, and its pictures are on the
disk before it. Killed at any moment, a run has either done a batch or not begun it; running again
finds the done rows unchanged by their digest, and `resume` does not even look at them.
Reading, decoding, encoding and writing overlap: see `Pipeline` for the last two.
"""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path

from indexer.ingest.chunks import id_of, in_chunks
from indexer.ingest.encoding import Looked, look, look_without_picture, mark_digest
from indexer.ingest.ingest_report import IngestOptions, IngestReport, Progress
from indexer.ingest.pipeline import Batch, Pipeline
from indexer.ingest.rejects import RejectsFile
from indexer.ingest.retry import Patience
from indexer.ingest.run_lock import RunLock
from indexer.ingest.scratch import Scratch
from indexer.marks import Mark, RunState
from indexer.register import Register, Run, RunCounts, RunPosition
from indexer.register.image_store import ImageStore
from indexer.sources import RejectedRow, Row, Source, SourceRow, SourceState, Withdrawal
from models.encoder import Encoder
from models.errors import MarkLensError, UnreadableImage

_SAVE_EVERY = 1000  # rows without anything to write after which the position is saved all the same


def ingest(
    source: Source,
    register: Register,
    images: ImageStore,
    encoder: Encoder,
    options: IngestOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Write every row of a source into the register: new ones, changed ones, nothing twice.

    A row that cannot be read is put into the rejects file and does not stop the run. Of several
    rows with one id the first counts in a table, the others being rejected; in offices' files a
    later record amends or withdraws what an earlier one, or an earlier file, brought. A mark
    without picture is kept for its words, codes and dates.

    Args:
        source: from `open_source`.
        register: bound to the encoder's fingerprint.
        images: where the original pictures are kept.
        encoder: the network.
        options: see `IngestOptions`.
        on_progress: called after each batch, from this thread.

    Raises:
        DatabaseUnavailable: the register fails; everything up to the last batch is kept.
        RunUnderWay: the run to be resumed goes on elsewhere.
        SourceError: the table itself becomes unreadable on the way.
        MarkLensError: the disk refuses a picture.
    """
    options = options or IngestOptions()
    with Scratch() as scratch, RunLock(images.folder.parent) as lock:
        loop = _Loop(source, register, images, encoder, options, (scratch, lock))
        try:
            loop.work(on_progress or (lambda _: None))
        except BaseException as error:
            # Whatever happens, the run must not look as if it were still going on; where the
            # register itself failed, its state stays "running" and --resume takes that too.
            with suppress(MarkLensError):
                loop.close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        loop.close("interrupted" if loop.stopped else "failed" if source.broken else "finished")
        return loop.report()


def is_indexed(source: Source, register: Register) -> bool:
    """Whether the last run over this very source finished, without looking at any row."""
    state = source.state
    runs = register.last_runs(limit=1, source=state.path)
    return any(run.state == "finished" and _is_same(run, source) for run in runs)


_Outcome = Looked | Withdrawal | RejectedRow | None  # None: the register holds the mark just so
_Ready = Looked | Withdrawal  # what a batch writes
_Ahead = deque[tuple[int, str | None, Future[_Outcome]]]  # position, mark, what becomes of it


class _Loop:
    """One run over one source."""

    def __init__(
        self,
        source: Source,
        register: Register,
        images: ImageStore,
        encoder: Encoder,
        options: IngestOptions,
        aids: tuple[Scratch, RunLock],
    ) -> None:
        self._source = source
        self._register = register
        self._images = images
        self._encoder = encoder
        self._options = options
        # Of a table, the ids seen; of a dry run over amendments, the digests it would have written.
        self._scratch, self._lock = aids
        self._begun = time.monotonic()
        self._warnings: list[str] = []
        self._patience = Patience(options.patience_s, options.stop)
        self._run = None if options.dry_run else self._open_run()
        self._resumed_after = self._position = self._run.position if self._run else 0
        self._counts = Counter(asdict(self._run.counts) if self._run else {})
        self._batch: list[_Ready] = []
        self._withdrawn = 0
        self._pipeline = Pipeline(register, encoder, self._patience)
        self._handed_over = self._reached()
        self._rejects = RejectsFile(self._rejects_path(), self._position)
        self.stopped = False

    def work(self, on_progress: Callable[[Progress], None]) -> None:
        """Go through the rows; on return all that was counted is committed."""
        with closing(self._outcomes()) as outcomes:
            for position, outcome in outcomes:
                self._position = position
                self._count(outcome)
                if isinstance(outcome, Looked | Withdrawal):
                    self._batch.append(outcome)
                if len(self._batch) >= self._options.batch or self._is_save_due():
                    self._save()
                    on_progress(Progress(position, self._source.last_position, self._tally()))
                    self.stopped = self._options.stop()
                if self.stopped:
                    break
        self._save()
        self._pipeline.drain()
        on_progress(Progress(self._position, self._source.last_position, self._tally()))

    def close(self, state: RunState) -> None:
        """Note how the run ended, with the counts of what is committed."""
        self._pipeline.close()
        try:
            self._rejects.close()
        finally:
            if self._run is not None:
                self._note_end(self._run, state)

    def report(self) -> IngestReport:
        """The summary, once `work` has returned."""
        return IngestReport(
            **asdict(self._tally()),
            rejects_file=self._rejects.file,
            interrupted=self.stopped,
            resumed_after=self._resumed_after,
            warnings=(*self._warnings, *self._source.warnings),
            withdrawn=self._withdrawn,
            broken=tuple(self._source.broken),
            encoded=self._pipeline.encoded,
            encoding_s=self._pipeline.encoding_s,
            seconds=time.monotonic() - self._begun,
        )

    def _open_run(self) -> Run:
        """The unfinished run to go on with, or a new one."""
        state = self._source.state
        last = self._register.last_runs(limit=1, source=state.path)
        resumes = (
            self._options.resume
            and bool(last)
            and last[0].state != "finished"
            and _is_same(last[0], self._source)
        )
        if resumes:
            self._lock.take(self._register.identity(), last[0].id)
        if last and last[0].state == "running":
            # Killed: nobody could note it then. (Two runs over one source at once do no harm.)
            killed = last[0]
            self._register.finish_run(
                killed.id, "interrupted", killed.position, killed.counts, killed.rejects_file
            )
        if self._options.resume:
            if resumes:
                return last[0]
            self._warnings.append(
                "nothing to resume: no unfinished run over this very table; read from the start"
            )
        run = self._register.start_run(state.path, state.size, state.mtime_ns)
        self._lock.take(self._register.identity(), run.id)
        return run

    def _note_end(self, run: Run, state: RunState) -> None:
        saved = self._pipeline.committed or RunPosition(run.id, run.position, run.counts)
        file = self._rejects.file
        rejects = None if file is None else str(file)
        self._patience.until_done(
            lambda: self._register.finish_run(run.id, state, saved.position, saved.counts, rejects)
        )

    def _rejects_path(self) -> Path:
        folder = self._options.rejects_dir or self._images.folder.parent / "rejects"
        number = self._run.id if self._run else "dry-run"
        return folder / f"{Path(self._source.name).stem}-{number}.csv"

    def _rows(self) -> Iterator[Row]:
        """The rows still to do; in a table, a second row of an id becomes a rejected one."""
        for row in self._source:
            mark_id = id_of(row)
            if mark_id and not self._source.amends and not self._scratch.is_new(mark_id):
                name = row.record.image_name if isinstance(row, SourceRow) else None
                reason = "id appears twice; the first row with it counts"
                row = RejectedRow(row.position, mark_id, name, reason)
            if row.position > self._resumed_after:
                yield row

    def _outcomes(self) -> Generator[tuple[int, _Outcome], None, None]:
        """Rows in order, looked at by threads a few batches ahead of the network."""
        ahead: _Ahead = deque()
        pool = ThreadPoolExecutor(self._options.workers, "marklens-decode")
        try:
            size = 2 * self._options.batch
            for chunk, must_wait in in_chunks(self._rows(), size, lambda: self._under_way(ahead)):
                yield from _finished(ahead, 0 if must_wait else size)
                if must_wait:
                    self._save()
                    self._pipeline.drain()
                known = self._known([one for row in chunk if (one := id_of(row)) is not None])
                for row in chunk:
                    ahead.append((row.position, id_of(row), pool.submit(self._look, row, known)))
            yield from _finished(ahead, 0)
        finally:
            pool.shutdown(cancel_futures=True)

    def _under_way(self, ahead: _Ahead) -> set[str | None]:
        """Marks that are read and not committed."""
        if not self._source.amends:
            return set()
        batch = {
            one.id if isinstance(one, Withdrawal) else one.mark.record.id for one in self._batch
        }
        return {mark_id for _, mark_id, _ in ahead} | batch | self._pipeline.ids_under_way

    def _known(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Digests of the marks that the register holds, or would hold in a dry run."""
        digests = self._patience.until_done(lambda: self._register.digests(ids))
        held: dict[str, str | None] = dict(digests)
        if self._options.dry_run and self._source.amends:
            held |= self._scratch.kept(ids)
        return {one: digest for one, digest in held.items() if digest is not None}

    def _look(self, row: Row, known: Mapping[str, str]) -> _Outcome:
        """One row, in a thread: unchanged, rejected, or ready and its picture in the store."""
        if isinstance(row, RejectedRow):
            return row
        if isinstance(row, Withdrawal):
            return row if row.id in known else None
        before = known.get(row.record.id)
        if before is not None and row.left_out:
            row = self._completed(row)
        try:
            content = self._picture(row, is_known=before is not None)
            digest = None if content is None else hashlib.sha256(content).hexdigest()
            if before == mark_digest(row.record, digest, self._encoder.fingerprint):
                return None
            if content is None:
                looked = look_without_picture(self._encoder, row.record)
            else:
                looked = look(self._encoder, row.record, content)
        except UnreadableImage as error:
            return _rejected(row, str(error))
        if content is not None and not self._options.dry_run:
            self._images.put(content)
        return replace(looked, is_new=before is None)

    def _completed(self, row: SourceRow) -> SourceRow:
        """A row with what the register holds of the fields that its source says nothing of."""
        held = self._held(row.record.id)
        if held is None:
            return row
        kept = {name: getattr(held.record, name) for name in row.left_out}
        return replace(row, record=replace(row.record, **kept))

    def _held(self, mark_id: str) -> Mark | None:
        return self._patience.until_done(lambda: self._register.marks([mark_id])).get(mark_id)

    def _picture(self, row: SourceRow, *, is_known: bool) -> bytes | None:
        """A row's picture; the one the register holds, where it came with an earlier file."""
        if row.picture is not None:
            return row.read_picture()
        if not (row.is_sent_once and is_known):
            return None
        held = self._held(row.record.id)
        if held is None or held.image_digest is None:
            return None
        if held.record.image_name != row.record.image_name:
            return None
        try:
            return self._images.get(held.image_digest)
        except MarkLensError as error:
            raise UnreadableImage(str(error)) from error

    def _count(self, outcome: _Outcome) -> None:
        self._counts["read"] += 1
        if outcome is None:
            self._counts["unchanged"] += 1
        elif isinstance(outcome, RejectedRow):
            self._counts["rejected"] += 1
            self._rejects.add(outcome)
        elif isinstance(outcome, Withdrawal):
            self._counts["updated"] += 1
            self._withdrawn += 1
        else:
            self._counts["indexed" if outcome.is_new else "updated"] += 1

    def _is_save_due(self) -> bool:
        return self._counts["read"] - self._handed_over.counts.read >= _SAVE_EVERY

    def _save(self) -> None:
        """Hand a batch over to be committed together with the position: all of it or nothing."""
        self._rejects.sync()
        looked = [one for one in self._batch if isinstance(one, Looked)]
        withdrawn = [one.id for one in self._batch if isinstance(one, Withdrawal)]
        self._handed_over = self._reached()
        if not self._options.dry_run:
            self._pipeline.hand_over(Batch(looked, withdrawn, self._handed_over))
        elif self._source.amends:
            self._scratch.keep({one.mark.record.id: one.mark.digest for one in looked})
            self._scratch.keep(dict.fromkeys(withdrawn))
        self._batch.clear()

    def _reached(self) -> RunPosition:
        return RunPosition(self._run.id if self._run else 0, self._position, self._tally())

    def _tally(self) -> RunCounts:
        return RunCounts(**self._counts)


def _is_same(run: Run, source: Source) -> bool:
    """Whether a run read this very source: same place, size and time of change."""
    return SourceState(run.source, run.size, run.mtime_ns) == source.state


def _finished(ahead: _Ahead, most: int) -> Iterator[tuple[int, _Outcome]]:
    """The oldest outcomes, until at most so many are under way."""
    while len(ahead) > most:
        position, _, future = ahead.popleft()
        yield position, future.result()


def _rejected(row: SourceRow, reason: str) -> RejectedRow:
    return RejectedRow(row.position, row.record.id, row.record.image_name, reason)
