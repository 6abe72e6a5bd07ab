"""Begins a run over a source, or resumes the unfinished one, and locks it while it goes on."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from indexer.errors import RunUnderWay
from indexer.register import Register
from indexer.runs import Run
from indexer.sources import MarkSource, SourceState
from models.errors import MarkLensError


class RunLock:
    """A lock on one run, held by an empty file; released when the process ends, however it ends.

    One process at a time goes on with a run: two would write one rejects file through each other.
    """

    def __init__(self, folder: Path, register: str, run_id: int) -> None:
        """Lock a run.

        Args:
            folder: that the file lies in.
            register: its identity; several may share a data folder.
            run_id: the run.

        Raises:
            RunUnderWay: another process, or this one, goes on with the run.
            MarkLensError: the disk refuses.
        """
        self._path = _path(folder, register, run_id)
        self._lock = FileLock(self._path, timeout=0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as error:
            raise RunUnderWay(
                f"run {run_id} over this source is still going on in another process; wait for "
                "it or end it"
            ) from error
        except OSError as error:
            raise MarkLensError(f"cannot write {self._path}: {error.strerror}") from error

    def release(self) -> None:
        """Release the lock; the file is removed first, while nobody else can hold it."""
        with suppress(OSError):
            self._path.unlink()
        self._lock.release()


def was_killed(folder: Path, register: str, run_id: int) -> bool:
    """Whether a run's process was killed: its lock file is still there, and nobody holds it.

    Args:
        folder: that the run's lock lies in.
        register: its identity.
        run_id: the run.
    """
    path = _path(folder, register, run_id)
    try:
        if path.exists():
            with FileLock(path, timeout=0):
                return True
    except (OSError, Timeout):
        pass  # it goes on, or this folder cannot say
    return False


def open_run(
    register: Register, source: MarkSource, folder: Path, *, resume: bool
) -> tuple[Run, RunLock, Sequence[str]]:
    """Go on with a source's unfinished run, or begin a new one.

    Args:
        register: that the run is noted in.
        source: what it reads.
        folder: of the run's lock.
        resume: go on, if the source has an unfinished run and has not changed since.

    Returns:
        The run, locked, and warnings.

    Raises:
        RunUnderWay: the run to be resumed goes on elsewhere.
    """
    state = source.state
    last = next(iter(register.last_runs(limit=1, source=state.path)), None)
    lock = None
    if resume and last is not None and last.state != "finished" and _is_same(last, source):
        lock = RunLock(folder, register.identity(), last.id)
    if last is not None and last.state == "running":
        # Killed: nobody could note it then. (Two runs over one source at once do no harm.)
        register.finish_run(last.reached, "interrupted", last.rejects_file)
    if lock is not None and last is not None:
        return last, lock, ()
    run = register.start_run(state.path, state.size, state.mtime_ns)
    nothing = "nothing to resume: no unfinished run over this very table; read from the start"
    return run, RunLock(folder, register.identity(), run.id), (nothing,) if resume else ()


def is_indexed(source: MarkSource, register: Register) -> bool:
    """Whether the last run over this source, unchanged since, has finished; reads no row."""
    runs = register.last_runs(limit=1, source=source.state.path)
    return any(run.state == "finished" and _is_same(run, source) for run in runs)


def _is_same(run: Run, source: MarkSource) -> bool:
    """Whether a run read this very source: same place, size and time of change."""
    return SourceState(run.source, run.size, run.mtime_ns) == source.state


def _path(folder: Path, register: str, run_id: int) -> Path:
    return folder / f".run-{register[:12]}-{run_id}.lock"
