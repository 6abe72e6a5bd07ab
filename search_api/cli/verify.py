"""`marklens verify`: whether register, pictures and index agree, and what mends them."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import BadCheckpoint, MarkLensError
from search_api.cli.console import (
    AsJson,
    Context,
    plain,
    print_plain,
    print_to_stderr,
    print_unexpected,
)
from search_api.cli.progress import progress

if TYPE_CHECKING:
    from indexer.damage import Fault
    from indexer.index.milvus import MilvusAddress
    from indexer.verify import Findings
    from search_api.settings import Settings

_DAMAGED, _NOT_CHECKED = 1, 2


def verify(
    context: typer.Context,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Do not read pictures: only see that their files are there."),
    ] = False,
    examples: Annotated[
        int, typer.Option("-n", "--examples", min=0, help="Name at most so many of each kind.")
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Check register, pictures, index and kept files against each other; change nothing.

    Exit code 0 when nothing is damaged, 1 when something is, 2 when it cannot be checked. Each
    kind of damage comes with the command that mends it. Servers and indexing may go on; SQLite's
    writers wait while its own indexes are checked.
    """
    from indexer.verify import Findings

    given: Context = context.obj
    findings = Findings(examples)
    is_checked = True
    try:
        _check(given.settings(), findings, reads_pictures=not quick, quiet=as_json)
    except (MarkLensError, OSError) as error:
        print_to_stderr(f"cannot be checked: {error}")
        is_checked = False
    except Exception as error:  # noqa: BLE001 - exit code 1 would say that something is damaged
        print_unexpected(error)
        is_checked = False
    if is_checked or not findings.is_sound:  # what was found until then is worth as much
        if as_json:
            print_plain(json.dumps(_as_json(findings), indent=2))
        else:
            _print(findings)
    if not is_checked:
        raise typer.Exit(_NOT_CHECKED)
    raise typer.Exit(0 if findings.is_sound else _DAMAGED)


def _check(
    settings: "Settings", findings: "Findings", *, reads_pictures: bool, quiet: bool
) -> None:
    from indexer.damage import Fault
    from indexer.verify import Place, verify
    from search_api.kept_pictures import KeptPictures

    snapshot = None if settings.milvus is not None else settings.snapshot_dir
    place = Place(settings.register_url, settings.images_dir, snapshot, _fingerprint(settings))
    with progress("checking", unit="rows", quiet=quiet) as advance:
        verify(
            place,
            findings,
            reads_pictures=reads_pictures,
            progress=lambda done, total: advance(done, total, done),
        )
    if settings.milvus is not None and not findings.counts["database"]:
        findings.add(_collection_faults(settings.milvus, settings.register_url))
    if reads_pictures:
        kept = KeptPictures(settings.queries_dir, 1, 1)
        findings.add(Fault("kept-picture", str(file), says) for file, says in kept.damaged())


def _collection_faults(address: "MilvusAddress", url: str) -> "Iterator[Fault]":
    """Whether Milvus' collection is this register's, by the change that it says it stands at."""
    from indexer.damage import Fault
    from indexer.register import Register
    from search_api.indexes import server_position

    with closing(Register.open(url, create=False)) as register:
        name, position = server_position(address, register)
        sequence = register.sequence()  # asked afterwards: servers go on writing
    says = f"stands at change {position or 0:,} of {sequence:,}"
    if position is None:
        yield Fault("snapshot-other", name, "holds nothing of this register and network")
    elif position != sequence:
        yield Fault("snapshot-other" if position > sequence else "snapshot-behind", name, says)


def _fingerprint(settings: "Settings") -> str | None:
    """Of the network in use; None, and a warning, where it cannot be read."""
    from models.network.checkpoint import SHIPPED, Checkpoint

    try:
        return Checkpoint.open(settings.checkpoint or SHIPPED).fingerprint
    except BadCheckpoint as error:
        print_to_stderr(f"whether embeddings are the network's is not checked: {error}")
        return None


def _as_json(findings: "Findings") -> dict[str, Any]:
    from indexer.damage import KINDS

    found = [
        {
            "kind": kind,
            "is_damage": known.is_damage,
            "says": known.says,
            "repair": known.repair,
            "count": findings.counts[kind],
            "examples": [
                {"subject": one.subject, "details": one.details}
                for one in findings.examples.get(kind, ())
            ],
        }
        for kind, known in KINDS.items()
        if findings.counts[kind]
    ]
    return {"sound": findings.is_sound, "checked": dict(findings.checked), "found": found}


def _print(findings: "Findings") -> None:
    shown = _as_json(findings)
    for one in shown["found"]:
        word = "damaged" if one["is_damage"] else "worth knowing"
        print_plain(f"{word}: {one['says']} ({one['kind']}, {one['count']:,})")
        for example in one["examples"]:
            print_plain(plain(f"  {example['subject']}: {example['details']}"))
        if one["count"] > len(one["examples"]):
            print_plain(f"  and {one['count'] - len(one['examples']):,} more")
        print_plain(f"  mend with: {one['repair']}")
    checked = ", ".join(f"{count:,} {what}" for what, count in shown["checked"].items())
    verdict = "nothing is damaged" if findings.is_sound else "damaged"
    nothing = "an empty register" if findings.is_sound else "nothing beyond that"
    print_plain(f"{verdict}; checked: {checked or nothing}")


COMMANDS = (verify,)
