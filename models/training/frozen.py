"""The shipped network: pretrained VGG19, frozen; heads trained on its cached features.

``python -m models.training.frozen --shared ../shared/data --fonts DIR... --out RUN`` reads the
shared data, caches features (hours of CPU; it resumes), trains, calibrates, evaluates on held-out
icon sets and brands, and writes the checkpoint. `models.training.export` then adds OpenVINO.
"""

import argparse
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from models.backbone import vgg19_state_from_vgg16
from models.checkpoint import Calibration, save_checkpoint
from models.colour import GREYS, ColourBlock
from models.evaluation.classification import Classified, classify_metrics, constant_prior
from models.evaluation.retrieval import retrieval_metrics
from models.network import Heads, MarkNet, NetworkConfig, PooledFeatures
from models.preprocess import Preprocess
from models.training.calibrate import calibrate
from models.training.codes import LabelSet
from models.training.export import convert, quantise
from models.training.features import Features, cache_features, load_features
from models.training.fonts import FontBook
from models.training.heads import HeadsData, HeadsRecipe, train_heads
from models.training.jobs import (
    SharedPack,
    brand_jobs,
    composed_jobs,
    pictogram_jobs,
    split_of_key,
)
from models.vienna import ViennaCode

log = logging.getLogger(__name__)

UNKNOWN = -1.0  # a target that says neither yes nor no
_LEAST_EXAMPLES = 15
_COLOURED = 0.15  # share of chromatic reference colours from which a pictogram counts as coloured
_WEIGHTS = {"visual": 1.0, "concept": 0.35, "colour": 0.05}


class _Cacheable(nn.Module):
    """What is cached: everything in front of the heads."""

    def __init__(self, config: NetworkConfig, vgg16: Path) -> None:
        super().__init__()
        self.pooled = PooledFeatures(config)
        self.colour = ColourBlock()
        self.pooled.backbone.load_state_dict(vgg19_state_from_vgg16(load_file(vgg16)))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        planes = pixels.permute(0, 3, 1, 2).float()
        return self.pooled(planes), self.colour(planes)


@dataclass(frozen=True)
class Table:
    """All cached pictures with what is known of them.

    Attributes:
        features: of each row.
        split: (n,) "train" or "test".
        labels: the codes predicted.
        targets: (n, labels) 0, 1 or UNKNOWN; rows of brands are all UNKNOWN.
    """

    features: Features
    split: NDArray[np.str_]
    labels: LabelSet
    targets: NDArray[np.float32]

    def rows(self, kind: str, split: str) -> NDArray[np.int64]:
        """Rows of a kind of key (``icon``, ``composed``, ...) on one side of the split."""
        of_kind = np.array([key.startswith(f"{kind}:") for key in self.features.keys])
        return np.flatnonzero(of_kind & (self.split == split))


