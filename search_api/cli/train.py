"""`marklens train` and `marklens compose`: a network for one's own labels, pictures to try it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from search_api.cli.console import Device, PictureFolder, print_plain, print_table
from search_api.cli.progress import progress
from search_api.cli.training_progress import training_progress

AsJson = Annotated[bool, typer.Option("--json", help="Print the final metrics as JSON.")]
_SHOWN = (
    *("mAP", "LRAP", "coverage_error", "micro_F1", "macro_F1", "hamming_loss", "binary_accuracy"),
    *("subset_accuracy", "ECE", "log_loss", "keras_accuracy"),
)


Labels = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="CSV: a file-name column and one column of 0 and 1 a Vienna code (01 to 29, or any "
        "codes), or a column `codes` with ; between them.",
    ),
]
Out = Annotated[
    Path, typer.Option(metavar="FOLDER", help="The run's folder; the same command resumes it.")
]
Start = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Checkpoint to go on from; by default the shipped one."),
]
Epochs = Annotated[int, typer.Option(min=1, metavar="NUMBER", help="At most.")]
Patience = Annotated[
    int,
    typer.Option(min=1, metavar="NUMBER", help="Stop after so many epochs without a better mAP."),
]
Batch = Annotated[int, typer.Option(min=2, metavar="NUMBER", help="Pictures a step.")]
Depth = Annotated[
    Literal["heads", "conv5", "all"] | None,
    typer.Option(
        "--depth",
        metavar="DEPTH",
        help="What learns: heads, conv5 (and the heads) or all; by default all on a GPU, conv5 on "
        "a CPU, where the layers below look at each picture once and are cached.",
    ),
]
Loss = Annotated[
    Literal["asymmetric", "bce"], typer.Option("--loss", metavar="LOSS", help="asymmetric or bce.")
]


def train(  # noqa: PLR0913 - its parameters are the command's options
    labels: Labels,
    images: PictureFolder,
    out: Out,
    start: Start = None,
    epochs: Epochs = 12,
    patience: Patience = 3,
    batch: Batch = 64,
    depth: Depth = None,
    loss: Loss = "asymmetric",
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Fine-tune the network on your own labelled pictures.

    One tenth of the pictures is kept for validation and one tenth for the test; both are chosen
    by content, so equal files stay on one side. The metrics of a constant prediction of the label
    frequencies stand beside everything.
    """
    from models.errors import MissingPackage

    MissingPackage.check("torch", "train", "`marklens train`")
    from models.network.checkpoint import SHIPPED
    from models.training.training_report import write_report
    from models.training.training_run import TrainingRequest
    from models.training.training_run import train as run

    where = _device(device)
    request = TrainingRequest(
        labels, images, out, start or SHIPPED, epochs, patience, batch, depth, loss
    )
    with training_progress(epochs, batch, where, quiet=as_json) as callbacks:
        metrics = run(replace(request, device=where), callbacks)
    _print(metrics, write_report(out), out, as_json)


def _device(wanted: str) -> str:
    import torch

    from models.errors import MissingPackage

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise MissingPackage("torch sees no CUDA device: check nvidia-smi, or use --device auto")
    return "cuda" if there and wanted != "cpu" else "cpu"


def _print(metrics: dict[str, Any], report: Path, out: Path, as_json: bool) -> None:
    if as_json:
        print_plain(json.dumps(metrics, indent=2))
        return
    rows = [
        (name, f"{metrics['test'][name]:.3f}", f"{metrics['constant prior'][name]:.3f}")
        for name in _SHOWN
    ]
    epochs = metrics["epochs"]
    best = max(epochs, key=lambda epoch: epoch["validation"]["mAP"])
    print_plain(f"{len(epochs)} epochs; the network is that of epoch {best['epoch']}")
    print_table("test pictures", ("metric", "network", "constant prior"), rows)
    print_plain(f"report: {report}")
    print_plain(f"serve it with MARKLENS_CHECKPOINT={out / 'checkpoint'}")


def compose(
    out: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Gets labels.csv and a folder images.")
    ],
    number: Annotated[
        int, typer.Option("-n", "--number", min=1, metavar="NUMBER", help="How many marks.")
    ] = 17_000,
    pack: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Pack of pictograms (.jsonl.gz); by default the small one here."
        ),
    ] = None,
    fonts: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Folder of fonts; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Equal seeds, equal marks.")] = 0,
) -> None:
    """Compose figurative marks with their 29 categories as one-hot columns, to try `train` on.

    A run that was stopped goes on with the same command.
    """
    from models.synthesis.composed_folder import compose_marks

    made = compose_marks(out, number, pack=pack, fonts=fonts, seed=seed)
    with progress("composing") as advance:
        for done in made:
            advance(done, number, done)
    print_plain(f"{number} marks: {out / 'labels.csv'}, pictures in {out / 'images'}")


COMMANDS = (train, compose)
