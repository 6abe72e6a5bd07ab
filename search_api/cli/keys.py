"""`marklens keys`: who may use the HTTP API, and for what."""

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from search_api.cli.console import AsJson, opened, print_plain, print_table, print_to_stderr

keys = typer.Typer(help="Keys of the HTTP API.", no_args_is_help=True)


class _Scope(StrEnum):
    READ = "read"
    INDEX = "index"
    ADMIN = "admin"


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Name of the person or program that uses the key, at most 64 characters.",
    ),
]


@keys.command()
def create(
    context: typer.Context,
    name: Name,
    scope: Annotated[
        _Scope,
        typer.Option(
            help="What it allows: read searches and looks at marks; index also writes marks and "
            "watches; admin also reads the audit log."
        ),
    ] = _Scope.READ,
    expires: Annotated[
        int | None,
        typer.Option(metavar="DAYS", min=1, max=36_500, help="Days after which it is refused."),
    ] = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from indexer.errors import BadKey
    from indexer.register.keys import Key, Scope
    from search_api.key_ring import digest_of, new_secret

    if not 0 < len(name) <= 64 or not name.isprintable() or name != name.strip():
        raise BadKey("A key's name has 1 to 64 printable characters.")
    secret, now = new_secret(), datetime.now(UTC)
    until = None if expires is None else now + timedelta(days=expires)
    with opened(context, create=True) as marklens:
        marklens.register.keys.add(
            Key(name, Scope[scope.name], digest_of(secret), now, expires=until)
        )
    print_plain(secret)
    print_to_stderr(f"keep it now: it is not shown again; servers take it within seconds ({name})")


@keys.command("list")
def list_keys(context: typer.Context, as_json: AsJson = False) -> None:
    """List the keys, and when each was last used."""
    with opened(context) as marklens:
        found = marklens.register.keys.all()
    now = datetime.now(UTC)
    rows = [
        {
            "name": key.name,
            "scope": key.scope.name.lower(),
            "state": "in force" if key.is_live(now) else "revoked" if key.revoked else "expired",
            "created": key.created,
            "expires": key.expires,
            "used": key.used,
        }
        for key in found
    ]
    if as_json:
        print_plain(json.dumps({"keys": rows}, indent=2, default=datetime.isoformat))
    elif rows:
        times = ("created", "expires", "used")
        shown = [
            (row["name"], row["scope"], row["state"], *(_minute(row[one]) for one in times))
            for row in rows
        ]
        print_table("keys (UTC)", ("name", "scope", "state", *times), shown)
    else:
        print_plain("no keys; make one with `marklens keys create`")


@keys.command()
def revoke(context: typer.Context, name: Name) -> None:
    """Refuse a key from now on; servers that run do so within seconds."""
    with opened(context) as marklens:
        marklens.register.keys.revoke(name, datetime.now(UTC))
    print_plain(f"{name} is revoked")


def _minute(time: object) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if isinstance(time, datetime) else "-"
