"""Multi-label metrics, named as scikit-learn names them, and the constant-prior baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

# (n, labels) of 0 and 1; a negative entry is unknown and counts for nothing.
Targets = NDArray[np.float32]
Scores = NDArray[np.float32]  # (n, labels), higher is more likely


def average_precision(target: NDArray[np.float32], score: NDArray[np.float32]) -> float:
    """Average precision of one label, on the pictures of which it is known.

    Equal scores are told apart by nobody: all of a tie have the precision at its end, so a
    constant prediction scores the label's frequency.

    Args:
        target: (n,) of 0, 1 and -1 (unknown), at least one 1.
        score: (n,).
    """
    known = target >= 0
    return float(average_precision_score(target[known] > 0, score[known]))


def mean_average_precision(targets: Targets, scores: Scores) -> float:
    """Macro average over the labels that occur at all; NaN if none does."""
    occurring = np.flatnonzero((targets > 0).any(axis=0))
    return _mean([average_precision(targets[:, at], scores[:, at]) for at in occurring])


def label_ranking_average_precision(targets: Targets, scores: Scores) -> float:
    """LRAP: per picture, the share of true labels among those ranked at least as high.

    Rows without a true label are left out; NaN if all are. Not scikit-learn's: it loops over
    pictures, takes eight times as long, and intervals ask for it two hundred times.
    """
    true, down = _ranked(targets, scores)
    among_true = rankdata(np.where(true, down, np.inf), "max", axis=1)
    shares = np.where(true, among_true / rankdata(down, "max", axis=1), 0.0)
    return _mean(shares.sum(axis=1) / true.sum(axis=1))


def coverage_error(targets: Targets, scores: Scores) -> float:
    """How far down the ranking one must go to meet all true labels; ties count the worst way.

    Rows without a true label are left out; NaN if all are. Not scikit-learn's: it refuses a
    single label.
    """
    true, down = _ranked(targets, scores)
    return _mean(np.where(true, rankdata(down, "max", axis=1), 0.0).max(axis=1))


def _ranked(targets: Targets, scores: Scores) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Of the rows with a true label: which are true, and what grows down the ranking.

    Labels that are unknown come last.
    """
    rows = (targets > 0).any(axis=1)
    down = np.where(targets >= 0, -scores, np.inf)
    return targets[rows] > 0, down[rows]


def micro_f1(targets: Targets, predicted: NDArray[np.bool_]) -> float:
    """F1 over all picture-label pairs."""
    true, said = targets > 0, predicted & (targets >= 0)
    hits = float((true & said).sum())
    return 2 * hits / max(1.0, float(true.sum() + said.sum()))


def expected_calibration_error(targets: Targets, probabilities: Scores) -> float:
    """ECE over all picture-label pairs, 15 bins (Guo et al., ICML 2017, equation 3)."""
    inside = _bins(targets, probabilities, 15)
    pairs = sum(len(said) for said, _ in inside)
    return float(sum(len(said) * abs(true.mean() - said.mean()) for said, true in inside) / pairs)


def reliability(targets: Targets, probabilities: Scores) -> tuple[list[float], list[float]]:
    """Mean probability said, and share that was true, per tenth that holds any pair."""
    inside = _bins(targets, probabilities, 10)
    return [float(said.mean()) for said, _ in inside], [float(true.mean()) for _, true in inside]


