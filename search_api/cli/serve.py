"""`marklens serve` and `marklens demo`: the server, with the user's register or the shipped one."""

import socket
from typing import TYPE_CHECKING, Annotated

import typer

from search_api.cli.console import INTERRUPTED, Context, complain, print_plain
from search_api.cli.index import ending_at_a_signal, ingest_showing
from search_api.cli.register import rebuild_showing

if TYPE_CHECKING:
    from search_api.marklens import MarkLens
    from search_api.settings import Settings

Host = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Address to listen on; by default MARKLENS_HOST, else 127.0.0.1."
    ),
]
Port = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", help="Port to listen on; by default MARKLENS_PORT, else 8000."),
]


def demo(context: typer.Context, port: Port = None) -> None:
    """Index and serve the shipped register.

    It holds real marks and lives in the folder demo of the data folder, apart from your own
    marks. The first start indexes it; from then on it starts at once.
    """
    given: Context = context.obj
    settings = _demo_settings(given.settings(port=port))
    with _listening(settings) as listener:
        from search_api.marklens import MarkLens

        with MarkLens.open(settings) as marklens:
            _fill(marklens)
            _serve(marklens, listener, "warning")


def serve(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve the web page and the HTTP API."""
    given: Context = context.obj
    settings = given.settings(host=host, port=port)
    with _listening(settings) as listener:
        from search_api.marklens import MarkLens

        with MarkLens.open(settings) as marklens:
            _serve(marklens, listener, "info")


def _demo_settings(settings: "Settings") -> "Settings":
    """The demo's own folder and database: it must never touch a register of the user's."""
    folder = settings.data_dir / "demo"
    return settings.model_copy(
        update={"data_dir": folder, "database_url": f"sqlite:///{folder / 'register.db'}"}
    )


def _fill(marklens: "MarkLens") -> None:
    """Index the shipped register unless that is done."""
    from indexer.errors import FingerprintMismatch
    from indexer.ingest import IngestOptions, is_indexed
    from indexer.sources import open_source
    from search_api.demo import demo_register

    folder = demo_register()
    try:
        if not is_indexed(open_source(folder), marklens.register):
            with ending_at_a_signal() as stop:
                options = IngestOptions(stop=stop.is_set)
                report = ingest_showing(marklens, folder, None, "auto", options, quiet=False)
            if report.interrupted:
                complain("stopped; `marklens demo` goes on")
                raise typer.Exit(INTERRUPTED)
        _ = marklens.searcher
    except FingerprintMismatch:
        # A newer MarkLens with another network: the demo's register belongs to nobody else.
        rebuild_showing(marklens, encode=True, quiet=False)


def _listening(settings: "Settings") -> socket.socket:
    """Take the port before anything slow happens, so that a taken one is told at once."""
    from search_api.errors import BadField

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise BadField(
            "port",
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): "
            "choose another --port",
        ) from error
    return listener


def _serve(marklens: "MarkLens", listener: socket.socket, log_level: str) -> None:
    """Serve until a signal; the address is printed once it answers."""
    import uvicorn

    from search_api.app import create_app

    _ = marklens.searcher  # network and index, so that what is wrong with them is told plainly
    host, port = marklens.settings.host, marklens.settings.port
    shown = f"[{host}]" if ":" in host else host

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print_plain(f"MarkLens is serving {marklens.register.count():,} marks at")
                print_plain(f"  http://{shown}:{port}/")
                print_plain("Ctrl-C ends it.")

    server = Server(uvicorn.Config(create_app(marklens=marklens), log_level=log_level))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        # Uvicorn has closed in order and then passes the signal on; ending it is what was asked.
        return
    if not server.started:
        raise typer.Exit(1)


COMMANDS = (demo, serve)
