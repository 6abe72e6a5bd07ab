"""The shipped network: fine-tuned on pictograms, composed marks and real logos.

``python -m models.marknet --shared ../shared/data --fonts DIR... --out RUN`` caches the
lower maps, trains the heads on the frozen backbone's pooled features, fine-tunes conv5 and the
heads together (each resumes where it was stopped), calibrates, evaluates on held-out icon sets and
brands and writes ``RUN/checkpoint``. With ``--start CHECKPOINT`` a network that knows marks learns
further instead, new codes too; with ``--average`` the mean of several is what is kept.
`models.marknet.export` then adds the OpenVINO model.
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

from models.marknet.pooled import pool_all
from models.marknet.scores import score
from models.marknet.start import load_backbone, whiten
from models.marknet.table import Table, brand_groups, concept_groups, tabulate, view_groups
from models.marknet.training_pictures import SIDES, SharedPack, all_jobs
from models.network.checkpoint import OPENVINO, SHIPPED, Checkpoint, save_checkpoint
from models.network.marknet import MarkNet, NetworkConfig
from models.network.parts import Parts, is_thing
from models.network.preprocess import Preprocess
from models.synthesis.fonts import FontBook
from models.training.activations import CachedSource, PooledSource
from models.training.finetune import Lessons, Progress, Recipe, Tuner
from models.training.lower_maps import LowerMaps, OpenVinoLowerLayers, cache_lower_maps
from models.training.transfer import adopt, blend

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
    labelled=80,  # and their parts
    signs=14,
    concepts=18,
    dropout=0.25,
    vienna_weight=0.5,
    seed=3,
)
_SAVE_EVERY = 25
_STEPS = "of conv5 and the heads; 0 with --start measures and calibrates a network as it is"
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
    books = {side: FontBook(list(sources.fonts), side=side) for side in SIDES}
    jobs = all_jobs(sources.pack(), books, out / "composed.jsonl")[part::parts]
    lower = OpenVinoLowerLayers(sources.lower / OPENVINO, threads=1)
    cache_lower_maps(jobs, lower, out / "maps", writer=part)


def lessons_from(pack: SharedPack, table: Table) -> Lessons:
    """The training side: pictograms, composed marks, real logos, and what is cut out of them."""
    icons, logos = table.labelled("icon", "train"), table.labelled("brand", "train")
    composed = table.labelled("composed", "train")
    positive = table.targets[icons] == 1.0
    # Rare codes are drawn more often than their share, common ones less.
    rarity = (positive / np.sqrt(np.maximum(positive.sum(axis=0), 1))).max(axis=1)
    shares = [
        (icons, 0.52 * rarity / rarity.sum()),
        (composed, np.full(len(composed), 0.38 / len(composed))),
        (logos, np.full(len(logos), 0.1 / max(1, len(logos)))),
    ]
    return Lessons(
        targets=table.targets,
        labelled=np.concatenate([rows for rows, _ in shares]),
        chances=np.concatenate([chances for _, chances in shares]),
        signs=[*brand_groups(pack, table, "train"), *view_groups(table)],
        concepts=concept_groups(pack, table, "train"),
        parts=table.parts_of("train"),
        shown=np.array([is_thing(code) for code in table.labels.codes]),
    )


def fit(tuner: Tuner, state: Path) -> None:
    """Run to the end, keeping the state on the way."""
    if state.exists():
        tuner.load(state)

    def report(progress: Progress) -> None:
        if progress.step % 10 == 0:
            log.info(
                "step %d: vienna %.3f, visual %.3f, concept %.3f, %.1f pictures/s, %.0f min left",
                *(progress.step, progress.vienna, progress.visual, progress.concept),
                *(progress.pictures_per_second, progress.seconds_left / 60),
            )

    while tuner.step < tuner.recipe.steps:
        tuner.run(tuner.step + _SAVE_EVERY, report)
        tuner.save(state)


def conclude(tuner: Tuner, pack: SharedPack, table: Table, maps: LowerMaps, folder: Path) -> None:
    """Calibrate, measure, and write the network as a checkpoint."""
    scored = score(tuner, pack, table, maps.colour.astype(np.float32))
    made = {"recipe": asdict(tuner.recipe), "pictures": len(maps)}
    save_checkpoint(
        folder,
        tuner.network,
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
    table = tabulate(pack, maps, options.out / "composed.jsonl")
    log.info("%d pictures, %d labels", len(maps), len(table.labels.codes))
    network = MarkNet(NetworkConfig(labels=len(table.labels.codes)))
    network = network.to(memory_format=torch.channels_last)
    made = _learn_further if options.start else _learn_afresh
    tuner = made(network, pack, table, maps, options)
    blend(network, table.labels.codes, [Checkpoint.open(one) for one in options.average])
    conclude(tuner, pack, table, maps, options.out / "checkpoint")


def _learn_afresh(
    network: MarkNet, pack: SharedPack, table: Table, maps: LowerMaps, options: argparse.Namespace
) -> Tuner:
    """ImageNet's features, the heads on them, then conv5 and the heads."""
    load_backbone(network, options.shared / VGG16)
    lessons = lessons_from(pack, table)
    pooled = pool_all(network, maps, options.out / "pooled.npz")
    whiten(network, pooled, np.concatenate(brand_groups(pack, table, "train")))
    recipe = replace(HEADS, steps=options.heads_steps)
    heads = Tuner(network, PooledSource(pooled.features, maps.colour), lessons, recipe)
    fit(heads, options.out / "heads.pt")
    recipe = replace(CONV5, steps=options.steps or CONV5.steps)
    tuner = Tuner(network, CachedSource(maps), lessons, recipe, heads.proxies)
    fit(tuner, options.out / "conv5.pt")
    return tuner


def _learn_further(
    network: MarkNet, pack: SharedPack, table: Table, maps: LowerMaps, options: argparse.Namespace
) -> Tuner:
    """Conv5 and the heads, from where a checkpoint is; no step leaves it as it is."""
    start = Checkpoint.open(options.start)
    adopt(network, table.labels.codes, start)
    recipe = replace(FURTHER, steps=options.steps or FURTHER.steps, seed=options.seed)
    tuner = Tuner(network, CachedSource(maps), lessons_from(pack, table), recipe)
    if options.steps == 0:
        return tuner
    state = options.out / f"further-{start.fingerprint}.pt"
    if not state.exists():
        tuner.centre_proxies()
    fit(tuner, state)
    return tuner


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--lower", type=Path, default=SHIPPED, help="checkpoint with an int8 model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--heads-steps", type=int, default=HEADS.steps)
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
