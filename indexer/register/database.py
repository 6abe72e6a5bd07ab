"""Opens the register's database: URL, engine, plain errors."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from indexer.errors import DatabaseLost, DatabaseUnavailable, NoRegister, StorageFull
from indexer.register.durable import private_folder
from models.errors import MarkLensError
from models.redaction import HIDDEN, redacted

_WAIT_S = 30.0  # how long a writer waits for another one, and any statement may take
_CONNECT_S = 5  # how long a connection may take, new or from the pool
_LOCK_S = 1.0  # how long a change of the schema waits for a lock, behind which searches wait
MIGRATION = "MIGRATION"  # kind of transaction: one that changes the schema
BINARY = {
    "is_binary": True
}  # of statements for vectors: PostgreSQL's texts of them are twice as long
ANSWER_S = 10.0  # how long a reader waits for PostgreSQL
# A machine that is gone is noticed after half a minute at most.
_CONNECTING = {
    "connect_timeout": _CONNECT_S,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# PostgreSQL's states: shut down by an administrator, after a crash, starting or stopping.
_GONE = ("57P01", "57P02", "57P03")
_NO_SPACE = ("53100",)
# Options of a database URL that tell where the database is, and hold no secret.
_PLACES = ("host", "hostaddr", "port", "dbname", "user", "service")
_SHOWN_OPTIONS = frozenset((*_PLACES, "sslmode", "connect_timeout", "target_session_attrs"))
_FILES: WeakKeyDictionary[Engine, Path] = WeakKeyDictionary()  # that this process has open
_ADVICE = {  # what SQLite's or PostgreSQL's message holds → what to do
    "is locked": "; another process has been writing for too long, try again when it is done",
    "readonly": "; let this account write to the file and its folder",
    "unable to open": "; check the path, and that this account may write there",
    "not a database": "; name another file, or bring this one back from a backup",
    "connection": "; check that the server runs and that the URL names it",
}


def parse_url(text: str) -> URL:
    """Read a database URL; ``postgresql://`` means psycopg 3.

    Raises:
        DatabaseUnavailable: it is no URL, or of a database that MarkLens does not use.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DatabaseUnavailable(
            "The database URL cannot be read: write sqlite:///path/register.db or "
            "postgresql://user:password@host/database."
        ) from None  # whose text may hold the password
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise DatabaseUnavailable(
            f"{url.drivername!r} is not a database MarkLens uses: take sqlite or postgresql."
        )
    if "@" in (url.host or ""):
        raise DatabaseUnavailable(
            "The database URL has an @ in its password or host: write the one in the password "
            "as %40."
        )
    # In memory each thread would see a register of its own, and SQLite's file: addresses carry
    # settings that contradict ours.
    name = url.database or ":memory:"
    if url.drivername == "sqlite" and (name == ":memory:" or name.startswith("file:")):
        raise DatabaseUnavailable(f"{shown(url)} names no file: write sqlite:///path/register.db.")
    return url


def sqlite_url(file: Path) -> str:
    """The URL of a file, whatever signs its name has: in a URL ``%20`` would be a blank."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def shown(url: URL) -> str:
    """The URL without its password, and with values of well-known harmless options only."""
    query = {name: one if name in _SHOWN_OPTIONS else HIDDEN for name, one in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True).replace("%2A%2A%2A", HIDDEN)


def _without_secrets(text: str, url: URL) -> str:
    """A driver's message without what `shown` hides, should it repeat that."""
    secrets = [
        url.password,
        *(one for name, one in url.query.items() if name not in _SHOWN_OPTIONS),
    ]
    for secret in secrets:
        for part in (secret,) if isinstance(secret, str) else secret or ():
            text = text.replace(part, HIDDEN) if part else text
    return redacted(text)


