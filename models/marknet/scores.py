"""What the fine-tuned network scores on the held-out side of the shared data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.classification_metrics import (
    average_precision,
    classify_metrics,
    constant_prior,
    expected_calibration_error,
    mean_average_precision,
    micro_f1,
)
from models.evaluation.retrieval_metrics import RetrievalMetrics, retrieval_metrics
from models.marknet.neighbours import neighbour_vectors
from models.marknet.table import (
    UNKNOWN,
    WITH_PARTS,
    Rows,
    Table,
    brand_groups,
    concept_groups,
    thing_groups,
)
from models.marknet.training_pictures import SharedPack
from models.network.calibration import Calibration
from models.network.neighbours import Neighbours
from models.network.parts import best_seen, is_thing
from models.training.calibrate import calibrate, precision_recall
from models.training.trainer import Trainer
from models.vienna import Level

_CONCEPT_WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
_COLOUR_WEIGHTS = (0.02, 0.05)
_FEWEST = 5  # pictures of a section that is measured
_LEVELS: Mapping[str, tuple[Level, bool]] = {  # what is measured, and whether of things alone
    "category": ("category", False),
    "division": ("division", False),
    "things": ("category", True),
    "things by division": ("division", True),
}
_LEAST_SAID = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class HeldOutScores:
    """Calibration, weights and metrics from the held-out side.

    Attributes:
        calibration: fitted on the validation side's real logos and half of the composed marks.
        weights: of the blocks, chosen on half of the groups.
        metrics: measured on the test side's real logos, the other halves, and all held-out icon
            sets; beside them those of the validation side's logos, by which a network is chosen.
    """

    calibration: Calibration
    weights: dict[str, float]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class _Gallery:
    """Groups of rows that belong together, among all rows searched."""

    groups: Sequence[Sequence[int]]
    rows: Sequence[int]

    def measured(self, embeddings: NDArray[np.float32]) -> RetrievalMetrics:
        return retrieval_metrics(embeddings, self.groups, self.rows)


def score(
    trainer: Trainer,
    pack: SharedPack,
    table: Table,
    colour: NDArray[np.float32],
    neighbours: Neighbours,
) -> HeldOutScores:
    """Calibrate and choose weights on half of the held-out side; measure on the rest.

    Args:
        trainer: of the trained network.
        pack: the shared data.
        table: all pictures.
        colour: (n, 48) their colour blocks.
        neighbours: labelled pictures that vote for codes.
    """
    held_out = np.flatnonzero(table.on("validation", "test"))
    seen = trainer.predict(held_out)
    place = np.full(len(table.keys), -1)
    place[held_out] = np.arange(len(held_out))
    parts = np.concatenate([table.parts(kind, "validation", "test") for kind in WITH_PARTS])
    said = seen.logits + neighbours.votes(neighbour_vectors(seen))
    logits = said
    if len(parts):
        of = place[table.whole(parts)]
        logits = best_seen(logits, logits[place[parts]], of, table.labels.codes)
    calibration, classified = _codes(table, logits, place)
    blocks = {"visual": seen.visual, "concept": seen.concept, "colour": colour[held_out]}
    choosing, galleries = _galleries(pack, table, place)
    weights = _choose_weights(blocks, choosing)
    blocks["all, default weights"] = _weighted(blocks, weights)
    _, whole = _codes(table, said, place)
    metrics = {
        "classification": classified,
        "category mAP of whole pictures": {
            name: found["category"]["mAP"] for name, found in whole.items()
        },
        "retrieval": {
            name: {of: asdict(gallery.measured(block)) for of, gallery in galleries.items()}
            for name, block in blocks.items()
        },
        "retrieval gallery": {of: len(gallery.rows) for of, gallery in galleries.items()},
    }
    return HeldOutScores(calibration, weights, metrics)


def validate(trainer: Trainer, table: Table) -> dict[str, float]:
    """Mean average precision of categories of things on the validation side's real logos.

    Returns:
        By the form in which they stand: as they are, beside lettering.
    """
    at = [code.level == "category" and is_thing(code) for code in table.labels.codes]
    found = {}
    for kind in ("brand", "lettered"):
        wholes, parts = table.labelled(kind, "validation"), table.parts(kind, "validation")
        place = np.full(len(table.keys), -1)
        place[wholes] = np.arange(len(wholes))
        parts = parts[place[table.whole(parts)] >= 0]
        logits = trainer.predict(np.concatenate([wholes, parts])).logits
        whole, cut = np.split(logits, [len(wholes)])
        logits = best_seen(whole, cut, place[table.whole(parts)], table.labels.codes)
        found[kind] = mean_average_precision(table.targets[wholes][:, at], logits[:, at])
    return found


def _galleries(
    pack: SharedPack, table: Table, place: Rows
) -> tuple[list[_Gallery], dict[str, _Gallery]]:
    """Those by which weights are chosen, and those that are measured."""
    logos = place[table.rows("brand", "validation", "test")].tolist()
    icons = place[table.rows("icon", "test")].tolist()
    read = place[table.labelled("brand", "test")].tolist()
    brands, things, same = (
        [place[group].tolist() for group in groups]
        for groups in (
            brand_groups(pack, table, "validation", "test"),
            concept_groups(pack, table, "test"),
            thing_groups(pack, table, "test"),
        )
    )
    choosing = [_Gallery(brands[::2], logos), _Gallery(things[::2], icons)]
    measured = {
        "brand groups": _Gallery(brands[1::2], logos),
        "things, real logos": _Gallery(same, read),
        "concept groups": _Gallery(things[1::2], icons),
    }
    return choosing, {name: gallery for name, gallery in measured.items() if gallery.groups}


def _codes(
    table: Table, logits: NDArray[np.float32], place: Rows
) -> tuple[Calibration, dict[str, Any]]:
    composed = table.labelled("composed", "test")
    choosing = [table.labelled(kind, "validation") for kind in ("brand", "lettered")]
    calibrating = np.concatenate([composed[::2], *choosing])
    real = np.arange(len(calibrating)) >= len(composed[::2])
    calibration = calibrate(
        logits[place[calibrating]],
        table.targets[calibrating],
        table.labels.codes,
        real if real.any() else None,
    )
    probabilities = calibration.probabilities(logits, table.labels.codes)
    measured = {
        "real logos": table.labelled("brand", "test"),
        "real logos beside lettering": table.labelled("lettered", "test"),
        "composed marks": composed[1::2],
        "icon sets": table.labelled("icon", "test"),
        "validation logos": choosing[0],
        "validation logos beside lettering": choosing[1],
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
    blocks: Mapping[str, NDArray[np.float32]], galleries: Sequence[_Gallery]
) -> dict[str, float]:
    """Weights of the greatest product of mAPs: neither same signs nor same things are lost."""

    def product(weights: Mapping[str, float]) -> float:
        whole = _weighted(blocks, weights)
        return float(np.prod([gallery.measured(whole).mAP for gallery in galleries]))

    tried = [
        {"visual": 1.0, "concept": concept, "colour": colour}
        for concept in _CONCEPT_WEIGHTS
        for colour in _COLOUR_WEIGHTS
    ]
    return max(tried, key=product)


def _classified(
    table: Table, rows: Rows, probabilities: NDArray[np.float32], calibration: Calibration
) -> dict[str, Any]:
    """Metrics per level, beside those of the constant prior (of the training side's same kind)."""
    kind = table.keys[rows[0]].partition(":")[0]
    prior = (table.targets[table.labelled(kind, "train")] == 1.0).mean(axis=0)
    result: dict[str, Any] = {"pictures": len(rows)}
    # A column that is never known to be absent (26 on icons) cannot be measured.
    known = (table.targets[rows] == 0.0).any(axis=0)
    for name, (level, things) in _LEVELS.items():
        wanted = [code.level == level and is_thing(code) >= things for code in table.labels.codes]
        at = np.flatnonzero(np.array(wanted) & known)
        targets = table.targets[np.ix_(rows, at)]
        found = classify_metrics(targets, probabilities[:, at], calibration.threshold[at])
        nothing = classify_metrics(
            targets, constant_prior(targets, prior[at]), calibration.threshold[at]
        )
        result[name] = asdict(found) | {"labels": len(at), "constant prior": asdict(nothing)}
        if things:
            said = probabilities[:, at]
            result[name]["precision, recall"] = {
                f"{least:.2f}": precision_recall(targets, said >= least) for least in _LEAST_SAID
            }
            offered = precision_recall(targets, said >= calibration.perhaps[at])
            result[name]["precision, recall with perhaps"] = offered
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
