"""Batches that a server searches with, each in a folder under an id that nobody can guess.

::

    <data>/batches/<id>/asked.json   what was asked, written last: the batch is complete
    <data>/batches/<id>/state.json   how far it is
    <data>/batches/<id>/lock         held by the server that works on it
    <data>/batches/<id>/upload/      the pictures, removed when it is done
    <data>/batches/<id>/out/         the results, before them the journal of `run_batch`

An id is 128 random bits. The folder is closed to other accounts of the machine; servers that share
it share the batches. They are kept as long as query pictures are.
"""

import json
import logging
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from indexer.errors import StorageFull
from indexer.register.durable import private_folder
from models.run_folder import write_atomically
from search_api.batch.uploads import Upload, keep_uploads
from search_api.errors import BatchUnfinished, NotAllowed, TooBusy, UnknownBatch
from search_api.kept_pictures import HANDLE
from search_api.settings import Settings

logger = logging.getLogger(__name__)
BatchFormat = Literal["csv", "xlsx", "jsonl", "pdf"]
BatchState = Literal["waiting", "running", "done", "stopped"]
_BEING_SENT_S = 3600.0  # a folder that is older and has no `asked.json` was left by a server
_NAMED = 1000  # unreadable pictures


@dataclass(frozen=True)
class KeptBatch:
    """A batch, and how far it is.

    Attributes:
        id: of the batch.
        created: when it was sent (UTC).
        format: of its results.
        fields: of the search that each picture asks, as `SearchFields` takes them.
        source, pictures: names of what was sent, in its folder `upload`.
        total: about how many pictures there are.
        state: waiting, running, done, or stopped for the reason in `error`.
        done: pictures that are done.
        seconds_left: None while nobody knows.
        unreadable: name and reason of the first 1000 pictures that no search was made with.
        error: why it was stopped.
    """

    id: str
    created: datetime
    format: BatchFormat
    fields: Mapping[str, Any]
    source: str
    pictures: str | None
    total: int
    state: BatchState = "waiting"
    done: int = 0
    seconds_left: float | None = None
    unreadable: Sequence[tuple[str, str]] = ()
    error: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ("done", "stopped")


_STATE = ("state", "done", "total", "seconds_left", "unreadable", "error")


