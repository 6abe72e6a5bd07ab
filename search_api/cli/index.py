"""`marklens index`: a table, offices' files or a folder of pictures into the register."""

import json
import shlex
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Unpack

import typer

import indexer
from models.errors import MarkLensError
from search_api.cli.console import (
    BAD_INPUT,
    INTERRUPTED,
    Context,
    counted,
    print_plain,
    print_to_stderr,
)
from search_api.cli.near import near_as_json, near_sentence
from search_api.cli.progress import progress

if TYPE_CHECKING:
    from indexer.ingest import IngestOptions, IngestProgress, IngestReport
    from indexer.register.watch_news import WatchNews
    from indexer.sources import SourceOptions
    from search_api.marklens import MarkLens

_PATIENCE_S = 15  # after a signal; a batch takes a second or two


def _formats() -> str:
    """What --format takes; the offices' formats are the files of a folder, not imported here."""
    offices = Path(indexer.__file__).parent / "sources" / "offices"
    names = sorted(file.stem for file in offices.glob("[a-z]*.py"))
    return ", ".join(["auto", "csv", "jsonl", "parquet", *names]) + " or folder"


Source = Annotated[
    Path,
    typer.Argument(
        help="A table (CSV, JSON Lines, Parquet), an office's XML file, each perhaps in .gz or "
        ".zip; or a folder: of XML files, of pictures with marks.csv, marks.jsonl or "
        "marks.parquet in it, or of pictures alone.",
        metavar="SOURCE",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        help="Folder or zip file of the pictures that SOURCE names; by default where SOURCE is.",
        metavar="FOLDER",
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="FORMAT",
        help=f"What SOURCE is: {_formats()}; auto looks at the content.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How a CSV table is encoded, such as cp1250, cp1251 or mac_roman; else it is found "
        "out.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Reject a row of which anything cannot be read, a picture too, instead of leaving "
        "that out.",
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
ReadWords = Annotated[
    bool,
    typer.Option(
        "--read-words",
        help="Read the words in the pictures of new and changed marks that come without any; needs "
        "the extra words, and some 0.1 to 0.5 s of a core a picture.",
    ),
]


def _workers(text: str) -> str | int:
    """What --workers takes: an address, or a number from 1 on."""
    if text.startswith("ray://"):
        return text
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise typer.BadParameter("give ray://HOST:10001, or how many from 1 on")


Workers = Annotated[
    Any,
    typer.Option(
        "--workers",
        parser=_workers,
        metavar="ray://HOST:PORT | N",
        help="Decode and encode pictures on the machines of a Ray cluster, or in N processes on "
        "this one; needs the extra ray. By default in this process.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def index(  # noqa: PLR0913 - its parameters are the command's options
    context: typer.Context,
    source: Source,
    images: Images = None,
    format: Format = "auto",
    encoding: Encoding = None,
    strict: Strict = False,
    read_words: ReadWords = False,
    workers: Workers = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Read marks into the register.

    A table needs the column id and one more of image, text, owner, office, status, filed,
    registered, nice, vienna and operation ("delete" withdraws a mark). Lists are separated by ";",
    dates are written 2024-01-31. Of a column that is not there, known marks keep what they have.
    Offices' XML files are read as they are published; later ones amend and withdraw marks.
    What cannot be read of a mark is left out and named; with --strict its row is rejected.
    Rejected rows do not stop the run: they stand in a rejects file with the reason.
    Running again changes only what has changed. Ctrl-C ends the run after the batch in hand.
    The exit code is 2 when nothing could be read or a file breaks off in its middle.
    """
    from indexer.ingest import IngestOptions

    given: Context = context.obj
    reading: SourceOptions = {
        "images": images,
        "format": format,
        "encoding": encoding,
        "strict": strict,
    }
    again = {**reading, "read-words": read_words, "workers": workers, "dry-run": dry_run}
    try:
        with stop_at_signal() as stop, _opened(given, source, dry_run) as marklens:
            options = IngestOptions(
                resume=resume, dry_run=dry_run, stop=stop.is_set, read_words=read_words
            )
            news = marklens.register.watches.news()
            report = ingest_with_progress(
                marklens, source, options, quiet=as_json, workers=workers, **reading
            )
            is_over = not dry_run and not report.interrupted
            near = compare_with_watches(marklens, news) if is_over else None
    except KeyboardInterrupt:
        _end_interrupted(given, source, again)
    _print_summary(report, near, dry_run=dry_run, as_json=as_json)
    if report.interrupted:
        _end_interrupted(given, source, again)
    _refuse_unread(report)


@contextmanager
def _opened(given: Context, source: Path, dry_run: bool) -> Iterator["MarkLens"]:
    """The register; where there is none, a dry run gets an empty one that is thrown away."""
    from pydantic import SecretStr

    from indexer.errors import NoRegister
    from indexer.register import Register
    from indexer.register.database import sqlite_url
    from indexer.sources import refuse_no_source
    from search_api.marklens import MarkLens

    settings = given.settings()
    with ExitStack() as ending:
        try:
            marklens = MarkLens.open(settings, create=False)
        except NoRegister:
            refuse_no_source(source)  # a mistyped name makes no register
            if dry_run:
                folder = Path(ending.enter_context(TemporaryDirectory(prefix="marklens-")))
                url = sqlite_url(folder / "register.db")
                Register.open(url).close()
                settings = settings.model_copy(update={"database_url": SecretStr(url)})
            marklens = MarkLens.open(settings, create=not dry_run)
        yield ending.enter_context(marklens)


def _refuse_unread(report: "IngestReport") -> None:
    """End with the exit code of bad input where files broke off, or nothing could be read."""
    for sentence in report.broken:
        print_to_stderr(f"{sentence}; what stood before is indexed")
    if report.broken:
        raise typer.Exit(BAD_INPUT)
    if report.read and report.read == report.rejected:
        print_to_stderr("no row could be read; the rejects file says why")
        raise typer.Exit(BAD_INPUT)


def ingest_with_progress(
    marklens: "MarkLens",
    source: Path,
    options: "IngestOptions",
    *,
    quiet: bool,
    workers: str | int | None = None,
    **reading: "Unpack[SourceOptions]",
) -> "IngestReport":
    """Ingest with progress and the source's warnings on stderr.

    Args:
        marklens: whose register is filled.
        source: to read.
        options: of the run.
        quiet: show nothing.
        workers: that decode and encode, as `MarkLens.ingest` takes them.
        reading: how `MarkLens.ingest` opens the source.
    """
    title = f"indexing {source.name}" + (", reading words" if options.read_words else "")
    with progress(title, quiet=quiet) as advance:

        def show(state: "IngestProgress") -> None:
            counts = state.counts
            note = f"{counts.rejected:,} rejected" if counts.rejected else ""
            advance(state.position, state.last_position, counts.read, note)

        report = marklens.ingest(
            source, options=options, on_progress=show, workers=workers, **reading
        )
    if not quiet:
        for warning in report.warnings:
            print_to_stderr(warning)
    return report


def compare_with_watches(marklens: "MarkLens", news: "WatchNews") -> dict[str, Any] | None:
    """Say on stderr what of the new marks came near; a failure leaves the run as it is.

    Returns:
        The same as `near_as_json` gives it; None where the database was lost.
    """
    from indexer.errors import BadWatch
    from search_api.watch.watching import Watching

    try:
        try:
            Watching(marklens).check()
        except BadWatch as error:  # of some watches; all others were compared
            _say_not_compared(error)
        near = news.near()
    except MarkLensError as error:
        _say_not_compared(error)
        return None
    if near:
        print_to_stderr(f"{near_sentence(near)}: marklens watch show NAME")
    return near_as_json(near)


def _say_not_compared(error: MarkLensError) -> None:
    print_to_stderr(f"new marks are not compared with all watches: {error}")
    print_to_stderr("compare them with: marklens watch check")


@contextmanager
def stop_at_signal() -> Iterator[Event]:
    """Set the event at Ctrl-C or a termination signal; a second Ctrl-C ends at once.

    So do some seconds after the first, should something take longer than a batch in hand.
    """
    stop = Event()

    def note(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, before[number])
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.alarm(_PATIENCE_S)

    before: dict[int, Any] = {
        number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_json(report: "IngestReport") -> dict[str, object]:
    return {
        "read": report.read,
        "indexed": report.indexed,
        "updated": report.updated,
        "withdrawn": report.withdrawn,  # of the updated
        "unchanged": report.unchanged,
        "rejected": report.rejected,
        "words_read": report.words_read,
        "without_words": report.without_words,
        "rejects_file": None if report.rejects_file is None else str(report.rejects_file),
        "warnings": list(report.warnings),
    }


def _print_summary(
    report: "IngestReport", near: Mapping[str, Any] | None, *, dry_run: bool, as_json: bool
) -> None:
    if as_json:
        print_plain(json.dumps({**_as_json(report), "near": near}, indent=2))
        return
    would = "would be " if dry_run else ""
    resumed = f", resumed after {report.resumed_after:,}" if report.resumed_after else ""
    print_plain(
        f"{counted(report.read, 'row')} read{resumed}: {would}indexed {report.indexed:,}, "
        f"updated {report.updated:,}, unchanged {report.unchanged:,}, "
        f"rejected {report.rejected:,}"
    )
    if report.withdrawn:
        print_plain(f"of the updated, {would}withdrawn: {report.withdrawn:,}")
    if report.encoded:
        busy = report.encoding_s / report.seconds
        print_plain(
            f"the network saw {report.encoded:,} different pictures, "
            f"{report.encoded / report.seconds:.1f} a second, and was busy {busy:.0%} of the time"
        )
    if looked := report.words_read + report.without_words:
        print_plain(
            f"words were read in {report.words_read:,} of {looked:,} pictures of marks without any"
        )
    if report.rejects_file is not None:
        print_plain(f"rejected rows and reasons: {report.rejects_file}")


def _end_interrupted(given: Context, source: Path, options: Mapping[str, object]) -> NoReturn:
    """End with the exit code of an interrupted run, and say how to go on."""
    words = [
        "marklens",
        *(["--data-dir", given.data_dir] if given.data_dir else ()),
        "index",
        source,
    ]
    for name, value in options.items():
        if value and value != "auto":
            words += [f"--{name}"] if value is True else [f"--{name}", value]
    again = shlex.join(str(word) for word in [*words, "--resume"])
    print_to_stderr(f"stopped; go on with: {again}")
    raise typer.Exit(INTERRUPTED)


COMMANDS = (index,)
