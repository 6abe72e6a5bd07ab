"""`marklens evaluate classify|retrieve`: how good is the network on these pictures?"""

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_api.cli.console import complain, print_plain, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from models.evaluation.intervals import Interval
    from models.evaluation.measured import Classification, Retrieval

Images = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the pictures.")]
Checkpoint = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The network; by default the one that ships."),
]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Gets metrics.json and report.html.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

evaluate = typer.Typer(
    help="Measure the network on pictures whose codes or groups are known.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@evaluate.command()
def classify(
    labels: Annotated[
        Path,
        typer.Option(metavar="FILE", help="CSV of one-hot columns, or of names and codes."),
    ],
    images: Images,
    checkpoint: Checkpoint = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Compare predicted Vienna codes with labels; a constant prediction stands beside."""
    from models.encoder import Encoder
    from models.evaluation.measured import measure_classification
    from models.labels_csv import read_labels

    table = read_labels(labels)
    with _progress() as told:
        found = measure_classification(Encoder.load(checkpoint), table, images, told)
    result = {
        "metrics": _plain(found.metrics),
        "constant_prior": _plain(found.prior),
        "labels": {code: asdict(score) for code, score in found.labels.items()},
        "pictures": found.pictures,
        "left_out": list(found.left_out),
    }
    if out is not None:
        _write(out, result)
        _classification_report(out, found)
    _finish(result, as_json, f"{found.pictures} pictures", found.metrics, found.prior)


@evaluate.command()
def retrieve(  # noqa: PLR0913 - its parameters are the command's options
    images: Images,
    groups: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV file,group: members are relevant to each other."),
    ] = None,
    metu: Annotated[
        bool,
        typer.Option(
            "--metu",
            help="--images is laid out like METU's query set: a folder a group, or 12-3.jpg.",
        ),
    ] = False,
    distractors: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Pictures that belong to no group.")
    ] = None,
    transformations: Annotated[
        bool,
        typer.Option("--transformations", help="Also find pictures by changed copies of them."),
    ] = False,
    checkpoint: Checkpoint = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Query with every picture of a group for the others, among all pictures."""
    if (groups is None) != metu:
        raise typer.BadParameter("give --groups, or --metu for METU's layout")
    from models.encoder import Encoder
    from models.evaluation.measured import measure_retrieval, read_groups, read_metu

    pictures, members = read_metu(images) if groups is None else read_groups(groups, images)
    with _progress() as told:
        found = measure_retrieval(
            Encoder.load(checkpoint), pictures, members, distractors, told, transformations
        )
    result = {
        "metrics": _plain(found.metrics),
        "query_counted": _plain(found.counted),
        "transformations": {name: _plain(row) for name, row in found.transformations.items()},
        "not_itself_first": [list(pair) for pair in found.not_itself_first],
        "queries": found.queries,
        "gallery": found.gallery,
        "left_out": list(found.left_out),
    }
    if out is not None:
        _write(out, result)
        _retrieval_report(out, found)
    title = f"{found.queries} queries among {found.gallery} pictures"
    _finish(result, as_json, title, found.metrics, found.counted, "query counted")


def _finish(
    result: dict[str, Any],
    as_json: bool,
    title: str,
    metrics: "Mapping[str, Interval]",
    beside: "Mapping[str, Interval]",
    beside_title: str = "constant prior",
) -> None:
    for line in result["left_out"][:10]:
        complain(f"left out: {line}")
    if len(result["left_out"]) > 10:
        complain(f"left out: {len(result['left_out']) - 10} more, named in --json")
    if as_json:
        print_plain(json.dumps(result, indent=2))
    else:
        print_table(
            title, ("metric", "value", "95 % interval", beside_title), _rows(metrics, beside)
        )
        for name, row in result.get("transformations", {}).items():
            print_plain(
                f"{name}: original first in {row['recall_at_1']['value']:.3f}, "
                f"mAP {row['mAP']['value']:.3f}"
            )
        if "not_itself_first" in result:
            print_plain(f"not first for its own picture: {len(result['not_itself_first'])}")


def _rows(
    metrics: "Mapping[str, Interval]", beside: "Mapping[str, Interval]"
) -> "list[Sequence[str]]":
    return [
        (
            name,
            f"{one.value:.4f}",
            f"{one.low:.4f} to {one.high:.4f}",
            f"{beside[name].value:.4f}",
        )
        for name, one in metrics.items()
    ]


def _plain(metrics: "Mapping[str, Interval]") -> dict[str, dict[str, float]]:
    return {name: asdict(one) for name, one in metrics.items()}


def _write(out: Path, result: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "metrics.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def _classification_report(out: Path, found: "Classification") -> None:
    from models.evaluation.report import Section, bars_png, html_report, reliability_png

    known = {name: one.AP for name, one in found.labels.items() if one.AP is not None}
    bars = bars_png(out / "labels.png", "Average precision", known, {}, "average precision")
    sure = reliability_png(out / "reliability.png", "Calibration", *found.reliability)
    columns = ("metric", "value", "95 % interval", "constant prior")
    rows = [
        (
            name,
            str(one.support),
            "" if one.AP is None else f"{one.AP:.3f}",
            *(f"{value:.3f}" for value in (one.precision, one.recall, one.F1, one.threshold)),
        )
        for name, one in found.labels.items()
    ]
    heads = ("label", "support", "AP", "precision", "recall", "F1", "threshold")
    sections = [
        Section("Metrics", columns=columns, rows=_rows(found.metrics, found.prior)),
        Section("Calibration", pictures=[(sure, "share true by probability said")]),
        Section("Labels", (), [(bars, "average precision of each label")], heads, rows),
    ]
    html_report(out / "report.html", f"Classification of {found.pictures} pictures", sections)


def _retrieval_report(out: Path, found: "Retrieval") -> None:
    from models.evaluation.report import Section, html_report

    columns = ("metric", "value", "95 % interval", "query counted")
    heads = ("change", "original first", "mAP")
    changed = [
        (name, f"{row['recall_at_1'].value:.3f}", f"{row['mAP'].value:.3f}")
        for name, row in found.transformations.items()
    ]
    exceptions = [list(pair) for pair in found.not_itself_first]
    sections = [
        Section("Metrics", columns=columns, rows=_rows(found.metrics, found.counted)),
        Section("Changed copies", columns=heads, rows=changed),
        Section("Not first for its own picture", (), (), ("picture", "came first"), exceptions),
    ]
    title = f"Retrieval: {found.queries} queries among {found.gallery} pictures"
    html_report(out / "report.html", title, sections)


@contextmanager
def _progress() -> "Iterator[Callable[[int, int], None]]":
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("looking", total=None)

        def told(done: int, wanted: int) -> None:
            bars.update(task, completed=done, total=wanted)

        yield told
