"""`marklens status` and `marklens rebuild`: the register's state, and making its index again."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import MarkLensError
from search_api.cli.console import AsJson, opened, print_plain, print_table, print_to_stderr
from search_api.cli.index import compare_with_watches
from search_api.cli.progress import progress

if TYPE_CHECKING:
    from indexer.index.milvus.address import MilvusAddress
    from indexer.runs import Run
    from search_api.marklens import MarkLens

_RUNS = 5
# Only the disk is looked at: what a server holds in memory no other process can see.
_IN_MEMORY = "a running server has the index in memory; otherwise the next search builds it"
_NOT_SAVED = f"no snapshot yet: {_IN_MEMORY}"


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Show what the register holds.

    Its marks, how fresh its index is, the last runs, and which network computes on what.
    """
    with opened(context) as marklens:
        state = _state(marklens)
    if as_json:
        print_plain(json.dumps(state, indent=2, default=str))
    else:
        _print_state(state)


def rebuild(
    context: typer.Context,
    encode: Annotated[
        bool,
        typer.Option(
            "--encode",
            help="Also encode every picture again: needed after a change of network. Stop "
            "servers and indexing first.",
        ),
    ] = False,
    tables: Annotated[
        bool,
        typer.Option(
            "--tables",
            help="Also make the tables of codes, classes and words and the counters from the "
            "marks: for what `marklens verify` finds. Writers wait meanwhile.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the index afresh from the register."""
    with opened(context) as marklens:
        if tables:
            marklens.register.derived.make_anew()
        report = rebuild_with_progress(marklens, encode=encode, quiet=as_json)
    if as_json:
        print_plain(json.dumps(report, indent=2))
        return
    print_plain(f"{report['marks']:,} marks in the index, up to change {report['sequence']:,}")
    if encode:
        print_plain(f"{report['encoded']:,} pictures encoded again")


def rebuild_with_progress(marklens: "MarkLens", *, encode: bool, quiet: bool) -> dict[str, Any]:
    """Rebuild with progress on stderr; marks left out are named there, too."""
    with progress("encoding again", quiet=quiet or not encode) as advance:
        report = marklens.rebuild(
            encode=encode, on_progress=lambda done, total: advance(done, total, done)
        )
    if encode:
        # The first comparison takes another network's marks for compared: it must come before
        # what is indexed next.
        compare_with_watches(marklens, marklens.register.watches.news())
    for mark_id, reason in report.skipped:
        print_to_stderr(f"{mark_id} cannot be found by picture: {reason}")
    fields = asdict(report)
    fields["skipped"] = [{"id": mark_id, "reason": reason} for mark_id, reason in report.skipped]
    return fields


def _state(marklens: "MarkLens") -> dict[str, Any]:
    status = marklens.status()
    return {
        "marks": status.marks,
        "sequence": status.sequence,
        "index": _index_state(marklens, status.sequence),
        "network": _network_state(marklens, status.fingerprint),
        "database": status.database,
        "data_dir": str(status.data_dir),
        "runs": [_run(marklens, run) for run in marklens.register.last_runs(_RUNS)],
    }


def _index_state(marklens: "MarkLens", sequence: int) -> dict[str, Any]:
    """The snapshot on disk, as its manifest describes it: nothing is loaded for that."""
    address = marklens.settings.milvus
    if address is not None:
        return _server_state(marklens, address, sequence)
    from indexer.index.vectors.snapshot import SnapshotStore

    try:
        facts = SnapshotStore(marklens.settings.snapshot_dir).facts()
    except MarkLensError as error:
        return {"state": f"damaged, will be rebuilt: {error}", "sequence": 0, "lag": sequence}
    if facts is None or facts.register != marklens.register.identity():
        return {"state": _NOT_SAVED, "sequence": 0, "lag": sequence}
    lag = sequence - facts.sequence
    words = f"saved {lag:,} changes ago; {_IN_MEMORY}" if lag else "up to date"
    return {"state": words, "sequence": facts.sequence, "lag": lag}


def _server_state(marklens: "MarkLens", address: "MilvusAddress", sequence: int) -> dict[str, Any]:
    """The collection on a Milvus server; nothing is written to it for that."""
    from search_api.indexes import server_position

    try:
        name, position = server_position(address, marklens.register)
    except MarkLensError as error:
        return {"state": f"unknown: {error}", "sequence": 0, "lag": sequence}
    if position is None:
        words = f"{name}: not there yet, or another one's; a server or `marklens rebuild` makes it"
        return {"state": words, "sequence": 0, "lag": sequence}
    lag = max(0, sequence - position)
    words = f"{name}: {lag:,} changes behind" if lag else f"{name}: up to date"
    return {"state": words, "sequence": position, "lag": lag}


def _network_state(marklens: "MarkLens", bound: str | None) -> dict[str, Any]:
    """The network in use and what runs it; `bound` made the register's embeddings."""
    try:
        encoder = marklens.encoder
    except MarkLensError as error:
        return {"state": f"cannot be loaded: {error}", "fingerprint": bound}
    fits = bound is None or bound == encoder.fingerprint
    return {
        "state": "ready" if fits else "not the register's: run `marklens rebuild --encode`",
        "fingerprint": encoder.fingerprint,
        "device": encoder.device,
        "runtime": encoder.runtime_name,
    }


def _run(marklens: "MarkLens", run: "Run") -> dict[str, Any]:
    from indexer.ingest.run import was_killed

    counts, state = asdict(run.counts), run.state
    folder = marklens.settings.images_dir.parent
    if state == "running" and was_killed(folder, marklens.register.identity(), run.id):
        state = "interrupted"  # the next run over its source notes it
    fields = {"id": run.id, "source": run.source, "state": state, "started": run.started}
    return {**fields, "finished": run.finished, **counts, "rejects_file": run.rejects_file}


def _print_state(state: dict[str, Any]) -> None:
    network, index = state["network"], state["index"]
    computes = " on ".join(network[key] for key in ("runtime", "device") if key in network)
    lines = {
        "marks": f"{state['marks']:,}",
        "last change": f"{state['sequence']:,}",
        "index": index["state"],
        "network": ", ".join(
            part for part in (network["fingerprint"], computes, network["state"]) if part
        ),
        "database": state["database"],
        "data folder": state["data_dir"],
    }
    for name, value in lines.items():
        print_plain(f"{name + ':':<13}{value}")
    if state["runs"]:
        counts = ("read", "indexed", "updated", "unchanged", "rejected")
        rows = [
            (
                f"{run['started']:%Y-%m-%d %H:%M}",
                run["state"],
                *(run[one] for one in counts),
                run["source"],
            )
            for run in state["runs"]
        ]
        print_plain("")
        print_table("last runs (UTC)", ("started", "state", *counts, "source"), rows)


COMMANDS = (status, rebuild)
