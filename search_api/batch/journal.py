"""What a batch has done, one line of JSON a picture, so that a killed run goes on where it was."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from models.errors import MarkLensError
from models.run_folder import claim_folder

_LINES = "done.jsonl"


class Journal:
    """The lines of one run, in a folder beside its output that is gone when it has finished.

    A line is on the disk before the next picture's is written; half a line, which a kill may
    leave, is forgotten.
    """

    def __init__(self, folder: Path, asked: Mapping[str, object]) -> None:
        """Begin, or go on.

        Args:
            folder: of the journal.
            asked: what the run was asked for, as JSON has it.

        Raises:
            BadLabels: the folder holds a run that was asked for otherwise.
            MarkLensError: the disk refuses.
        """
        self.folder = folder
        try:
            claim_folder(folder / "request.json", asked)
            self._stream: IO[bytes] = (folder / _LINES).open("a+b")
            self._stream.truncate(self._whole_lines())
        except OSError as error:
            raise MarkLensError(f"cannot write {folder}: {error.strerror or error}") from error
        # What could not be read is tried again: it may have been mended since.
        self.done = {line["key"]: line["digest"] for line in self if "error" not in line}

    def __enter__(self) -> "Journal":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what it holds stays."""
        self._stream.close()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read the lines in the order of the pictures; of a picture done twice the later one."""
        latest: dict[str, int] = {}
        place = 0
        for line in self._lines():
            latest[json.loads(line)["key"]] = place
            place += len(line)
        for key in sorted(latest, key=lambda key: int(key.partition(" ")[0])):
            with (self.folder / _LINES).open("rb") as file:
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
        self.done[line["key"]] = line["digest"]

    def remove(self) -> None:
        """Forget all: the output is complete."""
        self._stream.close()
        shutil.rmtree(self.folder)

    def _lines(self) -> Iterator[bytes]:
        with (self.folder / _LINES).open("rb") as file:
            yield from file

    def _whole_lines(self) -> int:
        return sum(len(line) for line in self._lines() if line.endswith(b"\n"))
