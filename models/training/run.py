"""`marklens train`: fine-tune on a user's own labelled pictures, into a self-contained folder.

::

    RUN/
    ├── run.json          what was asked for; a resumed run must ask for the same
    ├── left_out.txt      pictures that are missing or cannot be read
    ├── maps/             cache of the lower layers (when these are frozen); may be deleted
    ├── state.pt          where the run stands; best.pt is its best epoch
    ├── history.jsonl     one line an epoch
    ├── checkpoint/       the network: MARKLENS_CHECKPOINT=RUN/checkpoint serves it
    ├── metrics.json      test metrics beside the constant prior's
    ├── labels.csv        every label: title, threshold, what the test says of it
    └── report.html       the same with curves and per-label tables, PNGs beside it
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import BadCheckpoint, BadLabels
from models.evaluation.classification_metrics import classify_metrics, constant_prior
from models.evaluation.labels_csv import read_labels
from models.network.checkpoint import SHIPPED, Calibration, Checkpoint, save_checkpoint
from models.network.marknet import MarkNet, NetworkConfig
from models.network.preprocess import Preprocess
from models.run_folder import claim_folder, write_atomically
from models.training.activations import CachedSource, PictureSource, Source
from models.training.calibrate import calibrate
from models.training.finetune import Depth, Lessons, Progress, Recipe, Tuner, epochs
from models.training.lower_maps import (
    LowerLayers,
    LowerMaps,
    OpenVinoLowerLayers,
    TorchLowerLayers,
    cache_lower_maps,
)
from models.training.pictures import OwnPictures
from models.training.transfer import adopt

log = logging.getLogger(__name__)

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Order:
    """What a user asks for.

    Attributes:
        labels: CSV of names and labels.
        images: folder of the pictures.
        out: the run's folder.
        start: checkpoint to go on from.
        epochs: at most.
        patience: epochs without a better validation mAP after which to stop.
        batch: pictures a step.
        depth: what learns; None: everything on a GPU, conv5 and heads on a CPU.
        loss: of the codes.
        heads_rate, features_rate: highest learning rates.
        device: ``cpu`` or ``cuda``.
        seed: of everything random.
    """

    labels: Path
    images: Path
    out: Path
    start: Path = SHIPPED
    epochs: int = 12
    patience: int = 3
    batch: int = 64
    depth: Depth | None = None
    loss: Literal["asymmetric", "bce"] = "asymmetric"
    heads_rate: float = 1e-3
    features_rate: float = 1e-4
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """One line of ``history.jsonl``: loss and what the validation pictures say."""

    epoch: int
    step: int
    loss: float
    validation: dict[str, float]
    prior: dict[str, float]
    pictures_per_second: float
    best: bool


@dataclass(frozen=True)
class Watcher:
    """Whom to tell how it goes."""

    gathered: Callable[[OwnPictures, Depth], None]
    cached: Callable[[int, int], None]
    stepped: Callable[[Progress, int], None]
    finished_epoch: Callable[[Epoch], None]


def train(order: Order, watcher: Watcher) -> dict[str, Any]:
    """Run, or go on with, a fine-tuning; return what ``metrics.json`` holds.

    Raises:
        BadLabels: labels or pictures cannot be used, or the folder holds another run.
        BadCheckpoint: the start, or the run's state, is damaged.
    """
    start = Checkpoint.open(order.start)
    depth: Depth = order.depth or ("all" if order.device == "cuda" else "conv5")
    pictures = OwnPictures.gather(
        read_labels(order.labels), order.images, int(start.preprocess.size)
    )
    _claim(order, depth, start, pictures)
    watcher.gathered(pictures, depth)
    network = MarkNet(NetworkConfig(**{**start.network, "labels": len(pictures.labels.codes)}))
    adopt(network, pictures.labels.codes, start)
    network = network.to(device=order.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    source, pictures = _source(order, depth, start, network, pictures, watcher)
    for side in SIDES:
        if not (pictures.targets[pictures.rows(side)] > 0).any():
            raise BadLabels(
                f"too few pictures: of {len(pictures.rows(side))} for {side} none bears any label"
            )
    trained = pictures.rows("train")
    steps = max(1, round(len(trained) / order.batch))
    recipe = Recipe(
        steps=steps * order.epochs,
        depth=depth,
        labelled=order.batch,
        heads_rate=order.heads_rate,
        features_rate=order.features_rate,
        loss=order.loss,
        seed=order.seed,
    )
    lessons = Lessons(pictures.targets, trained, np.ones(len(trained)))
    tuner = Tuner(network, source, lessons, recipe)
    _learn(order, tuner, steps, pictures, watcher)
    return _conclude(order, tuner, pictures, start.preprocess, start)


def prior_of(pictures: OwnPictures) -> NDArray[np.float32]:
    """Each label's frequency in training: what a network says that has learnt nothing."""
    frequencies: NDArray[np.float32] = pictures.targets[pictures.rows("train")].mean(axis=0)
    return frequencies


def _claim(order: Order, depth: Depth, start: Checkpoint, pictures: OwnPictures) -> None:
    """Make the folder this run's, or check that it is."""
    wanted = {key: str(value) for key, value in asdict(order).items()}
    for key in ("out", "patience"):  # where it lies, and when it stops, may change on the way
        del wanted[key]
    wanted |= {
        "labels": str(order.labels.resolve()),
        "images": str(order.images.resolve()),
        "start": start.fingerprint,
        "depth": depth,
        "pictures": str(len(pictures.jobs)),
        "codes": ";".join(map(str, pictures.labels.codes)),
        "targets": hashlib.sha256(pictures.targets.tobytes()).hexdigest()[:16],
    }
    claim_folder(order.out / "run.json", wanted)


