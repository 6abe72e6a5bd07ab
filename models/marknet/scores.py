"""What the fine-tuned network scores on the held-out side of the shared data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.classification import (
    average_precision,
    classify_metrics,
    constant_prior,
    expected_calibration_error,
    micro_f1,
)
from models.evaluation.retrieval import Retrieved, retrieval_metrics
from models.marknet.table import UNKNOWN, Rows, Table, brand_groups, concept_groups
from models.marknet.training_pictures import SharedPack
from models.network.checkpoint import Calibration
from models.network.parts import best_seen
from models.training.calibrate import calibrate
from models.training.finetune import Tuner

_CONCEPT_WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
_COLOUR_WEIGHTS = (0.02, 0.05)
_FEWEST = 5  # pictures of a section that is measured


@dataclass(frozen=True)
class Scored:
    """What the held-out side says.

    Attributes:
        calibration: fitted on half of the composed marks and logos.
        weights: of the blocks, chosen on half of the groups.
        metrics: measured on the other halves, and on all held-out icon sets.
    """

    calibration: Calibration
    weights: dict[str, float]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class _Gallery:
    """Groups of rows that belong together, among all rows searched."""

    groups: Sequence[Sequence[int]]
    rows: Sequence[int]

    def measured(self, embeddings: NDArray[np.float32], half: int) -> Retrieved:
        return retrieval_metrics(embeddings, self.groups[half::2], self.rows)


def score(tuner: Tuner, pack: SharedPack, table: Table, colour: NDArray[np.float32]) -> Scored:
    """Calibrate and choose weights on half of the held-out side; measure on the rest.

    Args:
        tuner: of the trained network.
        pack: the shared data.
        table: all pictures.
        colour: (n, 48) their colour blocks.
    """
    test = np.flatnonzero(table.split == "test")
    seen = tuner.examine(test)
    place = np.full(len(table.keys), -1)
    place[test] = np.arange(len(test))
    parts = np.concatenate([table.parts(kind, "test") for kind in ("icon", "brand", "composed")])
    logits = seen.logits
    if len(parts):
        of = place[table.whole(parts)]
        logits = best_seen(logits, logits[place[parts]], of, table.labels.codes)
    calibration, classified = _codes(table, logits, place)
    blocks = {"visual": seen.visual, "concept": seen.concept, "colour": colour[test]}
    galleries = {
        "brand groups": (brand_groups(pack, table, "test"), table.rows("brand", "test")),
        "concept groups": (concept_groups(pack, table, "test"), table.rows("icon", "test")),
    }
    placed = {
        of: _Gallery([place[group].tolist() for group in groups], place[rows].tolist())
        for of, (groups, rows) in galleries.items()
    }
    weights = _choose_weights(blocks, placed)
    blocks["all, default weights"] = _weighted(blocks, weights)
    _, whole = _codes(table, seen.logits, place)
    metrics = {
        "classification": classified,
        "category mAP of whole pictures": {
            name: found["category"]["mAP"] for name, found in whole.items()
        },
        "retrieval": {
            name: {of: asdict(gallery.measured(block, 1)) for of, gallery in placed.items()}
            for name, block in blocks.items()
        },
        "retrieval gallery": {of: len(gallery.rows) for of, gallery in placed.items()},
    }
    return Scored(calibration, weights, metrics)


def _codes(
    table: Table, logits: NDArray[np.float32], place: Rows
) -> tuple[Calibration, dict[str, Any]]:
    composed, logos = table.labelled("composed", "test"), table.labelled("brand", "test")
    calibrating = np.concatenate([composed[::2], logos[::2]])
    calibration = calibrate(
        logits[place[calibrating]], table.targets[calibrating], table.labels.codes
    )
    probabilities = calibration.probabilities(logits, table.labels.codes)
    measured = {
        "composed marks": composed[1::2],
        "icon sets": table.labelled("icon", "test"),
        "real logos": logos[1::2],
    }
    return calibration, {
        name: _classified(table, rows, probabilities[place[rows]], calibration)
        for name, rows in measured.items()
        if len(rows)
    }


def _weighted(
    blocks: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float]
) -> NDArray[np.float32]:
    return np.concatenate([blocks[name] * weight**0.5 for name, weight in weights.items()], axis=1)


def _choose_weights(
    blocks: Mapping[str, NDArray[np.float32]], galleries: Mapping[str, _Gallery]
) -> dict[str, float]:
    """Weights of the greatest product of mAPs: neither same signs nor same things are lost."""

    def product(weights: Mapping[str, float]) -> float:
        whole = _weighted(blocks, weights)
        return float(np.prod([gallery.measured(whole, 0).mAP for gallery in galleries.values()]))

    tried = [
        {"visual": 1.0, "concept": concept, "colour": colour}
        for concept in _CONCEPT_WEIGHTS
        for colour in _COLOUR_WEIGHTS
    ]
    return max(tried, key=product)


def _classified(
    table: Table, rows: Rows, probabilities: NDArray[np.float32], calibration: Calibration
) -> dict[str, Any]:
    """Metrics per level, beside those of the constant prior (composed training marks')."""
    trained = table.targets[table.rows("composed", "train")]
    prior = (trained == 1.0).mean(axis=0)
    result: dict[str, Any] = {"pictures": len(rows)}
    for level in ("category", "division"):
        # A column that is unknown for any picture (26 on icons) cannot be measured there.
        known = (table.targets[rows] != UNKNOWN).all(axis=0)
        of_level = np.array([code.level == level for code in table.labels.codes])
        at = np.flatnonzero(of_level & known)
        targets = table.targets[np.ix_(rows, at)]
        found = classify_metrics(targets, probabilities[:, at], calibration.threshold[at])
        nothing = classify_metrics(
            targets, constant_prior(targets, prior[at]), calibration.threshold[at]
        )
        result[level] = asdict(found) | {"labels": len(at), "constant prior": asdict(nothing)}
    sections = _sections(table, rows, probabilities, calibration.threshold, prior)
    return result | ({"section": sections} if sections else {})


def _sections(
    table: Table,
    rows: Rows,
    probabilities: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    prior: NDArray[np.float32],
) -> dict[str, Any]:
    """Metrics of the sections that occur often enough; nothing if none does.

    Each on the pictures of which it is known whether they bear it: where a name tells the division
    alone, no section of it counts for or against.
    """
    targets = table.targets[rows]
    of_level = np.array([code.level == "section" for code in table.labels.codes])
    at = np.flatnonzero(of_level & ((targets == 1.0).sum(axis=0) >= _FEWEST))
    if not len(at):
        return {}
    known = targets[:, at] != UNKNOWN
    truth, said = targets[:, at][known], probabilities[:, at][known]
    yes = (probabilities[:, at] >= thresholds[at])[known]

    def mean_ap(scores: NDArray[np.float32]) -> float:
        columns = zip(targets[:, at].T, scores.T, known.T, strict=True)
        return float(np.mean([average_precision(t[k], s[k]) for t, s, k in columns]))

    nothing = np.broadcast_to(prior[at], known.shape)
    return {
        "labels": len(at),
        "mAP": mean_ap(probabilities[:, at]),
        "micro_F1": micro_f1(truth, yes),
        "ECE": expected_calibration_error(truth, said),
        "constant prior": {
            "mAP": mean_ap(nothing),
            "micro_F1": micro_f1(truth, (nothing >= thresholds[at])[known]),
            "ECE": expected_calibration_error(truth, nothing[known]),
        },
    }
