"""`marklens serve` and `marklens demo`: the server, with the user's register or the shipped one."""

import asyncio
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_api.cli.console import INTERRUPTED, Context, print_plain, print_to_stderr
from search_api.cli.index import ingest_with_progress
from search_api.cli.register import rebuild_with_progress

if TYPE_CHECKING:
    import uvicorn

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
    marks. The first start indexes it while it serves: marks are found as they come.
    """
    given: Context = context.obj
    settings = _demo_settings(given.settings(port=port))
    with _listening(settings) as listener:
        from search_api.marklens import MarkLens

        with MarkLens.open(settings) as marklens:
            _serve(marklens, listener, "warning", _demo_indexing(marklens))


def serve(context: typer.Context, host: Host = None, port: Port = None) -> None:
    """Serve the web page and the HTTP API."""
    given: Context = context.obj
    settings = given.settings(host=host, port=port)
    with _listening(settings) as listener:
        from search_api.marklens import MarkLens

        with MarkLens.open(settings) as marklens:
            _require_key(marklens)
            _serve(marklens, listener, "info")


def _require_key(marklens: "MarkLens") -> None:
    """Refuse to serve other machines where nobody could be told from anybody."""
    from datetime import UTC, datetime

    from search_api.settings import BadSettings

    settings = marklens.settings
    if settings.is_loopback or settings.public_reading or settings.api_token is not None:
        return
    now = datetime.now(UTC)
    if not any(key.is_live(now) for key in marklens.register.keys.all()):
        raise BadSettings(
            f"To serve other machines at {settings.host} there must be a key: make one with "
            "`marklens keys create NAME --scope admin`, or set MARKLENS_PUBLIC_READING=true to let "
            "everybody search."
        )


def _demo_settings(settings: "Settings") -> "Settings":
    """The demo's own folder and database: it must never touch a register of the user's."""
    folder = settings.data_dir / "demo"
    return settings.model_copy(update={"data_dir": folder, "database_url": None})


def _demo_indexing(marklens: "MarkLens") -> "_Indexing | None":
    """What of the shipped register remains to be indexed."""
    from indexer.errors import FingerprintMismatch
    from indexer.ingest import is_indexed
    from indexer.sources import open_source
    from search_api.demo import demo_register

    try:
        _ = marklens.searcher
    except FingerprintMismatch:
        # A newer MarkLens with another network: the demo's register belongs to nobody else.
        rebuild_with_progress(marklens, encode=True, quiet=False)
    folder = demo_register()
    return (
        None if is_indexed(open_source(folder), marklens.register) else _Indexing(marklens, folder)
    )


class _Indexing:
    """A source is indexed by a thread while the server answers."""

    def __init__(self, marklens: "MarkLens", source: Path) -> None:
        self._marklens, self._source = marklens, source
        self._stop = Event()
        self._thread: Thread | None = None
        self.interrupted = False
        self.error: Exception | None = None

    def start(self, on_end: Callable[[bool], None]) -> None:
        """Begin; `on_end` is called from the thread, with whether all went well."""
        self._thread = Thread(target=self._run, args=(on_end,), name="indexing")
        self._thread.start()

    def stop(self) -> None:
        """End after the batch in hand, and wait for that."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise what went wrong; leave with the exit code of an interruption where it was one."""
        if self.error is not None:
            raise self.error
        if self.interrupted:
            print_to_stderr("stopped; `marklens demo` goes on")
            raise typer.Exit(INTERRUPTED)

    def _run(self, on_end: Callable[[bool], None]) -> None:
        from indexer.ingest import IngestOptions

        options = IngestOptions(stop=self._stop.is_set)
        try:
            report = ingest_with_progress(self._marklens, self._source, options, quiet=False)
            self.interrupted = report.interrupted
        except Exception as error:  # noqa: BLE001 - raised again where the server has ended
            self.error = error
        on_end(self.error is None)


def _listening(settings: "Settings") -> socket.socket:
    """Take the port before anything slow happens, so that one in use is reported at once."""
    from search_api.errors import BadField

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # By its protocol asyncio knows a socket to send small answers at once (TCP_NODELAY); with none
    # each waits 40 ms for the acknowledgement of the packet before it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def _serve(
    marklens: "MarkLens",
    listener: socket.socket,
    log_level: str,
    indexing: _Indexing | None = None,
) -> None:
    """Serve until a signal; the address is printed once it answers, then indexing starts."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all is closed in order
    with ThreadPoolExecutor(1) as pool:
        pool.submit(import_module, "search_api.app")  # a third of a second, beside the network's
        _ = marklens.searcher  # network and index, so that what is wrong with them is told plainly
    server = _server(marklens, log_level, indexing)
    # Uvicorn has closed in order and then passes the signal on; ending it is what was asked.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if indexing is not None:
        indexing.check()
    if not server.started:
        raise typer.Exit(1)


def _server(marklens: "MarkLens", log_level: str, indexing: _Indexing | None) -> "uvicorn.Server":
    import uvicorn

    from search_api.app import create_app
    from search_api.http.connections import server_config
    from search_api.log_records import json_logging

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if not self.started:
                return
            _say_where(marklens)
            print_plain("Ctrl-C ends it.")
            if indexing is not None:
                indexing.start(self.note_indexed)

        def note_indexed(self, is_sound: bool) -> None:
            if not is_sound:
                self.should_exit = True
            elif not self.should_exit:
                _say_where(marklens)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if indexing is not None:
                await asyncio.to_thread(indexing.stop)
            await super().shutdown(sockets)

    app = create_app(marklens)
    how: dict[str, Any] = {"log_level": log_level}
    if marklens.settings.log_format == "json":
        how["log_config"] = json_logging("info")
    return Server(server_config(app, marklens.settings, **how))


def _say_where(marklens: "MarkLens") -> None:
    host, port = marklens.settings.host, marklens.settings.port
    shown = f"[{host}]" if ":" in host else host
    print_plain(f"MarkLens is serving {marklens.register.count():,} marks at")
    print_plain(f"  http://{shown}:{port}/")


COMMANDS = (demo, serve)
