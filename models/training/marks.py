"""The shipped network: fine-tuned on pictograms, composed marks and real logos.

``python -m models.training.marks --shared ../shared/data --fonts DIR... --start CHECKPOINT
--out RUN`` caches the lower maps (it resumes), fine-tunes conv5 and the heads (it resumes),
calibrates, evaluates on held-out icon sets and brands and writes ``RUN/checkpoint``.
`models.training.export` then adds the OpenVINO model.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from models.checkpoint import OPENVINO, Checkpoint, save_checkpoint
from models.errors import BadCheckpoint
from models.network import MarkNet, NetworkConfig
from models.training.finetune import Lessons, Progress, Recipe, Tuner
from models.training.fonts import FontBook
from models.training.jobs import SIDES, SharedPack, all_jobs
from models.training.lower_maps import LowerMaps, OpenVinoLowerLayers, cache_lower_maps
from models.training.scores import score
from models.training.sources import CachedSource
from models.training.table import Table, brand_groups, concept_groups, tabulate, view_groups
from models.training.transfer import adopt

log = logging.getLogger(__name__)

WEIGHTS = {"visual": 1.0, "concept": 0.35, "colour": 0.05}
_SAVE_EVERY = 50


def cache(pack: SharedPack, fonts: Sequence[Path], start: Path, out: Path) -> None:
    """Cache the lower maps of all pictures."""
    out.mkdir(parents=True, exist_ok=True)
    books = {side: FontBook(list(fonts), side=side) for side in SIDES}
    jobs = all_jobs(pack, books, out / "composed.jsonl")
    cache_lower_maps(jobs, OpenVinoLowerLayers(start / OPENVINO), out / "maps")


def lessons_from(pack: SharedPack, table: Table) -> Lessons:
    """The training side: half of what is drawn are composed marks, as in registers."""
    icons, logos = table.labelled("icon", "train"), table.labelled("brand", "train")
    composed = table.labelled("composed", "train")
    positive = table.targets[icons] == 1.0
    # Rare codes are drawn more often than their share, common ones less.
    rarity = (positive / np.sqrt(np.maximum(positive.sum(axis=0), 1))).max(axis=1)
    shares = [
        (icons, 0.4 * rarity / rarity.sum()),
        (composed, np.full(len(composed), 0.5 / len(composed))),
        (logos, np.full(len(logos), 0.1 / max(1, len(logos)))),
    ]
    return Lessons(
        targets=table.targets,
        labelled=np.concatenate([rows for rows, _ in shares]),
        chances=np.concatenate([chances for _, chances in shares]),
        signs=[*brand_groups(pack, table, "train"), *view_groups(table)],
        concepts=concept_groups(pack, table, "train"),
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--logo-codes", type=Path, default=Path("scripts/demo_labels.csv"))
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--start", type=Path, required=True, help="checkpoint to go on from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--skip-cache", action="store_true", help="train on what is cached")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    start = Checkpoint.open(options.start)
    if not (options.start / OPENVINO).is_file():
        raise BadCheckpoint(f"{options.start}: {OPENVINO} is missing; models.training.export it")
    pack = SharedPack.read(options.shared, options.logo_codes)
    if not options.skip_cache:
        cache(pack, options.fonts, options.start, options.out)
    maps = LowerMaps(options.out / "maps")
    table = tabulate(pack, maps, options.out / "composed.jsonl")
    network = MarkNet(NetworkConfig(labels=len(table.labels.codes)))
    adopt(network, table.labels.codes, start)
    network = network.to(memory_format=torch.channels_last)
    recipe = Recipe(steps=options.steps, labelled=80, signs=40, concepts=24, seed=1)
    tuner = Tuner(network, CachedSource(maps), lessons_from(pack, table), recipe)
    fit(tuner, options.out / "state.pt")
    calibration, metrics = score(tuner, pack, table, maps.colour.astype(np.float32), WEIGHTS)
    save_checkpoint(
        options.out / "checkpoint",
        network,
        preprocess=start.preprocess,
        labels=table.labels.codes,
        weights=WEIGHTS,
        calibration=calibration,
        metrics=metrics | {"recipe": asdict(recipe), "pictures": len(maps)},
    )
    log.info("%s", json.dumps(metrics, indent=1))


if __name__ == "__main__":
    main()
