"""`marklens train`: fine-tune on a user's own labelled pictures, into a self-contained folder.

::

    RUN/
    ├── run.json          what was asked for; a resumed run must ask for the same
    ├── left_out.txt      pictures that are missing or cannot be read
    ├── maps/             cache of the lower layers, or pixels/ if all train; may be deleted
    ├── state.pt          where the run stands; best.pt is its best epoch
    ├── history.jsonl     one line an epoch
    ├── checkpoint/       the network: MARKLENS_CHECKPOINT=RUN/checkpoint serves it; seen.txt says
    │                     which pictures `marklens evaluate` is not to measure it on
    ├── metrics.json      test metrics beside the constant prior's
    ├── labels.csv        every label: title, threshold, what the test says of it
    └── report.html       the same with curves and per-label tables, PNGs beside it
"""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from models.errors import BadCheckpoint, BadLabels
from models.evaluation.classification_metrics import (
    classify_metrics,
    constant_prior,
    prior_thresholds,
)
from models.evaluation.labels_csv import read_labels
from models.evaluation.seen_pictures import SeenPictures
from models.network.calibration import Calibration
from models.network.checkpoint import (
    SHIPPED,
    Checkpoint,
    add_code_block,
    add_places,
    save_checkpoint,
)
from models.network.code_block import CodeBlock
from models.network.marknet import MarkNet, NetworkConfig
from models.network.places import PlaceCoder
from models.network.preprocess import Preprocess
from models.run_folder import claim_folder, write_atomically
from models.training.batches import TrainingData, steps_an_epoch
from models.training.calibrate import calibrate
from models.training.code_block import fit_code_block
from models.training.feature_sources import FeatureSource, LowerMapSource, PixelSource
from models.training.labelled_pictures import LabelledPictures
from models.training.lower_maps import (
    KeptPixels,
    LowerLayers,
    LowerMaps,
    OpenVinoLowerLayers,
    TorchLowerLayers,
    cache_lower_maps,
    find_int8_of_lower_layers,
)
from models.training.place_fitting import PICTURES, fit_places
from models.training.recipe import Depth, Recipe
from models.training.trainer import Trainer, TrainingProgress, epoch_ends
from models.training.transfer import transfer_weights

log = logging.getLogger(__name__)

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class TrainingRequest:
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
class EpochResult:
    """One line of ``history.jsonl``: loss, and metrics on the validation pictures.

    Attributes:
        epoch: its number, from 1.
        step: its last.
        loss: on the training pictures as they were learnt, mean over pictures and labels.
        validation: metrics of the network, not calibrated yet: what counts is at least 0.5.
        prior: the same of the constant prior.
        pictures_per_second: that were learnt.
        best: whether its validation mAP is the highest so far.
    """

    epoch: int
    step: int
    loss: float
    validation: dict[str, float]
    prior: dict[str, float]
    pictures_per_second: float
    best: bool


@dataclass(frozen=True)
class TrainingCallbacks:
    """Functions that a training run calls with its progress."""

    gathered: Callable[[LabelledPictures, Depth], None]
    cached: Callable[[int, int], None]
    stepped: Callable[[TrainingProgress, int], None]
    finished_epoch: Callable[[EpochResult], None]


