"""The shipped network: fine-tuned on pictograms, composed marks and real logos.

``python -m models.marknet --shared ../shared/data --fonts DIR... --out RUN`` caches the
lower maps, trains the heads on the frozen backbone's pooled features, fine-tunes conv5 and the
heads together (each resumes where it was stopped), calibrates, evaluates on held-out icon sets and
brands and writes ``RUN/checkpoint``. With ``--start CHECKPOINT`` a network that knows marks learns
further instead, new codes too; with ``--average`` the mean of several is what is kept.
``--device cuda --minutes 25`` trains every layer of the shipped network, as far as it comes in that
time: a third at most for drawing the pictures, the rest for as many steps as fit.
`models.training.export` then adds the OpenVINO model.
"""

import argparse
import copy
import json
import logging
import math
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.marknet.neighbours import fit_neighbours
from models.marknet.recipes import CONV5, FURTHER, FURTHER_HEADS, HEADS, WHOLE
from models.marknet.scores import choose_weights, fit_calibration, look, measure, validate
from models.marknet.start import load_backbone, pool_some, whiten
from models.marknet.table import (
    Rows,
    Table,
    brand_groups,
    tabulate,
    training_thing_groups,
    view_groups,
)
from models.marknet.training_pictures import SharedPack, all_jobs
from models.network.checkpoint import OPENVINO, SHIPPED, Checkpoint, add_neighbours, save_checkpoint
from models.network.marknet import MarkNet, NetworkConfig
from models.network.parts import Parts, is_thing
from models.network.preprocess import Preprocess
from models.synthesis.drawings import Split
from models.synthesis.fonts import FontBook
from models.training.batches import TrainingData
from models.training.feature_sources import (
    Conv5Source,
    FeatureSource,
    LowerMapSource,
    PixelSource,
)
from models.training.lower_maps import (
    KeptPixels,
    LowerLayers,
    LowerMaps,
    OpenVinoLowerLayers,
    cache_lower_maps,
)
from models.training.recipe import Depth, Recipe
from models.training.trainer import Trainer, TrainingProgress
from models.training.transfer import average_weights, transfer_weights

log = logging.getLogger(__name__)

VGG16 = Path("weights", "vgg16_oxford", "vgg16_features_fp16.safetensors")  # in the shared data
# Of the labelled pictures drawn: kind, share, and whether those with rare codes are drawn more.
_SHARES = (
    ("icon", 0.3, True),
    ("composed", 0.28, False),
    ("brand", 0.22, True),
    ("lettered", 0.2, True),
)
_RAREST = 30
_SAVE_EVERY = 25
_MEASURE_EVERY = 100
_MEASURED = 10  # times at most, in a run of many steps
_CACHING = 1 / 3  # of the minutes of a run, at most
_TRAINING = 0.85  # of them, when training ends; what is left is for measuring the network
_OVERHEAD = 1.2  # time of a step with saving and validation, to that of the step alone
_TIMED, _UNTIMED = 16, 4  # steps run beforehand, and those of them that are not timed
_STEPS = "of conv5 and the heads; 0 with --start measures and calibrates a network as it is"
_HEADS_STEPS = "of the heads alone, before those; with --start none unless asked for"
_DEPTH = "what trains further: conv5 and the heads (default on a CPU), or all (on a GPU)"
_MINUTES = "in which pictures are drawn and as many steps made as fit, further from --start"
_FONTS = [Path("/usr/share/fonts"), Path("scripts/training_fonts/node_modules")]
_START = "checkpoint that learns further; with --minutes or --depth all the shipped one"
_AVERAGE = "checkpoints that it came from, whose weights are averaged with what was learnt"


@dataclass(frozen=True)
class Sources:
    """Where the training pictures come from; small, so that it can be sent to processes.

    Attributes:
        shared: folder of the shared data.
        logo_codes: CSV of logos that a reader gave codes.
        fonts: folders of fonts.
        lower: checkpoint whose int8 model looks; its conv1 to conv4 are those of VGG16.
    """

    shared: Path
    logo_codes: Path
    fonts: tuple[Path, ...]
    lower: Path

    def pack(self) -> SharedPack:
        """Read the drawings."""
        return SharedPack.read(self.shared, self.logo_codes)


