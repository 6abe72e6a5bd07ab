"""PostgreSQL stopped, restarted or cutting connections in the middle of a run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from indexer.errors import DatabaseLost
from indexer.ingest import IngestOptions, IngestProgress, IngestReport, ingest
from indexer.ingest.retry import Retry
from indexer.ingest.workers import LocalWorkers
from indexer.register import Register
from indexer.register.image_store import ImageStore
from indexer.sources import open_source
from models.encoder import Encoder

pytestmark = pytest.mark.postgres
SOURCES = ("table", "office_file")
Same = Callable[[Any, Path], None]
Run = Callable[..., IngestReport]


@pytest.fixture
def there(own_postgres: Any, place: Any) -> Any:
    """Where a run writes: a database of a server that can be stopped."""
    own_postgres.run("CREATE DATABASE marklens")
    return type(place)(place.folder, own_postgres.url("marklens"))


@pytest.fixture
def register(there: Any, encoder: Encoder) -> Iterator[Register]:
    opened = Register.open(there.url)
    opened.bind_fingerprint(encoder.fingerprint, encoder.dimension)
    yield opened
    opened.close()


@pytest.fixture
def run(there: Any, register: Register, encoder: Encoder) -> Run:
    """A function (source, patience in seconds, on_progress) → the report of a run."""

    def resume(
        source: Path, retry_s: float, on_progress: Callable[[IngestProgress], None] | None = None
    ) -> IngestReport:
        options = IngestOptions(
            resume=True, batch=4, retry_s=retry_s, rejects_dir=there.folder / "rejects"
        )
        images = ImageStore(there.folder / "images")
        rows = open_source(source, strict=True)
        return ingest(rows, register, images, LocalWorkers(encoder), options, on_progress)

    return resume


@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_a_server_that_restarts_is_waited_for(
    own_postgres: Any,
    there: Any,
    register: Register,
    run: Run,
    source: Path,
    is_as_after_a_clean_run: Same,
) -> None:
    over = threading.Event()

    def start_later() -> None:
        over.wait(0.5)
        own_postgres.start()
        over.wait()  # the server dies with the thread that started it

    starting = threading.Thread(target=start_later)

    def restart(progress: IngestProgress) -> None:
        if progress.counts.read >= 8 and not starting.is_alive():
            own_postgres.stop()
            starting.start()

    try:
        report = run(source, 60, restart)
        is_as_after_a_clean_run(there, source)
        (noted,) = register.last_runs()
    finally:
        over.set()
        starting.join()
    assert report.read == report.indexed + report.updated + report.unchanged + report.rejected
    assert (noted.state, noted.counts.read) == ("finished", report.read)


@pytest.mark.parametrize("source", SOURCES, indirect=True)
def test_a_server_that_stays_away_ends_the_run_and_resume_completes_it(
    own_postgres: Any,
    there: Any,
    register: Register,
    run: Run,
    source: Path,
    is_as_after_a_clean_run: Same,
) -> None:
    def stop(progress: IngestProgress) -> None:
        if progress.counts.read >= 16:  # by then the first batch must be committed
            own_postgres.stop()

    with pytest.raises(DatabaseLost, match="check that the server runs"):
        run(source, 0, stop)
    own_postgres.start()
    report = run(source, 0)
    assert report.resumed_after > 0
    is_as_after_a_clean_run(there, source)
    assert register.last_runs(1)[0].state == "finished"


def test_connections_cut_again_and_again_lose_nothing(
    own_postgres: Any,
    there: Any,
    run: Run,
    office_file: Path,
    is_as_after_a_clean_run: Same,
) -> None:
    done = threading.Event()

    def cut() -> None:
        others = "datname = 'marklens' AND pid <> pg_backend_pid()"
        pause = 0.02
        while not done.wait(pause):
            pause = min(1.1 * pause, 2.0)  # so that a slow machine gets its answer in between
            with suppress(psycopg.OperationalError):
                own_postgres.run(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"  # noqa: S608
                )

    cutter = threading.Thread(target=cut)

    def begin_to_cut(progress: IngestProgress) -> None:
        if progress.counts.read >= 4 and not cutter.is_alive() and not done.is_set():
            cutter.start()
        if progress.counts.read >= 24:
            done.set()

    try:
        run(office_file, 60, begin_to_cut)
    finally:
        done.set()
        cutter.join()
    is_as_after_a_clean_run(there, office_file)


def test_waiting_ends_when_it_is_told_to_and_only_for_lost_connections() -> None:
    asked = []

    def lost() -> None:
        asked.append(1)
        raise DatabaseLost("gone.")

    with pytest.raises(DatabaseLost):
        Retry(60, stop=lambda: True).until_done(lost)
    with pytest.raises(DatabaseLost):
        Retry(0).until_done(lost)
    assert len(asked) == 2
    with pytest.raises(ZeroDivisionError):
        Retry(60).until_done(lambda: 1 // 0)
