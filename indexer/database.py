"""Opening the register's database: URL, engine, plain errors, schema at its newest step."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from indexer.errors import DatabaseUnavailable

_WAIT_S = 30.0  # how long a writer waits for another one
_MIGRATION_LOCK = 0x4D61726B  # PostgreSQL advisory lock: any number that stays the same


def parse_url(text: str) -> URL:
    """Read a database URL; ``postgresql://`` means psycopg 3.

    Raises:
        DatabaseUnavailable: it is no URL, or of a database that MarkLens does not use.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise DatabaseUnavailable(
            "The database URL cannot be read: write sqlite:///path/register.db or "
            "postgresql://user:password@host/database."
        ) from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise DatabaseUnavailable(
            f"{url.drivername!r} is not a database MarkLens uses: take sqlite or postgresql."
        )
    return url


def shown(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


@contextmanager
def plain_errors(url: URL) -> Iterator[None]:
    """Turn the driver's errors into one sentence.

    Raises:
        DatabaseUnavailable: whatever SQLAlchemy or the driver raised.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, NoSuchModuleError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise DatabaseUnavailable(
            f"The database {shown(url)} failed: {cause[0] if cause else type(error).__name__}"
        ) from error


def create_engine(url: URL) -> Engine:
    """An engine whose write transactions exclude each other from their first statement on."""
    if url.drivername != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=20)
    if url.database and url.database != ":memory:":
        folder = Path(url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DatabaseUnavailable(f"{folder} cannot be created: {error.strerror}.") from error
    engine = sa.create_engine(
        url, connect_args={"timeout": _WAIT_S, "check_same_thread": False}, pool_size=5
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # pysqlite's own transaction handling starts them too late; BEGIN is sent by _begin_sqlite.
    connection.isolation_level = None
    for setting in (
        "journal_mode = WAL",  # readers do not wait for the writer
        # With WAL, NORMAL could lose the last commits at a power cut; the register loses nothing.
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {round(1000 * _WAIT_S)}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer that first reads and then writes under a plain BEGIN can fail with "database is
    # locked" at the upgrade, whatever the timeout: writers say what they are at once.
    mode = connection.get_execution_options().get("transaction", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema to a revision, forward or back; processes take turns.

    Args:
        engine: of the register.
        revision: an Alembic revision: ``head``, ``base``, or a step's name.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    # Alembic reads the version table itself; only one process at a time may do so.
    with engine.execution_options(transaction="IMMEDIATE").begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config.attributes["connection"] = connection
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)
