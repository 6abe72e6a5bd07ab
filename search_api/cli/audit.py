"""`marklens audit`: who wrote what."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from search_api.cli.console import AsJson, opened, print_plain, print_table, print_to_stderr


def audit(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=100_000, help="At most so many writes.")
    ] = 50,
    who: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only those of one key, such as “key importer”."),
    ] = None,
    forget_before: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Delete the writes of before this day (UTC) first, for good; that is noted, too.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show who wrote what and when, the newest first.

    Keys and the request's id name what came over HTTP, an account what was done on the command
    line. Bulk indexing notes where each run begins and ends.
    """
    with opened(context) as marklens:
        if forget_before is not None:
            gone = marklens.register.audit.forget(forget_before.replace(tzinfo=UTC))
            print_to_stderr(f"{gone:,} writes of before {forget_before:%Y-%m-%d} are forgotten")
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
