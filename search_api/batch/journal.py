"""What a batch has done, one line of JSON a picture, so that a killed run goes on where it was."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from indexer.errors import RunUnderWay
from models.errors import MarkLensError
from models.run_folder import claim_folder

_LINES = "done.jsonl"


class Journal:
    """The lines of one run, in a folder beside its output that is gone when it has finished.

    A line is on the disk before the next picture's is written; half a line, which a kill may
    leave, is forgotten. One run at a time has the journal.
    """

    def __init__(self, folder: Path, asked: Mapping[str, object]) -> None:
        """Begin, or go on.

        Args:
            folder: of the journal.
            asked: what the run was asked for, as JSON has it.

        Raises:
            RunUnderWay: another run goes on in it.
            BadLabels: the folder holds a run that was asked for otherwise.
            MarkLensError: the disk refuses.
        """
        self.folder = folder
        self._lock = FileLock(folder / "lock", timeout=0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            claim_folder(folder / "request.json", asked)
            self._stream: IO[bytes] = (folder / _LINES).open("a+b")
            self._stream.truncate(self._whole_lines())
        except Timeout as error:
            raise RunUnderWay(
                f"another run writes {folder.stem} already: wait for its end or stop it"
            ) from error
        except OSError as error:
            self._lock.release()
            raise MarkLensError(f"cannot write {folder}: {error.strerror or error}") from error
        except MarkLensError:
            self._lock.release()
            raise
        # What could not be read is tried again: it may have been mended since.
        lines = map(json.loads, self._lines())
        self._done = {one["key"]: _outcome(one) for one in lines}

    def __enter__(self) -> "Journal":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, and let others have the journal; what it holds stays."""
        self._stream.close()
        self._lock.release()

    def is_done(self, key: str, digest: str, report: str | None) -> bool:
        """Whether the picture of these bytes was searched with, into this report if into any."""
        return self._done.get(key) == (digest, report)

    def lines(self, keys: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The lines of some pictures, in their order; of one done twice the later one."""
        latest: dict[str, int] = {}
        place = 0
        for line in self._lines():
            latest[json.loads(line)["key"]] = place
            place += len(line)
        with (self.folder / _LINES).open("rb") as file:
            for key in keys:
                file.seek(latest[key])
                yield json.loads(file.readline())

    def reports(self) -> set[str]:
        """The names of all reports that were ever written, also of pictures done again since."""
        return {made for line in self._lines() if (made := json.loads(line).get("report"))}

    def add(self, line: Mapping[str, Any]) -> None:
        """Note what was done with a picture: `key`, `digest` and its result.

        Raises:
            MarkLensError: the disk refuses.
        """
        try:
            self._stream.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise MarkLensError(f"cannot write {self.folder}: {error.strerror or error}") from error

    def remove(self) -> None:
        """Forget all: the output is complete."""
        self._stream.close()
        shutil.rmtree(self.folder)

    def _lines(self) -> Iterator[bytes]:
        with (self.folder / _LINES).open("rb") as file:
            yield from file

    def _whole_lines(self) -> int:
        return sum(len(line) for line in self._lines() if line.endswith(b"\n"))


def _outcome(line: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Of which bytes a line tells, and which report; None where there is no result."""
    return None if "error" in line else (line["digest"], line.get("report"))
