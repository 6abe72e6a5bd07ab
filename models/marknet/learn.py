"""The shipped network: fine-tuned on pictograms, composed marks and real logos.

``python -m models.marknet --shared ../shared/data --fonts DIR... --out RUN`` caches the
lower maps, trains the heads on the frozen backbone's pooled features, fine-tunes conv5 and the
heads together (each resumes where it was stopped), calibrates, evaluates on held-out icon sets and
brands and writes ``RUN/checkpoint``. With ``--start CHECKPOINT`` a network that knows marks learns
further instead, new codes too; with ``--average`` the mean of several is what is kept.
`models.training.export` then adds the OpenVINO model.
"""

import argparse
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.marknet.scores import score, validate
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
from models.network.checkpoint import OPENVINO, SHIPPED, Checkpoint, save_checkpoint
from models.network.marknet import MarkNet, NetworkConfig
from models.network.parts import Parts, is_thing
from models.network.preprocess import Preprocess
from models.synthesis.drawings import Split
from models.synthesis.fonts import FontBook
from models.training.batches import TrainingData
from models.training.feature_sources import Conv5Source, FeatureSource, LowerMapSource
from models.training.lower_maps import LowerMaps, OpenVinoLowerLayers, cache_lower_maps
from models.training.recipe import Recipe
from models.training.trainer import Trainer, TrainingProgress
from models.training.transfer import average_weights, transfer_weights

log = logging.getLogger(__name__)

VGG16 = Path("weights", "vgg16_oxford", "vgg16_features_fp16.safetensors")  # in the shared data
HEADS = Recipe(  # convolutions frozen: pictures are cheap
    steps=2000,
    depth="heads",
    labelled=384,
    signs=160,
    concepts=200,
    heads_rate=2e-3,
    temperature=0.1,
    vienna_weight=0.35,
    proxy_weight=1.0,
    seed=1,
)
CONV5 = Recipe(  # small steps, as many as a CPU makes in an hour; memory gives them negatives
    steps=800,
    depth="conv5",
    labelled=72,
    signs=32,
    concepts=40,
    heads_rate=8e-4,
    features_rate=1e-4,
    temperature=0.08,
    remembered=25,
    vienna_weight=0.35,
    proxy_weight=1.0,
    seed=2,
)
FURTHER = replace(  # from a network that knows marks: smaller steps still, but more of them
    CONV5,
    steps=1000,
    labelled=64,  # and their parts
    signs=8,
    concepts=12,
    heads_rate=3e-4,  # at 1e-3 validation logos got worse within 100 steps
    dropout=0.4,
    vienna_weight=0.5,
    seed=3,
)
# Of the labelled pictures drawn: kind, share, and whether those with rare codes are drawn more.
_SHARES = (
    ("icon", 0.3, True),
    ("composed", 0.28, False),
    ("brand", 0.22, True),
    ("lettered", 0.2, True),
)
FURTHER_HEADS = replace(  # before that, on what conv5 is: a twentieth of the work a picture
    FURTHER,
    depth="heads",
    labelled=128,
    signs=0,  # the visual block hangs on conv5
    concepts=24,
)
_RAREST = 30
_SAVE_EVERY = 25
_MEASURE_EVERY = 100
_STEPS = "of conv5 and the heads; 0 with --start measures and calibrates a network as it is"
_HEADS_STEPS = "of the heads alone, before those; with --start none unless asked for"
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


def cache(sources: Sources, out: Path) -> None:
    """Cache the lower maps of all pictures, in one process a core: drawing holds Python's lock."""
    out.mkdir(parents=True, exist_ok=True)
    spawn, number = get_context("spawn"), os.cpu_count() or 1
    workers = [
        spawn.Process(target=_cache_part, args=(sources, out, part, number))
        for part in range(number)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a process that fills the cache died; run again to go on")


def _cache_part(sources: Sources, out: Path, part: int, parts: int) -> None:
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {part}: %(message)s")
    train, held_out = (FontBook(list(sources.fonts), side=side) for side in ("train", "test"))
    books: dict[Split, FontBook] = {"train": train, "validation": held_out, "test": held_out}
    jobs = all_jobs(sources.pack(), books, out / "composed.jsonl")[part::parts]
    lower = OpenVinoLowerLayers(sources.lower / OPENVINO, threads=1)
    cache_lower_maps(jobs, lower, out / "maps", writer=part)


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

    while trainer.step < trainer.recipe.steps:
        trainer.run(trainer.step + _SAVE_EVERY, report)
        trainer.save(state)
        if trainer.step % _MEASURE_EVERY == 0 and len(table.labelled("brand", "validation")):
            found = {"step": trainer.step} | validate(trainer, table)
            log.info("validation: %s", found)
            with state.with_suffix(".curve.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")


def conclude(
    trainer: Trainer, pack: SharedPack, table: Table, maps: LowerMaps, folder: Path
) -> None:
    """Calibrate, measure, and write the network as a checkpoint."""
    scored = score(trainer, pack, table, maps.colour.astype(np.float32))
    made = {"recipe": asdict(trainer.recipe), "pictures": len(maps)}
    save_checkpoint(
        folder,
        trainer.network,
        preprocess=Preprocess(),
        parts=Parts(),
        labels=table.labels.codes,
        weights=scored.weights,
        calibration=scored.calibration,
        metrics=scored.metrics | made,
    )
    log.info("%s", json.dumps(scored.metrics, indent=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the module."""
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sources = Sources(options.shared, options.logo_codes, tuple(options.fonts), options.lower)
    if not options.skip_cache:
        cache(sources, options.out)
    pack = sources.pack()
    maps = LowerMaps(options.out / "maps")
    known = Checkpoint.open(options.start).labels if options.start else ()
    table = tabulate(pack, maps, options.out / "composed.jsonl", known)
    log.info("%d pictures, %d labels", len(maps), len(table.labels.codes))
    network = MarkNet(NetworkConfig(labels=len(table.labels.codes)))
    network = network.to(memory_format=torch.channels_last)
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
    conv5 = replace(FURTHER, steps=options.steps or FURTHER.steps, seed=options.seed)
    stages: list[tuple[FeatureSource, Recipe]] = []
    if options.heads_steps:
        recipe = replace(FURTHER_HEADS, steps=options.heads_steps, seed=options.seed)
        stages.append((Conv5Source(maps, options.out), recipe))
    if options.steps != 0:
        stages.append((LowerMapSource(maps), conv5))
    trainer = Trainer(network, LowerMapSource(maps), data, conv5)
    for source, recipe in stages:
        proxies = trainer.proxies if trainer.step else None
        trainer = Trainer(network, source, data, recipe, proxies)
        state = options.out / f"{recipe.depth}-{start.fingerprint}.pt"
        if proxies is None and not state.exists():
            trainer.initialise_proxies()
        fit(trainer, state, table)
    return trainer


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--lower", type=Path, default=SHIPPED, help="checkpoint with an int8 model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--heads-steps", type=int, help=_HEADS_STEPS)
    parser.add_argument("--steps", type=int, help=_STEPS)
    parser.add_argument("--start", type=Path, help="checkpoint that learns further")
    parser.add_argument("--average", type=Path, nargs="+", default=[], help=_AVERAGE)
    parser.add_argument("--seed", type=int, default=FURTHER.seed, help="of what is learnt further")
    parser.add_argument("--skip-cache", action="store_true", help="train on what is cached")
    options = parser.parse_args(arguments)
    if options.steps == 0 and not options.start:
        parser.error("--steps 0 measures a checkpoint: name it with --start")
    return options


if __name__ == "__main__":
    main()