@contextmanager
def plain_errors(url: URL) -> Iterator[None]:
    """Turn the driver's errors into one sentence.

    Raises:
        DatabaseLost: the server is gone, or not back yet.
        StorageFull: its disk is full.
        DatabaseUnavailable: whatever else SQLAlchemy or the driver raised.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, NoSuchModuleError) as error:
        lines = str(getattr(error, "orig", None) or error).strip().splitlines()
        cause = _without_secrets(lines[0].rstrip("."), url) if lines else type(error).__name__
        advice = next((text for sign, text in _ADVICE.items() if sign in cause), "")
        kind = _kind(error)
        raise kind(f"The database {shown(url)} failed: {cause}{advice}.") from error


def _kind(error: Exception) -> type[MarkLensError]:
    """Which of our errors one of the driver's is."""
    driver = getattr(error, "orig", None) or error
    if (
        getattr(driver, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        or getattr(driver, "sqlstate", None) in _NO_SPACE
    ):
        return StorageFull
    return DatabaseLost if _is_lost(error) else DatabaseUnavailable


def _is_lost(error: BaseException) -> bool:
    """Whether a server went away; SQLite's file cannot."""
    if not isinstance(error, DBAPIError) or isinstance(error.orig, sqlite3.Error):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # the driver's own: there was no server to answer
        return error.connection_invalidated or isinstance(error, OperationalError)
    return state in _GONE or state.startswith("08")


def create_engine(url: URL, create: bool = True, answer_s: float = ANSWER_S) -> Engine:
    """An engine whose write transactions exclude each other from their first statement on.

    Args:
        url: as `parse_url` gives it.
        create: make SQLite's file where it is missing.
        answer_s: seconds that PostgreSQL may take for each answer to a reader.

    Raises:
        DatabaseUnavailable: the driver, or SQLite's folder or file, is missing.
    """
    if url.drivername != "sqlite":
        try:
            return _postgresql_engine(url, answer_s)
        except ImportError as error:
            raise DatabaseUnavailable(
                'PostgreSQL needs a driver: pip install "psycopg[binary]".'
            ) from error
    file = Path(url.database or "")
    if not create and not file.exists():
        raise NoRegister(
            f"There is no register at {file}: check --data-dir or MARKLENS_DATA_DIR, or make one "
            "with `marklens index SOURCE`."
        )
    try:
        private_folder(file.parent)
    except OSError as error:
        raise DatabaseUnavailable(f"{file.parent} cannot be created: {error.strerror}.") from error
    # Only a file that is not there yet: closing one gives up the locks that SQLite has on it in
    # this process, and another process would then delete a log that is written to. Of other
    # failures SQLite says better what is wrong.
    with suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return _sqlite_engine(url)


def _sqlite_engine(url: URL) -> Engine:
    """An engine of one file, which must stay the file that it was."""
    engine = sa.create_engine(
        url,
        connect_args={"timeout": _WAIT_S, "check_same_thread": False},
        pool_size=5,
        json_serializer=_json,
    )
    file = Path(url.database or "").absolute()
    held = _identity(file)
    _FILES[engine] = file

    def connect(_: object, __: object, ___: object, options: Any) -> sqlite3.Connection:
        # Never a new and empty file: one that was moved away while this process runs is not back.
        name = quote(str(file))
        connection: sqlite3.Connection = sqlite3.connect(
            f"file:{name}?mode=rw", uri=True, **options
        )
        return connection

    def begin(connection: Connection) -> None:
        if held is not None and _identity(file) != held:
            raise DatabaseUnavailable(
                f"The register {file} was moved, removed or replaced while it was open: put it "
                "back, or start again."
            )
        _begin_sqlite(connection)

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", begin)
    return engine


def _identity(file: Path) -> tuple[int, int] | None:
    """What tells a file from every other one, whatever their names; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_open_database(path: Path) -> bool:
    """Whether a file, whatever it is called by, is SQLite's, of a database open in this process.

    Nothing else may open one here, even to read: at the closing the process loses all locks it has
    on the file (https://www.sqlite.org/howtocorrupt.html, 2.2), and another one may write as well.
    """
    identity = _identity(path)
    return identity is not None and any(
        identity == _identity(file.with_name(file.name + end))
        for file in list(_FILES.values())
        for end in ("", "-wal", "-shm", "-journal")
    )


def _postgresql_engine(url: URL, answer_s: float) -> Engine:
    """An engine that waits neither for a connection nor for an answer without an end."""
    from indexer.register.answer_deadline import DeadlineConnection

    engine = sa.create_engine(
        url,
        connect_args={one: value for one, value in _CONNECTING.items() if one not in url.query},
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=20,
        pool_timeout=_CONNECT_S,
        json_serializer=_json,
    )

    def connect(_: object, __: object, arguments: Any, options: Any) -> DeadlineConnection:
        connection = DeadlineConnection.connect(*arguments, **options)
        # Also ends what goes on in the server when its client waits no longer.
        connection.execute(f"SET statement_timeout = {round(1000 * _WAIT_S)}")
        connection.commit()
        return connection

    def begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get("transaction")
        is_writer = kind is not None
        if kind == MIGRATION:
            # Not LOCAL: also for an index that is made concurrently, outside of transactions.
            _limit_answers(connection, None)
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql(f"SET lock_timeout = {round(1000 * _LOCK_S)}")
            return
        _limit_answers(connection, _WAIT_S + _CONNECT_S if is_writer else answer_s)

    def returned(connection: DeadlineConnection | None, _: object) -> None:
        if connection is not None:
            connection.answer_s = _CONNECT_S  # of the question whether it still works

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", _ask_for_binary)
    event.listen(engine, "checkin", returned)
    return engine


def _ask_for_binary(_: Connection, cursor: Any, *told: Any) -> None:
    if told[2].execution_options.get("is_binary"):
        from psycopg.pq import Format

        cursor.format = Format.BINARY


def _limit_answers(connection: Connection, seconds: float | None) -> None:
    driver: Any = connection.connection.dbapi_connection
    driver.answer_s = seconds


def wait_without_end(connection: Connection) -> None:
    """Let PostgreSQL take as long as it wants until the transaction ends."""
    if connection.dialect.name == "postgresql":
        _limit_answers(connection, None)
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # pysqlite's own transaction handling starts them too late; BEGIN is sent by _begin_sqlite.
    connection.isolation_level = None
    _use_write_ahead_log(connection)
    for setting in (
        # With WAL, NORMAL could lose the last commits at a power cut; the register loses nothing.
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {round(1000 * _WAIT_S)}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {setting}")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Let readers not wait for the writer.

    The first to open a new file needs it alone for that, and SQLite's own timeout does not cover
    it: who comes at the same moment tries again.
    """
    deadline = monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or monotonic() > deadline:
                raise
            sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A writer that first reads and then writes under a plain BEGIN can fail with "database is
    # locked" at the upgrade, whatever the timeout: writers say what they are at once.
    mode = connection.get_execution_options().get("transaction", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def observe_statements(engine: Engine, observe: Callable[[float | None], None]) -> None:
    """Have a function called after each statement with its seconds; None where it fails."""

    def begin(_: Connection, *told: Any) -> None:
        told[3]._marklens_began = monotonic()

    def end(_: Connection, *told: Any) -> None:
        observe(monotonic() - told[3]._marklens_began)

    event.listen(engine, "before_cursor_execute", begin)
    event.listen(engine, "after_cursor_execute", end)
    event.listen(engine, "handle_error", lambda _: observe(None))
