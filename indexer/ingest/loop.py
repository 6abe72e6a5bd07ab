"""The bulk loop: rows of a source → pictures decoded by workers → encoded in batches → register.

A batch is one transaction that also saves how far the run has come, and its pictures are on the
disk before it. Killed at any moment, a run has either done a batch or not begun it; running again
finds the done rows unchanged by their digest, and `resume` does not even look at them.
Reading, decoding, encoding and writing overlap: see `Pipeline` for the last two.
"""

import time
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict
from pathlib import Path

from indexer.ingest.disk_dict import DiskDict
from indexer.ingest.encoding import PreparedMark
from indexer.ingest.findings import Findings
from indexer.ingest.pipeline import Batch, Pipeline
from indexer.ingest.prepare import Outcome, Preparer
from indexer.ingest.rejects import RejectsFile
from indexer.ingest.report import IngestOptions, IngestProgress, IngestReport
from indexer.ingest.retry import Retry
from indexer.ingest.run import open_run
from indexer.ingest.workers import Workers
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.runs import Run, RunCounts, RunPosition, RunState
from indexer.sources import MarkSource, RejectedRow, Row, SourceRow, Withdrawal
from models.errors import MarkLensError
from models.reading import READER

_SAVE_EVERY = 1000  # rows without anything to write after which the position is saved all the same