class KeptBatches:
    """The batches of a data folder; safe for threads and processes."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; nothing is made before the first batch is sent."""
        self.folder = settings.batches_dir
        self._seconds = settings.query_days * 86_400
        self._most_bytes = settings.query_mb * 1_000_000

    def start(
        self, uploads: Sequence[Upload], fields: Mapping[str, Any], format: BatchFormat
    ) -> KeptBatch:
        """Keep what was sent, to be searched with in the background.

        Raises:
            NotAllowed: the server keeps nothing.
            TooBusy: batches that are not done yet take all the room.
            BadField: the uploads are no pictures; see `keep_uploads`.
            StorageFull: the disk is full.
            OSError: it refuses.
        """
        if not self._seconds or not self._most_bytes:
            raise NotAllowed("This server keeps no pictures, so it takes no batches either.")
        self.purge()
        unfinished = [one for one in self.all() if not one.is_over]
        if sum(_size(self.folder / one.id) for one in unfinished) > self._most_bytes:
            raise TooBusy("Too many batches wait to be searched with: try again later.")
        folder = self._of(secrets.token_hex(16))
        private_folder(self.folder)
        (folder / "upload").mkdir(parents=True)
        try:
            source, pictures, total = keep_uploads(folder / "upload", uploads)
            batch = KeptBatch(
                id=folder.name,
                created=datetime.now(UTC),
                format=format,
                fields=fields,
                source=source,
                pictures=pictures,
                total=total,
            )
            asked = {name: value for name, value in asdict(batch).items() if name not in _STATE}
            asked |= {"created": batch.created.isoformat()}
            self.note(batch)
            write_atomically(folder / "asked.json", json.dumps(asked))
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if StorageFull.is_told_by(error):
                raise StorageFull(f"a batch cannot be kept: {error}") from error
            raise
        return batch

    def batch(self, batch_id: str) -> KeptBatch:
        """Look at a batch.

        Raises:
            UnknownBatch: there is none.
        """
        folder = self._of(batch_id)
        try:
            asked = json.loads((folder / "asked.json").read_text("utf-8"))
            state = json.loads((folder / "state.json").read_text("utf-8"))
        except FileNotFoundError as error:
            raise UnknownBatch(batch_id) from error
        created = datetime.fromisoformat(asked["created"])
        batch = KeptBatch(**{**asked, **state, "created": created})
        if (datetime.now(UTC) - created).total_seconds() > self._seconds:
            raise UnknownBatch(batch_id)
        return batch

    def all(self) -> Iterator[KeptBatch]:
        """The batches, the oldest first."""
        found = []
        for folder in self._folders():
            with suppress(UnknownBatch):
                found.append(self.batch(folder.name))
        yield from sorted(found, key=lambda one: one.created)

    def results(self, batch_id: str) -> Path:
        """The file of a batch's results.

        Raises:
            UnknownBatch: there is no such batch.
            BatchUnfinished: it has none.
        """
        batch = self.batch(batch_id)
        if batch.state != "done":
            raise BatchUnfinished(f"The batch is {batch.state}: it has no results.")
        return self.out(batch) if batch.format != "pdf" else self.out(batch).with_suffix(".zip")

    def out(self, batch: KeptBatch) -> Path:
        """Where `run_batch` writes: a table, or a folder of reports."""
        suffix = "" if batch.format == "pdf" else f".{batch.format}"
        return self._of(batch.id) / "out" / f"results{suffix}"

    def upload(self, batch: KeptBatch) -> Path:
        """The folder of what was sent."""
        return self._of(batch.id) / "upload"

    def lock(self, batch: KeptBatch) -> Path:
        """The file that is locked by who works on a batch."""
        return self._of(batch.id) / "lock"

    def note(self, batch: KeptBatch) -> None:
        """Keep how far a batch is, unless it was forgotten meanwhile.

        Raises:
            OSError: the disk refuses.
        """
        state = {name: value for name, value in asdict(batch).items() if name in _STATE}
        state["unreadable"] = list(batch.unreadable)[:_NAMED]
        with suppress(FileNotFoundError):
            write_atomically(self._of(batch.id) / "state.json", json.dumps(state))

    def end(self, batch: KeptBatch, error: str | None = None) -> None:
        """Note that nothing is left to do, and remove what was sent.

        Raises:
            OSError: the disk refuses.
        """
        state: BatchState = "done" if error is None else "stopped"
        self.note(replace(batch, state=state, seconds_left=None, error=error))
        shutil.rmtree(self.upload(batch), ignore_errors=True)

    def forget(self, batch_id: str) -> None:
        """Remove a batch now; who works on it stops."""
        shutil.rmtree(self._of(batch_id), ignore_errors=True)  # another server may be at it

    def is_forgotten(self, batch: KeptBatch) -> bool:
        """Whether there is no more use in working on it."""
        return not (self._of(batch.id) / "asked.json").exists()

    def purge(self) -> None:
        """Remove what is too old, and the oldest that are over where they take too much."""
        used = 0
        kept = {one.id: one for one in self.all()}
        for folder in self._folders():
            with suppress(FileNotFoundError):
                is_new = time.time() - folder.stat().st_mtime < _BEING_SENT_S
                if folder.name not in kept and not (is_new and self._is_being_sent(folder)):
                    shutil.rmtree(folder, ignore_errors=True)
        for batch in reversed(kept.values()):
            used += _size(self.folder / batch.id)
            if used > self._most_bytes and batch.is_over:
                self.forget(batch.id)

    @staticmethod
    def _is_being_sent(folder: Path) -> bool:
        return not (folder / "asked.json").exists()

    def _folders(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from (one for one in self.folder.iterdir() if HANDLE.fullmatch(one.name))

    def _of(self, batch_id: str) -> Path:
        """The folder of an id, once it is sure to be one: it becomes part of a path."""
        if not HANDLE.fullmatch(batch_id):
            raise UnknownBatch(batch_id[:80])
        return self.folder / batch_id


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, without what others remove meanwhile."""
    size = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size