def _source(
    order: Order,
    depth: Depth,
    start: Checkpoint,
    network: MarkNet,
    pictures: OwnPictures,
    watcher: Watcher,
) -> tuple[Source, OwnPictures]:
    """The cache of the lower layers, or the pictures themselves if every layer learns."""
    if depth == "all":
        pictures, left_out = pictures.readable(watcher.cached)
        _note_left_out(order.out, pictures, left_out)
        return PictureSource(pictures.jobs, start.preprocess, order.device), pictures
    lower: LowerLayers
    if order.device == "cpu" and start.openvino_sha256:
        lower = OpenVinoLowerLayers(start.openvino_model())
    else:
        lower = TorchLowerLayers(network, order.device)
    left_out = cache_lower_maps(pictures.jobs, lower, order.out / "maps", watcher.cached)
    _note_left_out(order.out, pictures, left_out)
    if len(left_out) == len(pictures.jobs):
        raise BadLabels(f"no picture can be read; {order.out / 'left_out.txt'} says why")
    maps = LowerMaps(order.out / "maps")
    return CachedSource(maps, order.device), pictures.kept(maps.keys)


def _note_left_out(out: Path, pictures: OwnPictures, unreadable: Sequence[str]) -> None:
    lines = [*(f"{name}: no such picture" for name in pictures.missing), *unreadable]
    write_atomically(out / "left_out.txt", "".join(f"{line}\n" for line in lines))


def _learn(order: Order, tuner: Tuner, steps: int, pictures: OwnPictures, watcher: Watcher) -> None:
    """Train epoch by epoch until the validation mAP stops rising; end with the best epoch."""
    state, best, history = (order.out / name for name in ("state.pt", "best.pt", "history.jsonl"))
    done = read_history(order.out)
    if state.exists():
        tuner.load(state)
    done = [epoch for epoch in done if epoch["step"] <= tuner.step]
    for last in epochs(tuner, steps):
        scores = [float(epoch["validation"]["mAP"]) for epoch in done]
        if scores and len(scores) - 1 - int(np.argmax(scores)) >= order.patience:
            log.info("no better validation mAP for %d epochs", order.patience)
            break
        losses: list[Progress] = []

        def report(progress: Progress, losses: list[Progress] = losses) -> None:
            losses.append(progress)
            watcher.stepped(progress, tuner.recipe.steps)

        tuner.run(last, report)
        validation, prior = _validate(tuner, pictures)
        epoch = Epoch(
            epoch=len(done) + 1,
            step=tuner.step,
            loss=float(np.mean([progress.vienna for progress in losses])),
            validation=validation,
            prior=prior,
            pictures_per_second=losses[-1].pictures_per_second,
            best=not scores or validation["mAP"] > max(scores),
        )
        if epoch.best:
            tuner.save(best)
        # The history before the state: a kill in between repeats the epoch, and loses no line.
        done.append(asdict(epoch))
        write_atomically(history, "".join(json.dumps(line) + "\n" for line in done))
        tuner.save(state)
        watcher.finished_epoch(epoch)
    tuner.load(best)


def read_history(out: Path) -> list[dict[str, Any]]:
    """The epochs of a run folder so far.

    Raises:
        BadCheckpoint: the file is damaged.
    """
    path = out / "history.jsonl"
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except ValueError as error:
        raise BadCheckpoint(
            f"{path}: damaged ({error}); use another --out to start afresh"
        ) from error


def _validate(tuner: Tuner, pictures: OwnPictures) -> tuple[dict[str, float], dict[str, float]]:
    rows = pictures.rows("validation")
    targets = pictures.targets[rows]
    codes = pictures.labels.codes
    plain = Calibration.none(len(codes))
    probabilities = plain.probabilities(tuner.examine(rows).logits, codes)
    nothing = constant_prior(targets, prior_of(pictures))
    return (
        asdict(classify_metrics(targets, probabilities, plain.threshold)),
        asdict(classify_metrics(targets, nothing, plain.threshold)),
    )


def _conclude(
    order: Order, tuner: Tuner, pictures: OwnPictures, preprocess: Preprocess, start: Checkpoint
) -> dict[str, Any]:
    """Calibrate on the validation pictures, measure on the test pictures, write it all down."""
    validation, test = pictures.rows("validation"), pictures.rows("test")
    codes = pictures.labels.codes
    calibration = calibrate(tuner.examine(validation).logits, pictures.targets[validation], codes)
    probabilities = calibration.probabilities(tuner.examine(test).logits, codes)
    targets = pictures.targets[test]
    nothing = constant_prior(targets, prior_of(pictures))
    metrics = {
        "pictures": {side: len(pictures.rows(side)) for side in SIDES},
        "test": asdict(classify_metrics(targets, probabilities, calibration.threshold)),
        "constant prior": asdict(classify_metrics(targets, nothing, calibration.threshold)),
        "epochs": read_history(order.out),
    }
    np.savez_compressed(
        order.out / "test_predictions.npz",
        names=np.array([pictures.jobs[row].key for row in test]),
        codes=np.array([str(code) for code in codes]),
        targets=targets,
        probabilities=probabilities,
        thresholds=calibration.threshold,
        prior=prior_of(pictures),
    )
    save_checkpoint(
        order.out / "checkpoint",
        tuner.network,
        preprocess=preprocess,
        labels=codes,
        weights={block.name: block.weight for block in start.blocks},
        calibration=calibration,
        metrics=metrics,
    )
    write_atomically(order.out / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    return metrics
