"""A batch of searches from its source to its table or reports."""

import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from indexer.errors import BadQuery
from indexer.query import WORDS, ranks_words
from indexer.register.durable import sync_folder
from indexer.sources import RejectedRow, SourceRow, open_source
from models.errors import MarkLensError, UnreadableImage
from models.run_folder import write_atomically
from models.version import marklens_version
from search_api.batch.journal import Journal
from search_api.batch.naming import Name, Names
from search_api.batch.tables import SUFFIXES, write_table
from search_api.encoding_lane import TOGETHER
from search_api.errors import TooBusy
from search_api.marklens import MarkLens
from search_api.report.contents import (
    Fact,
    ReportRequest,
    facts_asked,
    filters_of,
    make_report,
    options_of,
)
from search_api.report.writing import write_report
from search_api.request import SearchRequest
from search_api.schemas import SearchResponse

_AHEAD = 3  # pictures that wait for each thread
_BUSY_S = 0.25  # until a picture is tried again that found no room
_WRITTEN = ".reports.json"  # in the output folder: which reports a batch has written
OnProgress = Callable[[int, int, Sequence[tuple[str, str]]], None]


@dataclass(frozen=True)
class BatchRequest:
    """What to search for, and where the results go.

    Attributes:
        source: a folder or zip file of pictures, or a table that names them, as `marklens index`
            reads them, but that `id` may be any label, and PDF files are pictures.
        out: a table (.csv, .xlsx or .jsonl), or a folder that gets a PDF report each.
        search: what each search asks; its picture is taken from the source.
        images: the folder or zip file of the pictures that a table names.

    Raises:
        BadQuery: the output's name says no format of a table.
    """

    source: Path
    out: Path
    search: SearchRequest
    images: Path | None = None

    def __post_init__(self) -> None:
        """Check the name of the output."""
        if self.out.suffix and self.out.suffix.lower() not in SUFFIXES and not self.out.is_dir():
            raise BadQuery(
                f"{self.out.name}: name the table .csv, .xlsx or .jsonl, or give a folder for one "
                "report each"
            )

    @property
    def is_table(self) -> bool:
        """Whether all results go into one file."""
        return self.out.suffix.lower() in SUFFIXES and not self.out.is_dir()

    @property
    def asked(self) -> dict[str, object]:
        """What decides the results, as JSON."""
        search = self.search
        return {
            "source": str(self.source.resolve()),
            "images": None if self.images is None else str(self.images.resolve()),
            "k": search.k,
            "offset": search.offset,
            "weights": dict(sorted((search.weights or {}).items())),
            "filters": filters_of(search.filter),
            "options": options_of(search),
        }


@dataclass(frozen=True)
class BatchReport:
    """What a batch did.

    Attributes:
        searched: pictures searched with, by this run.
        skipped: pictures that a run before it had done.
        unreadable: name and reason of each picture that no search could be made with.
        interrupted: whether it was stopped before its end.
        warnings: what was left out of the source.
    """

    searched: int
    skipped: int
    unreadable: tuple[tuple[str, str], ...]
    interrupted: bool
    warnings: tuple[str, ...] = ()


def run_batch(
    marklens: MarkLens,
    asked: BatchRequest,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnProgress | None = None,
    threads: int = TOGETHER,
) -> BatchReport:
    """Search with each picture of a source, and write the results.

    What is done is kept in a folder beside the output, named as it is and ``.part``: an interrupted
    or killed run goes on there, and the output appears (or is complete) when all is done.

    Args:
        marklens: whose register is searched.
        asked: what, and where to.
        stop: asked after each picture whether to end.
        on_progress: called with (pictures done, in all, name and reason of the unreadable) after
            each.
        threads: pictures that are looked at, at the same time, at most.

    Raises:
        SourceError: the source cannot be read.
        RunUnderWay: another run writes the same output.
        BadLabels: an unfinished batch beside the output was asked for otherwise.
        MarkLensError: the register or the disk fails; what is done is kept.
    """
    rows = open_source(asked.source, asked.images, labels=True)
    blocks = [block.name for block in marklens.encoder.blocks]
    if ranks_words(asked.search.filter, asked.search.weights):
        blocks.append(WORDS)
    network = {"network": marklens.encoder.fingerprint}
    folder = asked.out.with_name(asked.out.name + ".part")
    with Journal(folder, {**asked.asked, **network}) as journal:
        batch = _Batch(marklens, asked, journal, stop)
        interrupted = True
        wanted = (row for row in rows if isinstance(row, SourceRow | RejectedRow))
        with suppress(_Stopped):
            for done, _ in enumerate(batch.lines(wanted, threads), start=1):
                if on_progress is not None:
                    on_progress(done, max(rows.last_position, done), batch.unreadable)
                if stop():
                    break
            else:
                batch.finish(blocks)
                interrupted = False
        left_out = (*rows.warnings, *rows.broken)
        return replace(batch.report, interrupted=interrupted, warnings=left_out)


class _Stopped(Exception):
    """The batch was told to end."""


