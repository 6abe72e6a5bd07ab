"""Brings the register's schema to its newest step."""

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from indexer.errors import DatabaseUnavailable, NoRegister
from indexer.register import counters, database
from indexer.register.database import shown

if TYPE_CHECKING:
    from alembic.config import Config

logger = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).with_name("migrations")
_MIGRATION_LOCK = 0x4D61726B  # PostgreSQL advisory lock: any number that stays the same
_migrating = threading.Lock()
# A step waits for its locks so long, since searches wait behind it; then it lets them go first.
_LOCK_NOT_AVAILABLE = "55P03"
_LOCK_TRIES, _LOCK_PAUSE_S = 100, 0.5
_TURN_PAUSE_S = 0.1
OLDEST_USER = "oldest_user"  # fact of the newest step's code, or an earlier one, that may use it


def prepare(engine: Engine, create: bool = True) -> None:
    """Bring a register's schema to its newest step; one that is there already costs one read.

    Raises:
        DatabaseUnavailable: there is no register and none may be made, or its schema is unknown.
    """
    with engine.begin() as connection:
        held = _held_schema(connection)
    known = _known()
    if held == max(known):
        return
    if held is None and not create:
        raise NoRegister(
            f"The database {shown(engine.url)} holds no register: check MARKLENS_DATABASE_URL, "
            "or make one with `marklens index SOURCE`."
        )
    if held is not None and held not in known:
        if _is_usable(engine, max(known)):
            logger.warning(
                "The database %s has the later schema %s, which this version can use; install the "
                "newer version here, too.",
                shown(engine.url),
                held,
            )
            return
        raise DatabaseUnavailable(
            f"The database {shown(engine.url)} has schema {held}, which this version of MarkLens "
            "does not know: install the version that wrote it, or a newer one."
        )
    if held is not None:
        logger.warning(
            "The database %s has an earlier schema: it is brought up to date, which takes minutes "
            "at a million marks.",
            shown(engine.url),
        )
    migrate(engine)


def migrate(
    engine: Engine, revision: str = "head", direction: Literal["up", "down"] = "up"
) -> None:
    """Bring the schema up or down to a step, ``head`` or ``base``; processes take turns.

    In SQLite all steps are one transaction, in PostgreSQL each is one, so that its locks are short.
    """
    from alembic import command

    config = _alembic()
    run = command.upgrade if direction == "up" else command.downgrade
    # Alembic keeps its context in a module, hence threads take turns too.
    with _migrating, ExitStack() as stack:
        if engine.dialect.name == "sqlite":
            writing = engine.execution_options(transaction="IMMEDIATE")
            config.attributes["connection"] = stack.enter_context(writing.begin())
            run(config, revision)
            return
        stack.enter_context(_turn(engine))
        config.attributes["connection"] = stack.enter_context(_migrating_connection(engine))
        for left in range(_LOCK_TRIES, -1, -1):
            try:
                run(config, revision)
            except sa.exc.OperationalError as error:
                if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE or not left:
                    raise
                sleep(_LOCK_PAUSE_S)
            else:
                return


@contextmanager
def _migrating_connection(engine: Engine, **options: str) -> Iterator[Connection]:
    """A connection to PostgreSQL without its usual deadlines, which nobody uses after it."""
    migrating = engine.execution_options(transaction=database.MIGRATION, **options)
    with migrating.connect() as connection:
        try:
            yield connection
        finally:
            connection.invalidate()


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """Wait until no other process migrates, and keep others waiting until the block ends."""
    with _migrating_connection(engine, isolation_level="AUTOCOMMIT") as connection:
        # Asked again and again: who waits within a statement holds up an index made concurrently.
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_MIGRATION_LOCK))):
            sleep(_TURN_PAUSE_S)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(_MIGRATION_LOCK)))


def require_newest(engine: Engine) -> None:
    """See that a register has the newest schema, and leave it as it is.

    Raises:
        DatabaseUnavailable: there is no register, or it has another schema.
    """
    with engine.begin() as connection:
        held = _held_schema(connection)
    if held is None:
        raise DatabaseUnavailable(f"The database {shown(engine.url)} holds no register.")
    known = _known()
    if held != max(known):
        what = (
            "`marklens status` of this version brings it up"
            if held in known
            else "install the newer version that wrote it"
        )
        raise DatabaseUnavailable(
            f"The database {shown(engine.url)} has schema {held}, and this version of MarkLens "
            f"reads {max(known)}: {what}."
        )


def _known() -> set[str]:
    """The steps there are, told from the files' names: importing Alembic takes 0.1 s."""
    return {file.name.partition("_")[0] for file in _MIGRATIONS.glob("versions/[0-9]*_*.py")}


def _is_usable(engine: Engine, newest: str) -> bool:
    """Whether code whose newest step is `newest` can use a later schema, which says so itself.

    Steps that only add let it, by a fact; see docs/decisions/0027.
    """
    with engine.begin() as connection:
        try:
            oldest = counters.fact(connection, OLDEST_USER)
        except sa.exc.DBAPIError:
            return False  # no register of ours
    return oldest is not None and oldest <= newest


def _held_schema(connection: Connection) -> str | None:
    """The step of the schema, as Alembic noted it; None in a database without register."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    held: str | None = connection.execute(
        sa.text("SELECT version_num FROM alembic_version")
    ).scalar()
    return held


def _alembic() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