def train(request: TrainingRequest, callbacks: TrainingCallbacks) -> dict[str, Any]:
    """Run, or go on with, a fine-tuning; return what ``metrics.json`` holds.

    Raises:
        BadLabels: labels or pictures cannot be used, or the folder holds another run.
        BadCheckpoint: the start, or the run's state, is damaged.
    """
    start = Checkpoint.open(request.start)
    depth: Depth = request.depth or ("all" if request.device == "cuda" else "conv5")
    pictures = LabelledPictures.gather(
        read_labels(request.labels), request.images, int(start.preprocess.size)
    )
    _claim(request, depth, start, pictures)
    callbacks.gathered(pictures, depth)
    network = MarkNet(NetworkConfig(**{**start.network, "labels": len(pictures.labels.codes)}))
    transfer_weights(network, pictures.labels.codes, start)
    network = network.to(device=request.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    source, pictures = _source(request, depth, start, network, pictures, callbacks)
    for side in SIDES:
        if not (pictures.targets[pictures.rows(side)] > 0).any():
            raise BadLabels(
                f"too few pictures: of {len(pictures.rows(side))} for {side} none bears any label"
            )
    trained = pictures.rows("train")
    steps = steps_an_epoch(len(trained), request.batch)
    recipe = Recipe(
        steps=steps * request.epochs,
        depth=depth,
        labelled=request.batch,
        heads_rate=request.heads_rate,
        features_rate=request.features_rate,
        loss=request.loss,
        seed=request.seed,
    )
    data = TrainingData(pictures.targets, trained)
    trainer = Trainer(network, source, data, recipe)
    _learn(request, trainer, steps, pictures, callbacks)
    metrics = _conclude(request, trainer, pictures, start)
    places = _fit_places(_lower_layers(request, depth, start, network), pictures, start.preprocess)
    add_places(request.out / "checkpoint", places)
    return metrics


def prior_of(pictures: LabelledPictures) -> NDArray[np.float32]:
    """Each label's frequency in training: what a network says that has learnt nothing."""
    frequencies: NDArray[np.float32] = pictures.targets[pictures.rows("train")].mean(axis=0)
    return frequencies


def _claim(
    request: TrainingRequest, depth: Depth, start: Checkpoint, pictures: LabelledPictures
) -> None:
    """Make the folder this run's, or check that it is."""
    wanted = {key: str(value) for key, value in asdict(request).items()}
    for key in ("out", "patience"):  # where it lies, and when it stops, may change on the way
        del wanted[key]
    wanted |= {
        "labels": str(request.labels.resolve()),
        "images": str(request.images.resolve()),
        "start": start.fingerprint,
        "depth": depth,
        "pictures": str(len(pictures.jobs)),
        # The cache of the lower layers goes by names: of other pictures it would be wrong.
        "names and contents of the pictures": pictures.digest()[:16],
        "codes": ";".join(map(str, pictures.labels.codes)),
        "targets": hashlib.sha256(pictures.targets.tobytes()).hexdigest()[:16],
    }
    claim_folder(request.out / "run.json", wanted)


def _source(
    request: TrainingRequest,
    depth: Depth,
    start: Checkpoint,
    network: MarkNet,
    pictures: LabelledPictures,
    callbacks: TrainingCallbacks,
) -> tuple[FeatureSource, LabelledPictures]:
    """The cache of the lower layers, or of the pixels if every layer learns."""
    lower = KeptPixels() if depth == "all" else _lower_layers(request, depth, start, network)
    kept = "pixels" if depth == "all" else "maps"
    left_out = cache_lower_maps(pictures.jobs, lower, request.out / kept, callbacks.cached)
    _note_left_out(request.out, pictures, left_out)
    if len(left_out) == len(pictures.jobs):
        raise BadLabels(f"no picture can be read; {request.out / 'left_out.txt'} says why")
    maps = LowerMaps(request.out / kept)
    source = PixelSource if depth == "all" else LowerMapSource
    return source(maps, request.device), pictures.kept(maps.keys)


def _lower_layers(
    request: TrainingRequest, depth: Depth, start: Checkpoint, network: MarkNet
) -> LowerLayers:
    """The start's own where they are not trained and int8 is at hand; else the network's."""
    int8 = find_int8_of_lower_layers(start) if request.device == "cpu" and depth != "all" else None
    if int8:
        return OpenVinoLowerLayers(int8)
    return TorchLowerLayers(network, request.device)


def _note_left_out(out: Path, pictures: LabelledPictures, unreadable: Sequence[str]) -> None:
    lines = (*pictures.left_out, *unreadable)
    write_atomically(out / "left_out.txt", "".join(f"{line}\n" for line in lines))


def _learn(
    request: TrainingRequest,
    trainer: Trainer,
    steps: int,
    pictures: LabelledPictures,
    callbacks: TrainingCallbacks,
) -> None:
    """Train epoch by epoch until the validation mAP stops rising; end with the best epoch."""
    state, best, history = (request.out / name for name in ("state.pt", "best.pt", "history.jsonl"))
    done = read_history(request.out)
    if state.exists():
        trainer.load(state)
    done = [epoch for epoch in done if epoch["step"] <= trainer.step]
    for last in epoch_ends(trainer, steps):
        scores = [float(epoch["validation"]["mAP"]) for epoch in done]
        if scores and len(scores) - 1 - int(np.argmax(scores)) >= request.patience:
            log.info("no better validation mAP for %d epochs", request.patience)
            break
        progress = _run_epoch(trainer, last, callbacks)
        validation, prior = _validate(trainer, pictures)
        epoch = EpochResult(
            epoch=len(done) + 1,
            step=trainer.step,
            loss=float(np.mean([step.vienna for step in progress])),
            validation=validation,
            prior=prior,
            pictures_per_second=progress[-1].pictures_per_second,
            best=not scores or validation["mAP"] > max(scores),
        )
        if epoch.best:
            trainer.save(best)
        # The history before the state: a kill in between repeats the epoch, and loses no line.
        done.append(asdict(epoch))
        write_atomically(history, "".join(json.dumps(line) + "\n" for line in done))
        trainer.save(state)
        callbacks.finished_epoch(epoch)
    trainer.load(best)


def _run_epoch(trainer: Trainer, last: int, callbacks: TrainingCallbacks) -> list[TrainingProgress]:
    """Train to the last step of an epoch; return how each step went."""
    steps: list[TrainingProgress] = []
    labels = trainer.network.config.labels

    def report(progress: TrainingProgress) -> None:
        # It learns by the sum over labels; people compare the mean, which log_loss and Keras have.
        shown = replace(progress, vienna=progress.vienna / labels)
        steps.append(shown)
        callbacks.stepped(shown, trainer.recipe.steps)

    trainer.run(last, report)
    return steps


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


def _validate(
    trainer: Trainer, pictures: LabelledPictures
) -> tuple[dict[str, float], dict[str, float]]:
    rows = pictures.rows("validation")
    targets = pictures.targets[rows]
    codes = pictures.labels.codes
    plain = Calibration.none(len(codes))
    probabilities = plain.probabilities(trainer.predict(rows).logits, codes)
    nothing = constant_prior(targets, prior_of(pictures))
    return (
        asdict(classify_metrics(targets, probabilities, plain.threshold)),
        asdict(classify_metrics(targets, nothing, plain.threshold)),
    )


def _fit_places(
    lower: LowerLayers, pictures: LabelledPictures, preprocess: Preprocess
) -> PlaceCoder:
    """How the network codes places, fitted on some of the training pictures."""
    rows = np.random.default_rng(0).permutation(pictures.rows("train"))[:PICTURES]
    return fit_places(lower, preprocess.batch([pictures.jobs[row].draw() for row in rows]))


def _conclude(
    request: TrainingRequest,
    trainer: Trainer,
    pictures: LabelledPictures,
    start: Checkpoint,
) -> dict[str, Any]:
    """Calibrate on the validation pictures, measure on the test pictures, write it all down."""
    validation, test = pictures.rows("validation"), pictures.rows("test")
    logits, codes = trainer.predict(validation).logits, pictures.labels.codes
    calibration = calibrate(logits, pictures.targets[validation], codes)
    probabilities = calibration.probabilities(trainer.predict(test).logits, codes)
    targets = pictures.targets[test]
    metrics = {
        "pictures": {side: len(pictures.rows(side)) for side in SIDES},
        "test": asdict(classify_metrics(targets, probabilities, calibration.threshold)),
        "constant prior": _measure_prior(pictures),
        "epochs": read_history(request.out),
    }
    np.savez_compressed(
        request.out / "test_predictions.npz",
        names=np.array([pictures.jobs[row].key for row in test]),
        codes=np.array([str(code) for code in codes]),
        targets=targets,
        probabilities=probabilities,
        thresholds=calibration.threshold,
        prior=prior_of(pictures),
    )
    # First, so that there is no network of which it is not known.
    (SeenPictures.of(start.folder) | pictures.seen()).note(request.out / "checkpoint")
    saved = save_checkpoint(
        request.out / "checkpoint",
        trainer.network,
        preprocess=start.preprocess,
        labels=codes,
        weights={block.name: block.weight for block in start.blocks},
        calibration=calibration,
        metrics=metrics,
    )
    add_code_block(saved.folder, _code_block(calibration.probabilities(logits, codes), pictures))
    write_atomically(request.out / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    return metrics


def _measure_prior(pictures: LabelledPictures) -> dict[str, float]:
    """The constant prior on the test pictures, decided, as the network is, by the validation's."""
    prior, targets = prior_of(pictures), pictures.targets[pictures.rows("test")]
    thresholds = prior_thresholds(pictures.targets[pictures.rows("validation")], prior)
    return asdict(classify_metrics(targets, constant_prior(targets, prior), thresholds))


def _code_block(probabilities: NDArray[np.float32], pictures: LabelledPictures) -> CodeBlock:
    """The block "codes": rare is what few of the training pictures bear."""
    targets = pictures.targets[pictures.rows("train")]
    counts = (targets > 0).sum(axis=0).astype(np.float64)
    return fit_code_block(probabilities, counts, len(targets), pictures.labels.codes)