class _Batch:
    """Searches in a few threads, in order: some are read and ranked while others are encoded."""

    def __init__(
        self, marklens: MarkLens, asked: BatchRequest, journal: Journal, stop: Callable[[], bool]
    ) -> None:
        self._marklens, self._asked, self._journal = marklens, asked, journal
        self._stop = stop
        self._names = Names()
        self._searched = self._skipped = 0
        self.unreadable: list[tuple[str, str]] = []  # name and reason
        self._met: list[str] = []  # keys of the pictures that the source has now, in its order

    def lines(
        self, rows: Iterator[SourceRow | RejectedRow], threads: int
    ) -> Iterator[Mapping[str, Any]]:
        """Search with each row's picture, and note the result."""
        waiting: deque[Future[dict[str, Any]]] = deque()
        # No more than every lane has room for: nobody is to be turned away.
        threads = min(threads, 1 + self._marklens.settings.encode_queue // 4)
        with ThreadPoolExecutor(threads, "marklens-batch") as pool:
            try:
                for row in rows:
                    waiting.append(pool.submit(self._line, row, self._names.of(row)))
                    if len(waiting) > threads * _AHEAD:
                        yield self._noted(waiting.popleft().result())
                while waiting:
                    yield self._noted(waiting.popleft().result())
            finally:
                pool.shutdown(cancel_futures=True)

    @property
    def report(self) -> BatchReport:
        """What was done so far."""
        return BatchReport(self._searched, self._skipped, tuple(self.unreadable), True)

    def _line(self, row: SourceRow | RejectedRow, name: Name) -> dict[str, Any]:
        """What becomes of a row, in a thread of its own."""
        line = {"key": name.key, "digest": "", "id": name.label, "image": name.image}
        if isinstance(row, RejectedRow):
            return {**line, "error": row.reason}
        try:
            content = row.read_picture()
            line["digest"] = hashlib.sha256(content).hexdigest()
            if self._is_done(name, line["digest"] or ""):
                return {**line, "skipped": True}
            return {**line, **self._result(name, content)}
        except UnreadableImage as error:
            # A picture that comes as bytes has no name of its own to be called by.
            reason = re.sub(r"^image\b", lambda _: name.image or name.label, str(error))
            return {**line, "error": reason}

    def _is_done(self, name: Name, digest: str) -> bool:
        """Whether a run before this one did the very same picture, and its report is there."""
        if self._asked.is_table:
            return self._journal.is_done(name.key, digest, None)
        is_there = (self._asked.out / name.report).is_file()
        return is_there and self._journal.is_done(name.key, digest, name.report)

    def _result(self, name: Name, content: bytes) -> dict[str, Any]:
        """The answer, or the report's name; who finds no room for a picture tries again."""
        while True:
            try:
                return self._searched_with(name, replace(self._asked.search, picture=content))
            except TooBusy:  # searches of people go first
                if self._stop():
                    raise _Stopped from None
                time.sleep(_BUSY_S)

    def _searched_with(self, name: Name, search: SearchRequest) -> dict[str, Any]:
        if self._asked.is_table:
            answer = SearchResponse.of(self._marklens.search(search))
            return dict(answer.model_dump(mode="json"))
        shown = name.image or name.label
        report = make_report(self._marklens, ReportRequest(search, picture_name=shown))
        file = self._asked.out / name.report
        file.parent.mkdir(parents=True, exist_ok=True)
        write_report(report, file)
        return {"report": name.report}

    def finish(self, blocks: list[str]) -> None:
        """Write the table, or remove the reports of what the source no longer has; forget the rest.

        Raises:
            MarkLensError: the disk refuses, or the table holds no such number of rows.
        """
        out, journal = self._asked.out, self._journal
        lines = journal.lines(self._met)
        try:
            if self._asked.is_table:
                unfinished = journal.folder / out.name
                write_table(unfinished, lines, blocks, self._facts())
                unfinished.replace(out)
            else:
                _keep_reports(out, journal.reports(), {line.get("report") for line in lines})
            sync_folder(out.parent)
        except OSError as error:
            raise MarkLensError(f"cannot write {out}: {error.strerror or error}") from error
        journal.remove()

    def _facts(self) -> list[Fact]:
        """What the table says of the search; of which state of the register, each row says."""
        asked = replace(self._asked.search, picture=b"", mark_id=None)
        return [
            Fact("Date", datetime.now(UTC).date().isoformat()),
            Fact("Pictures", self._asked.source.name),
            *facts_asked(self._marklens, asked),
            Fact("Reported", f"the first {asked.k:,} of each picture"),
            Fact("Network", self._marklens.encoder.fingerprint),
            Fact("Made with", f"MarkLens {marklens_version()}"),
        ]

    def _noted(self, line: dict[str, Any]) -> dict[str, Any]:
        self._met.append(line["key"])
        if line.get("skipped"):
            self._skipped += 1
            return line
        self._journal.add(line)
        if "error" in line:
            self.unreadable.append((line["image"] or line["id"], line["error"]))
        else:
            self._searched += 1
        return line


def _keep_reports(folder: Path, written: set[str], wanted: set[str | None]) -> None:
    """Remove the reports that batches wrote into a folder, this one and those before, but some.

    Raises:
        OSError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / _WRITTEN
    before = set(json.loads(note.read_text("utf-8"))) if note.exists() else set()
    for name in (before | written) - wanted:
        (folder / name).unlink(missing_ok=True)
    write_atomically(note, json.dumps(sorted(filter(None, wanted)), ensure_ascii=False))