def cache(pack: SharedPack, shared: Path, fonts: Sequence[Path], folder: Path) -> None:
    """Compute features of all pictures; note the codes of composed marks beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = shared / "weights" / "vgg16_oxford" / "vgg16_features_fp16.safetensors"
    jobs = [*brand_jobs(pack), *pictogram_jobs(pack)]
    model = folder / "features_int8.xml"
    if not model.exists():
        preprocess = Preprocess()
        pixels = preprocess.batch([job.draw() for job in jobs[:6000:50]])
        network = _Cacheable(NetworkConfig(labels=1), weights)
        openvino.save_model(quantise(convert(network, preprocess.size), pixels), model)
    cache_features(jobs, model, folder)
    book = FontBook(list(fonts))
    known = folder / "composed.json"
    codes = json.loads(known.read_text("utf-8")) if known.exists() else {}
    for split in ("train", "test"):
        composed = composed_jobs(pack, book, split)
        cache_features(composed.jobs, model, folder)
        codes |= {key: [str(c) for c in marked] for key, marked in composed.codes.items()}
        known.write_text(json.dumps(codes), "utf-8")


def tabulate(pack: SharedPack, folder: Path) -> Table:
    """Read the cache and lay beside it what is known of each picture."""
    features = load_features(folder)
    composed = json.loads((folder / "composed.json").read_text("utf-8"))
    split = np.array([split_of_key(key, pack) for key in features.keys])
    codes: dict[int, tuple[ViennaCode, ...]] = {}
    for row, key in enumerate(features.keys):
        if key in composed:
            codes[row] = tuple(ViennaCode.parse(text) for text in composed[key])
        elif key.startswith("icon:"):
            set_, _, name = key[5:].partition("/")
            if (set_, name) in pack.pictograms:
                codes[row] = pack.pictograms[set_, name].codes
    trained = [codes[row] for row in codes if split[row] == "train"]
    labels = LabelSet.from_examples(trained, _LEAST_EXAMPLES)
    targets = np.full((len(features.keys), len(labels.codes)), UNKNOWN, np.float32)
    for row, marked in codes.items():
        targets[row] = labels.encode(marked)
    _doubt_pictograms(features, labels, targets)
    return Table(features, split, labels, targets)


def _doubt_pictograms(features: Features, labels: LabelSet, targets: NDArray[np.float32]) -> None:
    """A pictogram's name says nothing of its ring, frame or colours: colours come from the pixels.

    Category 26 and what lies below it is unknown unless the name says it.
    """
    icons = np.flatnonzero([key.startswith("icon:") for key in features.keys])
    shares = features.colour[icons].astype(np.float32)[:, GREYS:]
    coloured = np.square(shares).sum(axis=1) > _COLOURED
    for at, code in enumerate(labels.codes):
        if code.category == 29:
            targets[icons, at] = coloured
        elif code.category == 26:
            column = targets[icons, at]
            targets[icons, at] = np.where(column == 1.0, 1.0, UNKNOWN)


def _groups(table: Table, keys: Sequence[Sequence[str]], split: str) -> list[list[int]]:
    """Rows of groups of keys on one side of the split, where at least two are left."""
    row_of = {key: row for row, key in enumerate(table.features.keys)}
    groups = [
        [row_of[key] for key in group if key in row_of and table.split[row_of[key]] == split]
        for group in keys
    ]
    return [group for group in groups if len(group) >= 2]


def brand_groups(pack: SharedPack, table: Table, split: str) -> list[list[int]]:
    """Rows that show one brand's sign."""
    keys = [[f"brand:{s}/{n}" for s, n in members] for members in pack.brands.values()]
    return _groups(table, keys, split)


def view_groups(table: Table) -> list[list[int]]:
    """Training rows that show one logo: itself and its changed views."""
    views: dict[str, list[str]] = defaultdict(list)
    for key in table.features.keys:
        if key.startswith("view:"):
            views[key[5:].partition("#")[0]].append(key)
    return _groups(table, [[f"brand:{logo}", *keys] for logo, keys in views.items()], "train")


def concept_groups(pack: SharedPack, table: Table, split: str) -> list[list[int]]:
    """Rows that show one thing, drawn by different hands."""
    keys = [[f"icon:{s}/{n}" for s, n in members] for members in pack.concepts.values()]
    return _groups(table, keys, split)


def fit(pack: SharedPack, table: Table, recipe: HeadsRecipe) -> tuple[NetworkConfig, Heads]:
    """Train the heads on the training side."""
    config = NetworkConfig(labels=len(table.labels.codes))
    icons, composed = table.rows("icon", "train"), table.rows("composed", "train")
    icons = icons[(table.targets[icons] == 1.0).any(axis=1)]
    frequency = (table.targets[icons] == 1.0).sum(axis=0)
    rarity = (table.targets[icons] == 1.0) / np.sqrt(np.maximum(frequency, 1))
    # Half the labelled pictures are composed marks: that is what registers hold.
    weights = rarity.max(axis=1) / rarity.max(axis=1).sum()
    data = HeadsData(
        pooled=table.features.pooled.astype(np.float32),
        colour=table.features.colour.astype(np.float32),
        targets=table.targets,
        labelled=np.concatenate([icons, composed]),
        weights=np.concatenate([weights, np.full(len(composed), 1.0 / len(composed))]),
        signs=[*brand_groups(pack, table, "train"), *view_groups(table)],
        concepts=concept_groups(pack, table, "train"),
    )
    return config, train_heads(data, config, recipe)


