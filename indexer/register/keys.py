"""Keys of the HTTP API: each has a name, a scope, and the hash of a secret that nobody stores."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.errors import BadKey, UnknownKey
from indexer.register import audit, schema
from indexer.register.runs import aware

NEVER = datetime.min.replace(tzinfo=UTC)  # of a key that no register holds
_Open = Callable[[], AbstractContextManager[Connection]]


class Scope(IntEnum):
    """What a key allows; each scope allows what those before it do."""

    READ = 1
    INDEX = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret.

    Attributes:
        name: of whom or what uses it.
        scope: what it allows.
        digest: SHA-256 of the secret, in hex: a secret of 256 random bits needs no slow hash.
        created: when it was made.
        expires: from when on it is refused; None for never.
        revoked: since when it is refused; None while it is not.
        used: when it was last used, to the minute; None if never.
    """

    name: str
    scope: Scope
    digest: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    used: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it is accepted at some time."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Keys:
    """The keys of a register."""

    def __init__(self, reading: _Open, writing: _Open) -> None:
        self._reading, self._writing = reading, writing

    def add(self, key: Key) -> None:
        """Store a new key.

        Raises:
            BadKey: there is or was one of this name, which the audit log knows it by.
        """
        table = schema.api_keys
        with self._writing() as connection:
            if connection.scalar(sa.select(table.c.name).where(table.c.name == key.name)):
                raise BadKey(f"There is or was a key {key.name!r}: choose another name.")
            values = {one.name: getattr(key, one.name) for one in table.columns}
            values["scope"] = key.scope.name.lower()
            connection.execute(sa.insert(table).values(values))
            audit.note(connection, f"create {key.scope.name.lower()} key", key.name)

    def all(self) -> list[Key]:
        """Every key, revoked and expired ones too, by name."""
        table = schema.api_keys
        with self._reading() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.name)).mappings().all()
        return [_key(row) for row in rows]

    def revoke(self, name: str, now: datetime) -> None:
        """Refuse a key from now on.

        Raises:
            UnknownKey: there is none of this name that is not revoked already.
        """
        table = schema.api_keys
        live = sa.and_(table.c.name == name, table.c.revoked.is_(None))
        with self._writing() as connection:
            if not connection.execute(sa.update(table).where(live).values(revoked=now)).rowcount:
                raise UnknownKey(name)
            audit.note(connection, "revoke key", name)

    def note_use(self, used: Mapping[str, datetime]) -> None:
        """Write when some keys were last used, by their names."""
        table = schema.api_keys
        with self._writing() as connection:
            for name, when in used.items():
                connection.execute(sa.update(table).where(table.c.name == name).values(used=when))


def _key(row: sa.RowMapping) -> Key:
    times = {
        name: None if row[name] is None else aware(row[name])
        for name in ("expires", "revoked", "used")
    }
    created = aware(row["created"])
    return Key(row["name"], Scope[row["scope"].upper()], row["digest"], created, **times)