def _bins(
    targets: Targets, probabilities: Scores, bins: int
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Probabilities and truths of the known pairs, by bin of probability; empty bins left out."""
    known = targets >= 0
    said, true = probabilities[known], targets[known]
    which = np.minimum((said * bins).astype(int), bins - 1)
    return [(said[which == at], true[which == at]) for at in np.unique(which)]


def log_loss(targets: Targets, probabilities: Scores) -> float:
    """Binary cross-entropy, mean over picture-label pairs.

    What Keras calls the loss: probabilities are clipped as Keras does, not as scikit-learn.
    """
    sure = probabilities.astype(np.float64).clip(1e-7, 1 - 1e-7)
    losses = -np.where(targets > 0, np.log(sure), np.log(1 - sure))
    return float(losses[targets >= 0].mean())


def keras_accuracy(targets: Targets, scores: Scores) -> float:
    """What Keras' ``metrics=["accuracy"]`` becomes with a one-hot-like target of many columns.

    CategoricalAccuracy: how often the highest score stands in the *first* true column. It says
    little of a multi-label prediction; it is here to be recognised.
    """
    return float((targets.argmax(axis=1) == scores.argmax(axis=1)).mean())


@dataclass(frozen=True)
class LabelScore:
    """One label's line in a table.

    Attributes:
        support: pictures that bear it.
        AP: average precision; None where no picture bears it.
        precision, recall, F1: at its threshold.
    """

    support: int
    AP: float | None
    precision: float
    recall: float
    F1: float
    threshold: float


def label_scores(
    targets: Targets, probabilities: Scores, thresholds: NDArray[np.float32]
) -> list[LabelScore]:
    """Every label on its own."""
    true, said = targets > 0, (probabilities >= thresholds) & (targets >= 0)
    hits, found, there = (true & said).sum(axis=0), said.sum(axis=0), true.sum(axis=0)
    return [
        LabelScore(
            support=int(there[at]),
            AP=average_precision(targets[:, at], probabilities[:, at]) if there[at] else None,
            precision=float(hits[at] / max(1, found[at])),
            recall=float(hits[at] / max(1, there[at])),
            F1=float(2 * hits[at] / max(1, found[at] + there[at])),
            threshold=float(thresholds[at]),
        )
        for at in range(targets.shape[1])
    ]


ABOVE_ONE = ("coverage_error", "log_loss")  # all others are shares


@dataclass(frozen=True)
class ClassificationMetrics:
    """The metrics of one set of pictures, named as scikit-learn and torchmetrics name them.

    Attributes:
        mAP: macro average of the average precision, over labels that occur.
        mAP_micro: average precision over all picture-label pairs.
        LRAP: label ranking average precision.
        coverage_error: see :func:`coverage_error`.
        micro_F1, micro_precision, micro_recall: over all picture-label pairs.
        macro_F1: mean over labels that occur.
        binary_accuracy: share of pairs that are right.
        hamming_loss: share of pairs that are wrong.
        subset_accuracy: share of pictures with every label right.
        ECE: expected calibration error.
        log_loss: binary cross-entropy.
        keras_accuracy: see :func:`keras_accuracy`.
    """

    mAP: float  # noqa: N815 -- the metrics' names
    mAP_micro: float  # noqa: N815
    LRAP: float
    coverage_error: float
    micro_F1: float  # noqa: N815
    micro_precision: float
    micro_recall: float
    macro_F1: float  # noqa: N815
    binary_accuracy: float
    hamming_loss: float
    subset_accuracy: float
    ECE: float
    log_loss: float
    keras_accuracy: float


def classify_metrics(
    targets: Targets, probabilities: Scores, thresholds: NDArray[np.float32]
) -> ClassificationMetrics:
    """All metrics of one set of pictures."""
    known, true = targets >= 0, targets > 0
    said = (probabilities >= thresholds) & known
    each = label_scores(targets, probabilities, thresholds)
    occurring = [one for one in each if one.support]
    hits = float((true & said).sum())
    accuracy = float((true == said)[known].mean())
    return ClassificationMetrics(
        mAP=_mean([one.AP for one in each if one.AP is not None]),
        mAP_micro=(
            average_precision(targets.ravel(), probabilities.ravel()) if occurring else float("nan")
        ),
        LRAP=label_ranking_average_precision(targets, probabilities),
        coverage_error=coverage_error(targets, probabilities),
        micro_F1=micro_f1(targets, said),
        micro_precision=hits / max(1.0, float(said.sum())),
        micro_recall=hits / max(1.0, float(true.sum())),
        macro_F1=_mean([one.F1 for one in occurring]),
        binary_accuracy=accuracy,
        hamming_loss=1.0 - accuracy,
        subset_accuracy=float(((true == said) | ~known).all(axis=1).mean()),
        ECE=expected_calibration_error(targets, probabilities),
        log_loss=log_loss(targets, probabilities),
        keras_accuracy=keras_accuracy(targets, probabilities),
    )


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def prior_thresholds(targets: Targets, frequencies: NDArray[np.float32]) -> NDArray[np.float32]:
    """From which frequency on the constant prior says a label: one for all, of best micro F1.

    It has a threshold of its own, since at a network's the baseline would move with the network.

    Args:
        targets: of the pictures by which it is chosen.
        frequencies: (labels,), what the prior says of every picture.
    """
    order = np.argsort(-frequencies, kind="stable")
    there, asked = (targets > 0).sum(axis=0)[order], (targets >= 0).sum(axis=0)[order]
    scores = 2 * there.cumsum() / np.maximum(1, there.sum() + asked.cumsum())
    falls = np.append(np.diff(frequencies[order]) != 0, True)  # equal ones are said together
    best = order[np.argmax(np.where(falls, scores, -1.0))]
    return np.full(frequencies.shape, frequencies[best], np.float32)


def constant_prior(targets: Targets, frequencies: NDArray[np.float32]) -> Scores:
    """What a model says that has learnt nothing: each label's frequency, for every picture."""
    return np.broadcast_to(frequencies, targets.shape).astype(np.float32)
