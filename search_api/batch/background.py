"""A thread of a server: searches with the batches that were sent, one after the other."""

import logging
import shutil
import time
import zipfile
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

from filelock import FileLock, Timeout

from models.errors import BadLabels, MarkLensError
from search_api.batch.kept import KeptBatch, KeptBatches
from search_api.batch.running import BatchRequest, run_batch
from search_api.beside import beside
from search_api.errors import UnknownBatch, problem_for
from search_api.fields import SearchFields
from search_api.marklens import MarkLens

logger = logging.getLogger(__name__)
_THREADS = 2  # one picture is read while another is encoded; searches of people go first
_PURGE_EVERY_S = 600.0
_UNAVAILABLE = 503


def working(marklens: MarkLens) -> AbstractContextManager[None]:
    """Work on batches in the background while the block runs; what is left goes on later."""
    return beside("batches", partial(_work, marklens))


def _work(marklens: MarkLens, stopping: Event) -> None:
    """Work until told to stop; the thread outlives whatever goes wrong."""
    kept = KeptBatches(marklens.settings)
    purged = -_PURGE_EVERY_S
    while True:
        try:
            if time.monotonic() - purged > _PURGE_EVERY_S:
                purged = time.monotonic()
                kept.purge()
            for batch in kept.all():
                if not (batch.is_over or stopping.is_set()):
                    _Work(marklens, kept, batch, stopping).run()
        except Exception:
            logger.exception("work on the batches failed, trying again")
        if stopping.wait(marklens.settings.poll_s):
            return


class _Pace:
    """How long what is left will take, by the last pictures that were done."""

    def __init__(self) -> None:
        self._last: deque[tuple[float, int]] = deque(maxlen=20)  # when, and how many then

    def seconds_left(self, done: int, total: int) -> float | None:
        """None until something was done."""
        self._last.append((time.monotonic(), done))
        (began, before), (now, _) = self._last[0], self._last[-1]
        if done == before:
            return None
        return round((now - began) / (done - before) * max(total - done, 0), 1)


class _Work:
    """The work of this server on one batch."""

    def __init__(
        self, marklens: MarkLens, kept: KeptBatches, batch: KeptBatch, stopping: Event
    ) -> None:
        self._marklens, self._kept, self._stopping = marklens, kept, stopping
        self._batch = batch
        self._pace = _Pace()

    def run(self) -> None:
        """Do all that is left, unless another server does.

        Raises:
            OSError: the disk refuses.
        """
        kept, batch = self._kept, self._batch
        with suppress(Timeout, UnknownBatch), FileLock(kept.lock(batch), timeout=0):
            self._batch = kept.batch(batch.id)  # another server may have ended it meanwhile
            if not self._batch.is_over:
                self._search()
        if kept.is_forgotten(batch):
            kept.forget(batch.id)  # also what was written since

    def _search(self) -> None:
        self._batch = replace(self._batch, state="running")
        self._kept.note(self._batch)
        try:
            if self._is_complete():
                self._kept.end(replace(self._batch, total=self._batch.done))
        except BadLabels:  # begun with another network: from the start
            shutil.rmtree(self._journal, ignore_errors=True)
        except MarkLensError as error:
            problem = problem_for(error)
            if problem.status == _UNAVAILABLE:
                logger.warning("batch %s waits: %s", self._batch.id, error)
                self._kept.note(replace(self._batch, state="waiting"))
            else:
                logger.warning("batch %s is stopped: %s", self._batch.id, error)
                self._stop(problem.public or str(error))
        except Exception:
            logger.exception("batch %s failed", self._batch.id)
            self._stop("MarkLens failed at this batch; the server's log says why.")

    def _stop(self, reason: str) -> None:
        if not self._kept.is_forgotten(self._batch):
            self._kept.end(self._batch, reason.replace(f"{self._kept.upload(self._batch)}/", ""))

    @property
    def _journal(self) -> Path:
        out = self._kept.out(self._batch)
        return out.with_name(f"{out.name}.part")

    def _is_complete(self) -> bool:
        """Whether all results are there, after this work."""
        batch, out, upload = (
            self._batch,
            self._kept.out(self._batch),
            self._kept.upload(self._batch),
        )
        out.parent.mkdir(exist_ok=True)
        if not out.exists() or self._journal.exists():  # else a server ended before it said so
            images = None if batch.pictures is None else upload / batch.pictures
            search = SearchFields(**batch.fields).request(b"")
            asked = BatchRequest(upload / batch.source, out, search, images)
            report = run_batch(self._marklens, asked, self._is_to_stop, self._note, _THREADS)
            if report.interrupted:
                return False
        if batch.format == "pdf":
            _zip(out)
        return True

    def _is_to_stop(self) -> bool:
        return self._stopping.is_set() or self._kept.is_forgotten(self._batch)

    def _note(self, done: int, total: int, unreadable: Sequence[tuple[str, str]]) -> None:
        left = self._pace.seconds_left(done, total)
        self._batch = replace(
            self._batch, done=done, total=total, seconds_left=left, unreadable=tuple(unreadable)
        )
        self._kept.note(self._batch)


def _zip(folder: Path) -> None:
    """Put a folder of reports into a zip file beside it, in its place.

    Raises:
        OSError: the disk refuses.
    """
    unfinished = folder.with_suffix(".new")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*.pdf")):
            archive.write(file, file.relative_to(folder).as_posix())
    unfinished.replace(folder.with_suffix(".zip"))
    shutil.rmtree(folder)
