"""What the fine-tuned network scores on the held-out side of the shared data."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
    targets_of_reading,
    thing_groups,
)
from models.marknet.training_pictures import SharedPack
from models.network.calibration import Calibration
from models.network.label_set import LabelSet
from models.network.neighbours import Neighbours
from models.network.parts import best_seen, is_thing
from models.training.calibrate import calibrate, choose_thresholds, precision_recall
from models.training.trainer import Trainer
from models.vienna import Level

_CONCEPT_WEIGHTS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
_COLOUR_WEIGHTS = (0.02, 0.05)
_LEAST_USUAL = 0.5  # added to a code's count: none is impossible
_FEWEST = 5  # pictures of a section that is measured
_LEVELS: Mapping[str, tuple[Level, bool]] = {  # what is measured, and whether of things alone
    "category": ("category", False),
    "division": ("division", False),
    "things": ("category", True),
    "things by division": ("division", True),
}
_LEAST_SAID = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class HeldOut:
    """What a network says of the held-out side's pictures.

    Attributes:
        rows: (k,) of the table.
        logits: (k, labels), not calibrated, of pictures with their parts.
        whole: (k, labels), the same of whole pictures alone.
        blocks: (k, d) of the whole pictures' embeddings, by name.
    """

    rows: Rows
    logits: NDArray[np.float32]
    whole: NDArray[np.float32]
    blocks: Mapping[str, NDArray[np.float32]]

    def places(self, table: Table) -> Rows:
        """(n,) the place among them of each row of the table; -1 for those not held out."""
        place = np.full(len(table.keys), -1)
        place[self.rows] = np.arange(len(self.rows))
        return place


@dataclass(frozen=True)
class _Gallery:
    """Groups of rows that belong together, among all rows searched."""

    groups: Sequence[Sequence[int]]
    rows: Sequence[int]

    def measured(self, embeddings: NDArray[np.float32]) -> RetrievalMetrics:
        return retrieval_metrics(embeddings, self.groups, self.rows)


def look(
    trainer: Trainer, table: Table, colour: NDArray[np.float32], neighbours: Neighbours
) -> HeldOut:
    """Have a trained network look at the held-out side.

    Args:
        trainer: of the network.
        table: all pictures.
        colour: (n, 48) their colour blocks.
        neighbours: labelled pictures that vote for codes.
    """
    parts = np.concatenate([table.parts(kind, "validation", "test") for kind in WITH_PARTS])
    held_out = np.flatnonzero(table.on("validation", "test"))
    wholes = held_out[[not table.keys[row].startswith("part:") for row in held_out]]
    seen = trainer.predict(np.concatenate([wholes, parts]))
    said = seen.logits + neighbours.votes(neighbour_vectors(seen))
    whole, cut = np.split(said, [len(wholes)])
    blocks = {
        "visual": seen.visual[: len(wholes)],
        "concept": seen.concept[: len(wholes)],
        "colour": colour[wholes],
    }
    found = HeldOut(wholes, whole, whole, blocks)
    owner = found.places(table)[table.whole(parts)]
    return replace(found, logits=best_seen(whole, cut, owner, table.labels.codes))


def fit_calibration(seen: HeldOut, pack: SharedPack, table: Table) -> Calibration:
    """Fit probabilities and thresholds.

    On the validation side's logos in both forms and half of the composed marks. Thresholds are
    chosen by the logos; those of things shown by logos as they are that no network was chosen by
    before (not those of the demo register).
    """
    place, codes = seen.places(table), table.labels.codes
    logos, lettered = (table.labelled(kind, "validation") for kind in ("brand", "lettered"))
    composed = table.labelled("composed", "test")[::2]
    rows = np.concatenate([composed, logos, lettered])
    real = np.arange(len(rows)) >= len(composed)
    calibration = calibrate(
        seen.logits[place[rows]],
        table.targets[rows],
        codes,
        real if real.any() else None,
        usual_codes(pack, table.labels),
    )
    chosen_before = {f"brand:{set_}/{name}" for set_, name in pack.demo}
    fresh = np.array([row for row in logos if table.keys[row] not in chosen_before], np.int64)
    if not len(fresh):
        return calibration
    probabilities = calibration.probabilities(seen.logits[place[fresh]], codes)
    shown, _ = choose_thresholds(probabilities, table.targets[fresh], codes)
    things = np.array([is_thing(code) for code in codes])
    # "Perhaps" stays as it was fitted: what falls below the threshold is still offered.
    threshold = np.where(things, shown, calibration.threshold)
    return replace(calibration, threshold=threshold).coherent(codes)


def choose_weights(seen: HeldOut, pack: SharedPack, table: Table) -> dict[str, float]:
    """Choose weights of the blocks on half of the groups."""
    choosing, _ = _galleries(pack, table, seen.places(table))
    return _choose_weights(seen.blocks, choosing)


def measure(
    seen: HeldOut,
    pack: SharedPack,
    table: Table,
    calibration: Calibration,
    weights: Mapping[str, float],
) -> dict[str, Any]:
    """Measure on what nothing was chosen on.

    That is the test side's real logos, half of the composed marks, all held-out icon sets and half
    of the groups; beside them the validation side's logos, by which a network is chosen.

    Args:
        seen: what a network says of the held-out side.
        pack: the shared data.
        table: all pictures.
        calibration: from `fit_calibration`.
        weights: of the blocks.
    """
    place = seen.places(table)
    measured = {
        "real logos": table.labelled("brand", "test"),
        "real logos beside lettering": table.labelled("lettered", "test"),
        "composed marks": table.labelled("composed", "test")[1::2],
        "icon sets": table.labelled("icon", "test"),
        "validation logos": table.labelled("brand", "validation"),
        "validation logos beside lettering": table.labelled("lettered", "validation"),
    }
    said, alone = (
        calibration.probabilities(logits, table.labels.codes)
        for logits in (seen.logits, seen.whole)
    )
    classified, whole = (
        {
            name: _classified(table, rows, probabilities[place[rows]], calibration)
            for name, rows in measured.items()
            if len(rows)
        }
        for probabilities in (said, alone)
    )
    galleries = _galleries(pack, table, place)[1]
    blocks = {**seen.blocks, "all, default weights": _weighted(seen.blocks, weights)}
    return {
        "classification": classified,
        "category mAP of whole pictures": {of: row["category"]["mAP"] for of, row in whole.items()},
        "retrieval": {
            name: {of: asdict(gallery.measured(block)) for of, gallery in galleries.items()}
            for name, block in blocks.items()
        },
        "retrieval gallery": {of: len(gallery.rows) for of, gallery in galleries.items()},
    }


def usual_codes(pack: SharedPack, labels: LabelSet) -> NDArray[np.float32] | None:
    """How often real logos of the training side bear each code, where some were read.

    Returns:
        (labels,), NaN for a code of which nothing is known.
    """
    keys = [key for key in sorted(pack.readings) if key in pack.logos]
    read = [pack.readings[key] for key in keys if pack.side_of_logo(key) == "train"]
    if not read:
        return None
    targets = np.stack([targets_of_reading(labels, reading) for reading in read])
    known = (targets >= 0).sum(axis=0)
    often = ((targets > 0).sum(axis=0) + _LEAST_USUAL) / (known + 1)
    return np.asarray(np.where(known > 0, often, np.nan), np.float32)


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
    """Metrics per level, beside those of a constant: how often these pictures bear each code."""
    prior = (table.targets[rows] == 1.0).mean(axis=0)
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
