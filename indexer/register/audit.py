"""The audit log: who wrote what, when and in which request.

An entry is written in the transaction of the write itself: there is none without the other.
"""

import getpass
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.register import schema
from indexer.register.runs import aware

_SHOWN_IDS = 5
_Open = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who writes.

    Attributes:
        name: of a key, an address or an account.
        request: id of the HTTP request; None outside of one.
    """

    name: str
    request: str | None = None


# Set by whoever serves a request; outside of one it is the account of the process.
acting: ContextVar[Actor | None] = ContextVar("acting", default=None)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One write.

    Attributes:
        id: rising number.
        at: when.
        who: name of a key, an address or an account.
        action: what was done, such as ``write marks``.
        subject: to what.
        request: id of the HTTP request; None outside of one.
    """

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    request: str | None


def note(connection: Connection, action: str, subject: str | Sequence[str]) -> None:
    """Write an entry within the transaction of what it is about.

    Args:
        connection: in that transaction.
        action: what is done.
        subject: to what; of several ids the first ones are named.
    """
    if not isinstance(subject, str):
        more = f" and {len(subject) - _SHOWN_IDS:,} more" if len(subject) > _SHOWN_IDS else ""
        subject = ", ".join(subject[:_SHOWN_IDS]) + more
    actor = acting.get() or Actor(_account())
    values = {"who": actor.name, "request": actor.request, "action": action, "subject": subject}
    connection.execute(sa.insert(schema.audit_log).values(at=datetime.now(UTC), **values))


def _account() -> str:
    """The account of this process, by its number where it has no name, as in some containers."""
    try:
        return f"account {getpass.getuser()}"
    except (KeyError, OSError):
        return f"account {os.getuid()}"


class AuditLog:
    """The audit log of a register."""

    def __init__(self, reading: _Open, writing: _Open) -> None:
        self._reading, self._writing = reading, writing

    def newest(self, limit: int = 100, who: str | None = None) -> list[AuditEntry]:
        """The newest entries, newest first; of one actor only, if named."""
        table = schema.audit_log
        wanted = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if who is not None:
            wanted = wanted.where(table.c.who == who)
        with self._reading() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [AuditEntry(**{**row, "at": aware(row["at"])}) for row in rows]

    def forget(self, before: datetime) -> int:
        """Delete the entries of before some time, which is an entry itself; how many there were."""
        table = schema.audit_log
        with self._writing() as connection:
            gone = connection.execute(sa.delete(table).where(table.c.at < before)).rowcount
            note(connection, "forget audit log", f"{gone:,} writes before {before:%Y-%m-%d}")
        return gone