def ingest(
    source: MarkSource,
    register: Register,
    images: ImageStore,
    workers: Workers,
    options: IngestOptions | None = None,
    on_progress: Callable[[IngestProgress], None] | None = None,
) -> IngestReport:
    """Write every row of a source into the register: new ones, changed ones, nothing twice.

    A row that cannot be read is put into the rejects file and does not stop the run. Of several
    rows with one id the first counts in a table, the others being rejected; in a journal and in
    offices' files a later one amends or withdraws what an earlier one, or an earlier file, brought.
    A mark without picture is kept for its words, codes and dates.

    Args:
        source: from `open_source`.
        register: bound to the network's fingerprint.
        images: where the original pictures are kept.
        workers: decode the pictures and run the network.
        options: see `IngestOptions`.
        on_progress: called after each batch, from this thread.

    Raises:
        DatabaseUnavailable: the register fails; everything up to the last batch is kept.
        MissingReader: words are to be read, and the extra `words` is not installed.
        RunUnderWay: the run to be resumed goes on elsewhere.
        SourceError: the table itself becomes unreadable on the way.
        MarkLensError: the disk refuses a picture.
    """
    options = options or IngestOptions()
    if options.read_words:
        READER.require()
    run = None
    warnings: Sequence[str] = ()
    with ExitStack() as ending:
        if not options.dry_run:
            folder = images.folder.parent
            run, lock, warnings = open_run(register, source, folder, resume=options.resume)
            ending.callback(lock.release)
        loop = _Loop(source, register, images, workers, options, run)
        try:
            loop.work(on_progress or (lambda _: None))
        except BaseException as error:
            # Whatever happens, the run must not look as if it were still going on; where the
            # register itself failed, its state stays "running" and --resume takes that too.
            with suppress(MarkLensError):
                loop.close("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            raise
        loop.close("interrupted" if loop.stopped else "failed" if source.broken else "finished")
        return loop.report(warnings)


_Ahead = deque[tuple[int, str | None, Future[Outcome]]]  # position, mark, what becomes of it


class _Loop:
    """One run over one source."""

    def __init__(
        self,
        source: MarkSource,
        register: Register,
        images: ImageStore,
        workers: Workers,
        options: IngestOptions,
        run: Run | None,
    ) -> None:
        self._source, self._register, self._options, self._run = source, register, options, run
        self._workers = workers
        self._begun = time.monotonic()
        self._retry = Retry(options.retry_s, options.stop)
        self._resumed_after = self._position = run.position if run else 0
        self._counts = Counter(asdict(run.counts) if run else {})
        self._findings = Findings(run.found if run else {})
        self._batch: list[PreparedMark | Withdrawal] = []
        self._preparer = Preparer(
            register,
            images,
            workers,
            self._retry,
            dry_run=options.dry_run,
            read_words=options.read_words,
        )
        self._pipeline = Pipeline(register, workers, self._retry)
        self._handed_over = self._resumed = self._reached()
        folder = options.rejects_dir or images.folder.parent / "rejects"
        name = f"{Path(source.name).stem}-{run.id if run else 'dry-run'}.csv"
        self._rejects = RejectsFile(folder / name, self._position)
        # Of a table, the ids seen; of a dry run over amendments, the digests it would have written.
        self._seen = DiskDict()
        self.stopped = False

    def work(self, on_progress: Callable[[IngestProgress], None]) -> None:
        """Go through the rows; on return all that was counted is committed.

        Once it is to stop, the batch that is being encoded is the last one: three of them under
        way took a busy machine 40 seconds.
        """
        with closing(self._outcomes()) as outcomes:
            for position, outcome in outcomes:
                self._position = position
                self._count(outcome)
                if isinstance(outcome.result, PreparedMark | Withdrawal):
                    self._batch.append(outcome.result)
                if len(self._batch) >= self._options.batch or self._is_save_due():
                    self._save()
                    on_progress(self._progress())
                    self.stopped = self._options.stop()
                if self.stopped:
                    break
        if self.stopped:
            self._pipeline.abandon()
        else:
            self._save()
        self._pipeline.drain()
        if self.stopped and not self._options.dry_run:
            self._go_back()
        on_progress(self._progress())

    def close(self, state: RunState) -> None:
        """Note how the run ended, with the counts of what is committed."""
        self._pipeline.close()
        self._seen.close()
        try:
            self._rejects.close()
        finally:
            if self._run is not None:
                self._note_end(self._run, state)

    def report(self, warnings: Sequence[str]) -> IngestReport:
        """The summary, once `work` has returned.

        Args:
            warnings: on the run itself.
        """
        return IngestReport(
            **asdict(self._tally()),
            rejects_file=self._rejects.file,
            interrupted=self.stopped,
            resumed_after=self._resumed_after,
            warnings=(*warnings, *self._source.warnings, *self._findings.warnings()),
            withdrawn=self._findings.count("withdrawn"),
            broken=tuple(self._source.broken),
            encoded=self._pipeline.encoded,
            words_read=self._findings.count("words"),
            without_words=self._findings.count("no words"),
            encoding_s=self._pipeline.encoding_s,
            seconds=time.monotonic() - self._begun,
        )

    def _note_end(self, run: Run, state: RunState) -> None:
        reached = self._pipeline.committed or run.reached
        file = self._rejects.file
        rejects = None if file is None else str(file)
        self._retry.until_done(lambda: self._register.finish_run(reached, state, rejects))

    def _rows(self) -> Iterator[Row]:
        """The rows still to do; in a table, a second row of an id becomes a rejected one."""
        for row in self._source:
            mark_id = _id_of(row)
            if mark_id and not self._source.amends and not self._seen.add(mark_id):
                name = row.record.image_name if isinstance(row, SourceRow) else None
                reason = "id appears twice; the first row with it counts"
                row = RejectedRow(row.position, mark_id, name, reason)
            if row.position > self._resumed_after:
                yield row

    def _outcomes(self) -> Generator[tuple[int, Outcome], None, None]:
        """Rows in order, prepared by threads a few batches ahead of the network."""
        ahead: _Ahead = deque()
        pool = ThreadPoolExecutor(self._workers.decoding, "marklens-decode")
        try:
            size = 2 * self._options.batch
            most = max(size, 2 * self._workers.decoding)
            for chunk, must_wait in self._chunks(size, ahead):
                yield from _finished(ahead, 0 if must_wait else most)
                if must_wait:
                    self._save()
                    self._pipeline.drain()
                known = self._known([one for row in chunk if (one := _id_of(row)) is not None])
                for row in chunk:
                    outcome = pool.submit(self._preparer.outcome, row, known)
                    ahead.append((row.position, _id_of(row), outcome))
            yield from _finished(ahead, 0)
        finally:
            pool.shutdown(cancel_futures=True)

    def _chunks(self, size: int, ahead: _Ahead) -> Iterator[tuple[list[Row], bool]]:
        """Rows in order, in chunks that hold each mark at most once.

        Args:
            size: rows a chunk, at most.
            ahead: rows of earlier chunks that are not in a batch yet.

        Returns:
            Each chunk, and whether all rows before it must be committed first: it amends one of
            them, and only then can the register say what it changes.
        """
        chunk: list[Row] = []
        ids: set[str | None] = set()
        must_wait = False
        for row in self._rows():
            mark_id = _id_of(row)
            is_amended = mark_id is not None and mark_id in ids
            if is_amended or len(chunk) == size:
                yield chunk, must_wait
                chunk, ids, must_wait = [], set(), False
            if mark_id is not None and mark_id in self._uncommitted(ahead):
                if chunk:
                    yield chunk, must_wait
                    chunk, ids = [], set()
                must_wait = True
            chunk.append(row)
            ids.add(mark_id)
        if chunk:
            yield chunk, must_wait

    def _uncommitted(self, ahead: _Ahead) -> set[str | None]:
        """Marks that are read and not committed; of a table nobody asks, for it names each once."""
        if not self._source.amends:
            return set()
        batch = {
            one.id if isinstance(one, Withdrawal) else one.mark.record.id for one in self._batch
        }
        return {mark_id for _, mark_id, _ in ahead} | batch | self._pipeline.ids_under_way

    def _known(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Digests of the marks that the register holds, or would hold in a dry run."""
        digests = self._retry.until_done(lambda: self._register.digests(ids))
        held: dict[str, str | None] = dict(digests)
        if self._options.dry_run and self._source.amends:
            held |= self._seen.texts(ids)
        return {one: digest for one, digest in held.items() if digest is not None}

    def _count(self, outcome: Outcome) -> None:
        result = outcome.result
        self._counts["read"] += 1
        if outcome.finding is not None:
            self._findings.add(*outcome.finding)
        if result is None:
            self._counts["unchanged"] += 1
        elif isinstance(result, RejectedRow):
            self._counts["rejected"] += 1
            self._rejects.add(result)
        elif isinstance(result, Withdrawal):
            self._counts["updated"] += 1
            self._findings.add("withdrawn", result.id)
        else:
            mark_id, words = result.mark.record.id, result.mark.words_read
            self._counts["indexed" if result.is_new else "updated"] += 1
            if words is not None:
                self._findings.add("words" if words else "no words", mark_id)
            if result.pages > 1:
                self._findings.add("paged", f"{mark_id} ({result.pages} pages)")
            if result.is_new and not unicodedata.is_normalized("NFC", mark_id):
                self._findings.add("apart", mark_id)

    def _is_save_due(self) -> bool:
        return self._counts["read"] - self._handed_over.counts.read >= _SAVE_EVERY

    def _save(self) -> None:
        """Hand a batch over to be committed together with the position: all of it or nothing."""
        self._rejects.sync()
        marks = [one for one in self._batch if isinstance(one, PreparedMark)]
        withdrawn = [one.id for one in self._batch if isinstance(one, Withdrawal)]
        self._handed_over = self._reached()
        if not self._options.dry_run:
            self._pipeline.hand_over(Batch(marks, withdrawn, self._handed_over))
        elif self._source.amends:
            self._seen.update({one.mark.record.id: one.mark.digest for one in marks})
            self._seen.update(dict.fromkeys(withdrawn))
        self._batch.clear()

    def _go_back(self) -> None:
        """Count what is committed, and no more."""
        reached = self._pipeline.committed or self._resumed
        self._position, self._counts = reached.position, Counter(asdict(reached.counts))
        self._findings = Findings(reached.found)

    def _reached(self) -> RunPosition:
        run_id = self._run.id if self._run else 0
        return RunPosition(run_id, self._position, self._tally(), self._findings.found)

    def _tally(self) -> RunCounts:
        return RunCounts(**self._counts)

    def _progress(self) -> IngestProgress:
        return IngestProgress(self._position, self._source.last_position, self._tally())


def _id_of(row: Row) -> str | None:
    """The mark that a row is about; None for a rejected one."""
    if isinstance(row, SourceRow):
        return row.record.id
    return row.id if isinstance(row, Withdrawal) else None


def _finished(ahead: _Ahead, most: int) -> Iterator[tuple[int, Outcome]]:
    """The oldest outcomes, until at most so many are under way."""
    while len(ahead) > most:
        position, _, future = ahead.popleft()
        yield position, future.result()
