"""What the fine-tuned network scores on the held-out side of the shared data."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Calibration
from models.evaluation.classification import classify_metrics, constant_prior
from models.evaluation.retrieval import retrieval_metrics
from models.training.calibrate import calibrate
from models.training.finetune import Tuner
from models.training.jobs import SharedPack
from models.training.table import UNKNOWN, Rows, Table, brand_groups, concept_groups


def score(
    tuner: Tuner,
    pack: SharedPack,
    table: Table,
    colour: NDArray[np.float32],
    weights: Mapping[str, float],
) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate on half of the held-out composed marks and logos; measure on the rest.

    Args:
        tuner: of the trained network.
        pack: the shared data.
        table: all pictures.
        colour: (n, 48) their colour blocks.
        weights: of the blocks.
    """
    test = np.flatnonzero(table.split == "test")
    seen = tuner.examine(test)
    place = np.full(len(table.keys), -1)
    place[test] = np.arange(len(test))
    composed, logos = table.labelled("composed", "test"), table.labelled("brand", "test")
    calibrating = np.concatenate([composed[::2], logos[::2]])
    calibration = calibrate(
        seen.logits[place[calibrating]], table.targets[calibrating], table.labels.codes
    )
    scaled = calibration.slope * seen.logits + calibration.offset
    probabilities = 1.0 / (1.0 + np.exp(-scaled))
    measured = {
        "composed marks": composed[1::2],
        "icon sets": table.labelled("icon", "test"),
        "real logos": logos[1::2],
    }
    metrics: dict[str, Any] = {
        "classification": {
            name: _classified(table, rows, probabilities[place[rows]], calibration)
            for name, rows in measured.items()
            if len(rows)
        },
        "retrieval": {},
    }
    blocks = {"visual": seen.visual, "concept": seen.concept, "colour": colour[test]}
    blocks["all, default weights"] = np.concatenate(
        [blocks[name] * weight**0.5 for name, weight in weights.items()], axis=1
    )
    galleries = {
        "brand groups": (brand_groups(pack, table, "test"), table.rows("brand", "test")),
        "concept groups": (concept_groups(pack, table, "test"), table.rows("icon", "test")),
    }
    for name, block in blocks.items():
        metrics["retrieval"][name] = {
            of: asdict(
                retrieval_metrics(
                    block, [place[g].tolist() for g in groups], place[gallery].tolist()
                )
            )
            for of, (groups, gallery) in galleries.items()
        }
    metrics["retrieval gallery"] = {of: len(gallery) for of, (_, gallery) in galleries.items()}
    return calibration, metrics


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
    return result