def evaluate(pack: SharedPack, table: Table, heads: Heads) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate on one half of the held-out composed marks; measure on the rest."""
    with torch.no_grad():
        visual, concept, logits = (
            part.numpy()
            for part in heads(
                torch.from_numpy(table.features.pooled.astype(np.float32)),
                torch.from_numpy(table.features.colour.astype(np.float32)),
            )
        )
    composed = table.rows("composed", "test")
    for_calibration, composed = composed[::2], composed[1::2]
    calibration = calibrate(
        logits[for_calibration], table.targets[for_calibration], table.labels.codes
    )
    probabilities = 1.0 / (1.0 + np.exp(-(calibration.slope * logits + calibration.offset)))
    colour = table.features.colour.astype(np.float32)
    metrics: dict[str, Any] = {
        "classification": {
            "composed marks": _classified(table, composed, probabilities, calibration),
            "icon sets": _classified(table, _named(table), probabilities, calibration),
        }
    }
    blocks = {"visual": visual, "concept": concept, "colour": colour}
    blocks["all, default weights"] = np.concatenate(
        [blocks[name] * weight**0.5 for name, weight in _WEIGHTS.items()], axis=1
    )
    logos = np.flatnonzero([key.startswith("brand:") for key in table.features.keys]).tolist()
    icons = table.rows("icon", "test").tolist()
    brands = brand_groups(pack, table, "test")
    concepts = concept_groups(pack, table, "test")
    metrics["retrieval"] = {
        name: {
            "brand groups": asdict(retrieval_metrics(block, brands, logos)),
            "concept groups": asdict(retrieval_metrics(block, concepts, icons)),
        }
        for name, block in blocks.items()
    }
    metrics["retrieval gallery"] = {"brand groups": len(logos), "concept groups": len(icons)}
    return calibration, metrics


def _named(table: Table) -> NDArray[np.int64]:
    """Held-out pictograms whose name says what they show."""
    icons = table.rows("icon", "test")
    devices = np.array([code.category not in (26, 29) for code in table.labels.codes])
    named = (table.targets[np.ix_(icons, np.flatnonzero(devices))] == 1.0).any(axis=1)
    kept: NDArray[np.int64] = icons[named]
    return kept


def _classified(
    table: Table,
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    calibration: Calibration,
) -> dict[str, Any]:
    """Metrics per level, beside those of the constant prior (composed training marks')."""
    prior = table.targets[table.rows("composed", "train")].mean(axis=0)
    result: dict[str, Any] = {"pictures": len(rows)}
    for level in ("category", "division"):
        # A column that is unknown for any picture (26 on icons) cannot be measured there.
        known = (table.targets[rows] != UNKNOWN).all(axis=0)
        of_level = np.array([code.level == level for code in table.labels.codes])
        at = np.flatnonzero(of_level & known)
        targets = table.targets[np.ix_(rows, at)]
        found: Classified = classify_metrics(
            targets, probabilities[np.ix_(rows, at)], calibration.threshold[at]
        )
        nothing = classify_metrics(
            targets, constant_prior(targets, prior[at]), calibration.threshold[at]
        )
        result[level] = asdict(found) | {"labels": len(at), "constant prior": asdict(nothing)}
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--fonts", type=Path, nargs="+", default=[Path("/usr/share/fonts")])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=HeadsRecipe().steps)
    parser.add_argument("--skip-cache", action="store_true", help="train on what is cached")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    pack = SharedPack.read(options.shared)
    folder = options.out / "features"
    if not options.skip_cache:
        cache(pack, options.shared, options.fonts, folder)
    table = tabulate(pack, folder)
    recipe = HeadsRecipe(steps=options.steps)
    config, heads = fit(pack, table, recipe)
    calibration, metrics = evaluate(pack, table, heads)
    network = MarkNet(config)
    weights = options.shared / "weights" / "vgg16_oxford" / "vgg16_features_fp16.safetensors"
    network.pooled.backbone.load_state_dict(vgg19_state_from_vgg16(load_file(weights)))
    network.heads.load_state_dict(heads.state_dict())
    save_checkpoint(
        options.out / "checkpoint",
        network,
        preprocess=Preprocess(),
        labels=table.labels.codes,
        weights=_WEIGHTS,
        calibration=calibration,
        metrics=metrics | {"recipe": asdict(recipe), "pictures": len(table.features.keys)},
    )
    log.info("%s", json.dumps(metrics, indent=1))


if __name__ == "__main__":
    main()
