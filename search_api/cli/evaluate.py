"""`marklens evaluate classify|retrieve`: how good is the network on these pictures?"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from search_api.cli.console import (
    AsJson,
    Device,
    PictureFolder,
    print_plain,
    print_table,
    print_to_stderr,
)
from search_api.cli.progress import progress

if TYPE_CHECKING:
    from models.encoder import Encoder
    from models.evaluation.classification_protocol import ClassificationResult
    from models.evaluation.retrieval_protocol import RetrievalResult

Checkpoint = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The network; by default the one that ships."),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Gets metrics.json and report.html."),
]
_COLUMNS = ("metric", "value", "95 % interval")
_SHOWN_LEFT_OUT = 10

evaluate = typer.Typer(
    help="Measure the network on pictures whose codes or groups are known.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


Groups = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV file,group: members are relevant to each other."),
]
Metu = Annotated[
    bool,
    typer.Option(
        "--metu",
        help="--images is laid out like METU's query set: a folder a group, or 12-3.jpg.",
    ),
]
Whole = Annotated[bool, typer.Option("--whole", help="Also rank by whole signs alone, beside it.")]
Mpeg7 = Annotated[
    bool,
    typer.Option(
        "--mpeg7",
        help="--images is laid out like MPEG-7's CE-Shape-1: apple-1.gif; see bulls_eye.",
    ),
]


@evaluate.command()
def classify(  # noqa: PLR0913 - its parameters are the command's options
    labels: Annotated[
        Path,
        typer.Option(metavar="FILE", help="CSV of one-hot columns, or of names and codes."),
    ],
    images: PictureFolder,
    checkpoint: Checkpoint = None,
    with_seen: Annotated[
        bool,
        typer.Option("--with-seen", help="Also measure pictures that the network was trained on."),
    ] = False,
    device: Device = "auto",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Compare predicted Vienna codes with labels, by level; a constant prediction stands beside.

    Pictures that a network of `marklens train` has learnt from or was chosen by are not measured.
    """
    _require_extra()
    from models.evaluation.classification_protocol import measure_classification
    from models.evaluation.evaluation_report import classification_values, report_classification
    from models.evaluation.labels_csv import read_labels

    table = read_labels(labels)
    with _encoding(as_json) as on_progress:
        encoder = _encoder(checkpoint, device)
        found = measure_classification(encoder, table, images, on_progress, with_seen)
    values = classification_values(found)
    if out is not None:
        _keep(out, values)
        report_classification(out, found)
    if as_json:
        print_plain(json.dumps(values, indent=2))
    else:
        _print_classification(found)
        _tell(out)


@evaluate.command()
def retrieve(  # noqa: PLR0913 - its parameters are the command's options
    images: PictureFolder,
    groups: Groups = None,
    metu: Metu = False,
    mpeg7: Mpeg7 = False,
    distractors: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures that belong to no group.")
    ] = None,
    transformations: Annotated[
        bool,
        typer.Option("--transformations", help="Also find pictures by changed copies of them."),
    ] = False,
    whole: Whole = False,
    checkpoint: Checkpoint = None,
    device: Device = "auto",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Query with every picture of a group for the others, among all pictures.

    They are ranked as `marklens search` ranks marks.
    """
    if sum((groups is not None, metu, mpeg7)) != 1:
        raise typer.BadParameter("give --groups, or --metu or --mpeg7 for a set's own layout")
    _require_extra()
    from indexer.search.gallery import SearchGallery
    from models.evaluation.evaluation_report import report_retrieval, retrieval_values
    from models.evaluation.groups import read_groups, read_metu, read_mpeg7
    from models.evaluation.retrieval_protocol import RetrievalProtocol, measure_retrieval

    read = read_metu if metu else read_mpeg7
    grouped = read(images) if groups is None else read_groups(groups, images)
    protocol = RetrievalProtocol(grouped, SearchGallery, distractors, transformations, whole)
    with _encoding(as_json) as on_progress:
        found = measure_retrieval(_encoder(checkpoint, device), protocol, on_progress)
    values = retrieval_values(found)
    if out is not None:
        _keep(out, values)
        report_retrieval(out, found)
    if as_json:
        print_plain(json.dumps(values, indent=2))
    else:
        _print_retrieval(found)
        _tell(out)


def _print_classification(found: "ClassificationResult") -> None:
    from models.evaluation.evaluation_report import metric_rows, seen_note

    _complain_of(found.left_out)
    if found.seen:
        print_to_stderr(seen_note(found))
    if found.unknown:
        codes = ", ".join(map(str, found.unknown[:6]))
        print_to_stderr(
            f"{len(found.unknown)} labels the network does not predict, such as {codes}"
        )
    learnt = (
        f" ({found.seen} of them learnt from or chosen by)"
        if found.seen and found.with_seen
        else ""
    )
    for name, level in found.levels.items():
        title = f"{found.pictures} pictures{learnt}, level {name}, {len(level.labels)} labels"
        print_table(title, (*_COLUMNS, "constant prior"), metric_rows(level.metrics, level.prior))


def _print_retrieval(found: "RetrievalResult") -> None:
    from models.evaluation.evaluation_report import retrieval_table

    _complain_of(found.left_out)
    title = f"{found.queries} queries among {found.gallery} pictures"
    print_table(title, *retrieval_table(found))
    changed = [
        (name, f"{row['recall_at_1'].value:.3f}", f"{row['mAP'].value:.3f}")
        for name, row in found.transformations.items()
    ]
    if changed:
        print_table("changed copies", ("change", "original first", "mAP"), changed)
    print_plain(
        f"own picture first: {found.itself.asked} asked, another scores as high for "
        f"{len(found.itself.failures)}, an exact duplicate for {len(found.itself.duplicates)}"
    )


def _require_extra() -> None:
    from models.errors import MissingPackage

    MissingPackage.check("matplotlib", "train", "`marklens evaluate`")


def _encoder(checkpoint: Path | None, device: Literal["auto", "cpu", "cuda"]) -> "Encoder":
    from models.encoder import Encoder

    return Encoder.load(checkpoint, device=device)


def _complain_of(left_out: Sequence[str]) -> None:
    for line in left_out[:_SHOWN_LEFT_OUT]:
        print_to_stderr(f"left out: {line}")
    if len(left_out) > _SHOWN_LEFT_OUT:
        more = len(left_out) - _SHOWN_LEFT_OUT
        print_to_stderr(f"left out: {more} more, named in metrics.json of --out and in --json")


def _keep(out: Path, values: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(values, indent=1) + "\n", "utf-8")


def _tell(out: Path | None) -> None:
    if out is not None:
        print_plain(f"report: {out / 'report.html'}")


@contextmanager
def _encoding(quiet: bool) -> "Iterator[Callable[[int, int], None]]":
    with progress("encoding", unit="pictures", quiet=quiet) as advance:
        yield lambda done, wanted: advance(done, wanted, done)
