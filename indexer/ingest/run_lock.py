"""One process at a time goes on with a run: two would write one rejects file through each other."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from indexer.errors import RunUnderWay
from models.errors import MarkLensError


class RunLock:
    """A lock on one run, held by an empty file; gone with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[Path, IO[str]] | None = None

    def __enter__(self) -> "RunLock":
        """Return itself; nothing is locked yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the run go."""
        if self._held is None:
            return
        path, file = self._held
        with suppress(OSError):
            path.unlink()  # while it is locked: whoever opens it from now on makes a new one
        file.close()

    def take(self, register: str, run_id: int) -> None:
        """Lock a run.

        Args:
            register: its identity; several may share a data folder.
            run_id: the run.

        Raises:
            RunUnderWay: another process, or this one, goes on with the run.
            MarkLensError: the disk refuses.
        """
        path = _path(self._folder, register, run_id)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._held = path, _locked(path)
        except BlockingIOError as error:
            raise RunUnderWay(
                f"run {run_id} over this source is still going on in another process; wait for "
                "it or end it"
            ) from error
        except OSError as error:
            raise MarkLensError(f"cannot write {path}: {error.strerror}") from error


def was_killed(folder: Path, register: str, run_id: int) -> bool:
    """Whether a run's process died without a word: its lock is still there, and nobody holds it.

    Args:
        folder: that the run's lock lies in.
        register: its identity.
        run_id: the run.
    """
    try:
        with _path(folder, register, run_id).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:  # it goes on, or ended, or this folder cannot say
        return False


def _path(folder: Path, register: str, run_id: int) -> Path:
    return folder / f".run-{register[:12]}-{run_id}.lock"


def _locked(path: Path) -> IO[str]:
    """The file, open and locked, and still the one that has this name."""
    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BaseException:
            file.close()
            raise
        file.close()  # its holder has just deleted it