def cache(sources: Sources, out: Path, depth: Depth, until: float = math.inf) -> None:
    """Cache what all pictures become, in one process a core: drawing holds Python's lock.

    Args:
        sources: of the pictures.
        out: the run's folder.
        depth: whether the lower layers' maps are cached, or pixels because every layer trains.
        until: time (`time.time`) at which to stop; what is there by then is trained on.
    """
    out.mkdir(parents=True, exist_ok=True)
    spawn, number = get_context("spawn"), os.cpu_count() or 1
    workers = [
        spawn.Process(target=_cache_part, args=(sources, out, depth, until, (part, number)))
        for part in range(number)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process that fills the cache died; run again to go on")


def _cache_part(
    sources: Sources, out: Path, depth: Depth, until: float, share: tuple[int, int]
) -> None:
    part, parts = share
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {part}: %(message)s")
    train, held_out = (FontBook(list(sources.fonts), side=side) for side in ("train", "test"))
    books: dict[Split, FontBook] = {"train": train, "validation": held_out, "test": held_out}
    jobs = all_jobs(sources.pack(), books, out / "composed.jsonl")[part::parts]
    lower: LowerLayers = KeptPixels()
    if depth != "all":
        lower = OpenVinoLowerLayers(sources.lower / OPENVINO, threads=1)
    cache_lower_maps(jobs, lower, _cache_folder(out, depth), writer=part, until=until)


def _cache_folder(out: Path, depth: Depth) -> Path:
    return out / ("pixels" if depth == "all" else "maps")


def training_data(pack: SharedPack, table: Table) -> TrainingData:
    """The training side: pictograms, composed marks, real logos, and what is cut out of them."""
    drawn = [(kind, table.labelled(kind, "train"), share, rare) for kind, share, rare in _SHARES]
    shares = [
        (rows, share * (_rarity(table, rows) if rare else np.full(len(rows), 1 / len(rows))))
        for _, rows, share, rare in drawn
        if len(rows)
    ]
    return TrainingData(
        targets=table.targets,
        labelled=np.concatenate([rows for rows, _ in shares]),
        chances=np.concatenate([chances for _, chances in shares]),
        signs=[*brand_groups(pack, table, "train"), *view_groups(table)],
        concepts=training_thing_groups(pack, table),
        parts=table.parts_of("train"),
        shown=np.array([is_thing(code) for code in table.labels.codes]),
    )


def _rarity(table: Table, rows: Rows) -> NDArray[np.float64]:
    """Chances by which rare codes are drawn more often than their share, common ones less.

    None as if it were rarer than `_RAREST`: else a few pictures would be learnt by heart.
    """
    positive = table.targets[rows] == 1.0
    rarity = (positive / np.sqrt(np.maximum(positive.sum(axis=0), _RAREST))).max(axis=1)
    return np.asarray(rarity / rarity.sum(), np.float64)


def fit(trainer: Trainer, state: Path, table: Table) -> None:
    """Run to the end, keeping the state on the way.

    Now and then the validation side's real logos are measured: what would more steps bring?
    """
    if state.exists():
        trainer.load(state)

    def report(progress: TrainingProgress) -> None:
        if progress.step % 10 == 0:
            log.info(
                "step %d: vienna %.3f, visual %.3f, concept %.3f, %.1f pictures/s, %.0f min left",
                *(progress.step, progress.vienna, progress.visual, progress.concept),
                *(progress.pictures_per_second, progress.seconds_left / 60),
            )

    steps = trainer.recipe.steps
    measure_every = max(_MEASURE_EVERY, steps // _MEASURED // _SAVE_EVERY * _SAVE_EVERY)
    while trainer.step < steps:
        trainer.run(trainer.step + _SAVE_EVERY, report)
        trainer.save(state)
        if trainer.step % measure_every == 0 and len(table.labelled("brand", "validation")):
            found = {"step": trainer.step} | validate(trainer, table)
            log.info("validation: %s", found)
            with state.with_suffix(".curve.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")


def conclude(
    trainer: Trainer, pack: SharedPack, table: Table, maps: LowerMaps, folder: Path
) -> None:
    """Calibrate, measure, and write the network as a checkpoint."""
    neighbours = fit_neighbours(trainer, table)
    seen = look(trainer, table, maps.colour.astype(np.float32), neighbours)
    calibration = fit_calibration(seen, pack, table)
    weights = choose_weights(seen, pack, table)
    metrics = measure(seen, pack, table, calibration, weights)
    made = {"recipe": asdict(trainer.recipe), "pictures": len(maps)}
    save_checkpoint(
        folder,
        trainer.network,
        preprocess=Preprocess(),
        parts=Parts(),
        labels=table.labels.codes,
        weights=weights,
        calibration=calibration,
        metrics=metrics | made,
    )
    add_neighbours(folder, neighbours)
    log.info("%s", json.dumps(metrics, indent=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the module."""
    began = time.time()
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sources = Sources(options.shared, options.logo_codes, tuple(options.fonts), options.lower)
    if not options.skip_cache:
        cache(sources, options.out, options.depth, began + _CACHING * 60 * options.minutes)
    pack = sources.pack()
    maps = LowerMaps(_cache_folder(options.out, options.depth))
    start = Checkpoint.open(options.start) if options.start else None
    known = start.labels if start else ()
    table = tabulate(pack, maps.keys, maps.colour, options.out / "composed.jsonl", known)
    log.info("%d pictures, %d labels", len(maps), len(table.labels.codes))
    shape = start.network if start else {}
    network = MarkNet(NetworkConfig(**{**shape, "labels": len(table.labels.codes)}))
    network = network.to(device=options.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    options.ends = began + _TRAINING * 60 * options.minutes
    made = _learn_further if options.start else _learn_afresh
    trainer = made(network, pack, table, maps, options)
    average_weights(network, table.labels.codes, [Checkpoint.open(one) for one in options.average])
    conclude(trainer, pack, table, maps, options.out / "checkpoint")


def _learn_afresh(
    network: MarkNet, pack: SharedPack, table: Table, maps: LowerMaps, options: argparse.Namespace
) -> Trainer:
    """ImageNet's features, the heads on them, then conv5 and the heads."""
    load_backbone(network, options.shared / VGG16)
    data = training_data(pack, table)
    signs = np.concatenate(brand_groups(pack, table, "train"))
    whiten(network, pool_some(network, maps, signs))
    recipe = replace(HEADS, steps=options.heads_steps or HEADS.steps)
    heads = Trainer(network, Conv5Source(maps, options.out), data, recipe)
    fit(heads, options.out / "heads.pt", table)
    recipe = replace(CONV5, steps=options.steps or CONV5.steps)
    trainer = Trainer(network, LowerMapSource(maps), data, recipe, heads.proxies)
    fit(trainer, options.out / "conv5.pt", table)
    return trainer


def _learn_further(
    network: MarkNet, pack: SharedPack, table: Table, maps: LowerMaps, options: argparse.Namespace
) -> Trainer:
    """Conv5 and the heads, from where a checkpoint is; no step leaves it as it is."""
    start = Checkpoint.open(options.start)
    transfer_weights(network, table.labels.codes, start)
    data = training_data(pack, table)
    highest = WHOLE if options.depth == "all" else FURTHER
    recipe = replace(highest, steps=options.steps or highest.steps, seed=options.seed)
    source = _source(maps, options)
    if options.minutes < math.inf and options.steps is None:
        plan = options.out / f"{recipe.depth}-{start.fingerprint}.plan.json"
        trial = Trainer(copy.deepcopy(network), source, data, replace(recipe, steps=_TIMED))
        recipe = replace(recipe, steps=_steps_until(options.ends, trial, plan))
    stages: list[tuple[FeatureSource, Recipe]] = []
    if options.heads_steps:
        heads = replace(FURTHER_HEADS, steps=options.heads_steps, seed=options.seed)
        stages.append((Conv5Source(maps, options.out), heads))
    if options.steps != 0:
        stages.append((source, recipe))
    trainer = Trainer(network, source, data, recipe)
    for source, recipe in stages:
        proxies = trainer.proxies if trainer.step else None
        trainer = Trainer(network, source, data, recipe, proxies)
        state = options.out / f"{recipe.depth}-{start.fingerprint}.pt"
        if proxies is None and not state.exists():
            trainer.initialise_proxies()
        fit(trainer, state, table)
    return trainer


def _source(maps: LowerMaps, options: argparse.Namespace) -> FeatureSource:
    made = PixelSource if options.depth == "all" else LowerMapSource
    return made(maps, options.device)


def _steps_until(ends: float, trial: Trainer, plan: Path) -> int:
    """How many steps fit in until a time; a resumed run keeps to what was found first.

    Args:
        ends: time (`time.time`).
        trial: of a copy of the network, to be timed.
        plan: file that keeps the number.
    """
    if not plan.exists():
        trial.run(_UNTIMED)
        began = time.monotonic()
        trial.run(_TIMED)
        each = _OVERHEAD * (time.monotonic() - began) / (_TIMED - _UNTIMED)
        steps = max(_SAVE_EVERY, int((ends - time.time()) / each))
        log.info("%.2f s a step: %d steps fit in", each, steps)
        plan.write_text(json.dumps({"steps": steps}), "utf-8")
    return int(json.loads(plan.read_text("utf-8"))["steps"])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--fonts", type=Path, nargs="+", default=_FONTS)
    parser.add_argument("--lower", type=Path, default=SHIPPED, help="checkpoint with an int8 model")
    parser.add_argument("--out", type=Path, default=Path("runs/marknet"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--depth", choices=("conv5", "all"), help=_DEPTH)
    parser.add_argument("--minutes", type=float, default=math.inf, help=_MINUTES)
    parser.add_argument("--heads-steps", type=int, help=_HEADS_STEPS)
    parser.add_argument("--steps", type=int, help=_STEPS)
    parser.add_argument("--start", type=Path, help=_START)
    parser.add_argument("--average", type=Path, nargs="+", default=[], help=_AVERAGE)
    parser.add_argument("--seed", type=int, default=FURTHER.seed, help="of what is learnt further")
    parser.add_argument("--skip-cache", action="store_true", help="train on what is cached")
    options = parser.parse_args(arguments)
    options.depth = options.depth or ("all" if options.device == "cuda" else "conv5")
    if options.depth == "all" or options.minutes < math.inf:
        options.start = options.start or SHIPPED
    if options.steps == 0 and not options.start:
        parser.error("--steps 0 measures a checkpoint: name it with --start")
    return options


if __name__ == "__main__":
    main()
