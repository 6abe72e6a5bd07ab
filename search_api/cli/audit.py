"""`marklens audit`: who wrote what."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from search_api.cli.console import Context, print_plain, print_table
from search_api.cli.register import AsJson


def audit(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=100_000, help="At most so many writes.")
    ] = 50,
    who: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only those of one key, such as “key importer”."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who wrote what and when, the newest first.

    Keys and the request's id name what came over HTTP, an account what was done on the command
    line. Bulk indexing notes where each run begins and ends.
    """
    from search_api.marklens import MarkLens

    given: Context = context.obj
    with MarkLens.open(given.settings(), create=False) as marklens:
        found = marklens.register.audit.newest(limit, who)
    if as_json:
        entries = [asdict(one) for one in found]
        print_plain(json.dumps({"entries": entries}, indent=2, default=datetime.isoformat))
        return
    rows = [
        (f"{one.at:%Y-%m-%d %H:%M:%S}", one.who, one.action, one.subject, one.request or "-")
        for one in found
    ]
    print_table("writes (UTC)", ("at", "who", "action", "subject", "request"), rows)


COMMANDS = (audit,)
