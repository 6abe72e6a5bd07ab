"""A batch of searches from its source to its table or reports."""

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from indexer.errors import BadQuery
from indexer.query import WORDS
from indexer.register.durable import sync_folder
from indexer.sources import RejectedRow, SourceRow, open_source
from models.errors import MarkLensError, UnreadableImage
from search_api.batch.journal import Journal
from search_api.batch.tables import SUFFIXES, write_table
from search_api.encoding_lane import TOGETHER
from search_api.marklens import MarkLens
from search_api.report.contents import ReportRequest, filters_of, make_report, options_of
from search_api.report.writing import write_report
from search_api.request import SearchRequest
from search_api.schemas import SearchResponse

_AHEAD = 3  # pictures that wait for each thread
OnProgress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class BatchRequest:
    """What to search for, and where the results go.

    Attributes:
        source: a folder of pictures, or a table that names them, as `marklens index` reads them.
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
    """

    searched: int
    skipped: int
    unreadable: tuple[tuple[str, str], ...]
    interrupted: bool


def run_batch(
    marklens: MarkLens,
    asked: BatchRequest,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnProgress | None = None,
) -> BatchReport:
    """Search with each picture of a source, and write the results.

    What is done is kept in a folder beside the output, named as it is and ``.part``: an interrupted
    or killed run goes on there, and the output appears (or is complete) when all is done.

    Args:
        marklens: whose register is searched.
        asked: what, and where to.
        stop: asked after each picture whether to end.
        on_progress: called with (pictures done, in all, unreadable) after each.

    Raises:
        SourceError: the source cannot be read.
        BadLabels: an unfinished batch beside the output was asked for otherwise.
        MarkLensError: the register or the disk fails; what is done is kept.
    """
    rows = open_source(asked.source, asked.images)
    blocks = [block.name for block in marklens.encoder.blocks]
    if asked.search.filter.text and (asked.search.weights or {}).get(WORDS):
        blocks.append(WORDS)
    network = {"network": marklens.encoder.fingerprint}
    folder = asked.out.with_name(asked.out.name + ".part")
    with Journal(folder, {**asked.asked, **network}) as journal:
        batch = _Batch(marklens, asked, journal)
        unreadable = 0
        wanted = (row for row in rows if isinstance(row, SourceRow | RejectedRow))
        for done, line in enumerate(batch.lines(wanted), start=1):
            unreadable += "error" in line
            if on_progress is not None:
                on_progress(done, max(rows.last_position, done), unreadable)
            if stop():
                break
        else:
            batch.finish(blocks)
            return batch.report(interrupted=False)
    return batch.report(interrupted=True)


class _Batch:
    """Searches in a few threads, in order: some are read and ranked while others are encoded."""

    def __init__(self, marklens: MarkLens, asked: BatchRequest, journal: Journal) -> None:
        self._marklens, self._asked, self._journal = marklens, asked, journal
        self._searched = self._skipped = 0
        self._unreadable: list[tuple[str, str]] = []
        self._met: set[str] = set()  # keys of the pictures that the source has now

    def lines(self, rows: Iterator[SourceRow | RejectedRow]) -> Iterator[Mapping[str, Any]]:
        """Search with each row's picture, and note the result."""
        waiting: deque[Future[dict[str, Any]]] = deque()
        # No more than every lane has room for: nobody is to be turned away.
        threads = min(TOGETHER, 1 + self._marklens.settings.encode_queue // 4)
        with ThreadPoolExecutor(threads, "marklens-batch") as pool:
            try:
                for row in rows:
                    waiting.append(pool.submit(self._line, row))
                    if len(waiting) > threads * _AHEAD:
                        yield self._noted(waiting.popleft().result())
                while waiting:
                    yield self._noted(waiting.popleft().result())
            finally:
                pool.shutdown(cancel_futures=True)

    def report(self, *, interrupted: bool) -> BatchReport:
        """What was done."""
        return BatchReport(self._searched, self._skipped, tuple(self._unreadable), interrupted)

    def _line(self, row: SourceRow | RejectedRow) -> dict[str, Any]:
        """What becomes of a row, in a thread of its own."""
        if isinstance(row, RejectedRow):
            name = row.image or row.id or f"row {row.position}"
            key = f"{row.position} {name}"
            return {"key": key, "digest": "", "id": name, "image": row.image, "error": row.reason}
        name = row.record.image_name or row.record.id
        line = {"key": f"{row.position} {name}", "id": row.record.id, "image": name}
        try:
            content = row.read_picture()
            line["digest"] = hashlib.sha256(content).hexdigest()
            if self._is_done(row, line):
                return {**line, "skipped": True}
            return {**line, **self._result(row, content)}
        except UnreadableImage as error:
            # A picture that comes as bytes has no name of its own to be called by.
            reason = re.sub(r"^image\b", lambda _: name, str(error))
            return {"digest": "", **line, "error": reason}

    def _is_done(self, row: SourceRow, line: Mapping[str, Any]) -> bool:
        """Whether a run before this one did the very same picture, and its report is there."""
        if self._journal.done.get(line["key"]) != line["digest"]:
            return False
        return self._asked.is_table or self._report_file(row).is_file()

    def _report_file(self, row: SourceRow) -> Path:
        return self._asked.out / f"{row.position:04d}-{row.record.id[:60]}.pdf"

    def _result(self, row: SourceRow, content: bytes) -> dict[str, Any]:
        search = replace(self._asked.search, picture=content)
        if self._asked.is_table:
            answer = SearchResponse.of(self._marklens.search(search))
            return dict(answer.model_dump(mode="json"))
        file = self._report_file(row)
        name = row.record.image_name or row.record.id
        report = make_report(self._marklens, ReportRequest(search, picture_name=name))
        file.parent.mkdir(parents=True, exist_ok=True)
        write_report(report, file)
        return {"report": file.name}

    def finish(self, blocks: list[str]) -> None:
        """Write the table, or remove the reports of what the source no longer has; forget the rest.

        Raises:
            MarkLensError: the disk refuses, or the table holds no such number of rows.
        """
        out, journal = self._asked.out, self._journal
        lines = (line for line in journal if line["key"] in self._met)
        try:
            if self._asked.is_table:
                unfinished = journal.folder / out.name
                write_table(unfinished, lines, blocks)
                unfinished.replace(out)
            else:
                for name in journal.reports() - {line.get("report") for line in lines}:
                    (out / name).unlink(missing_ok=True)
            sync_folder(out.parent)
        except OSError as error:
            raise MarkLensError(f"cannot write {out}: {error.strerror or error}") from error
        journal.remove()

    def _noted(self, line: dict[str, Any]) -> dict[str, Any]:
        self._met.add(line["key"])
        if line.get("skipped"):
            self._skipped += 1
            return line
        self._journal.add(line)
        if "error" in line:
            self._unreadable.append((line["image"] or line["id"], line["error"]))
        else:
            self._searched += 1
        return line
