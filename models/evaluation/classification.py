"""Multi-label metrics, named as scikit-learn names them, and the baseline that learnt nothing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Targets = NDArray[np.float32]  # (n, labels) of 0 and 1
Scores = NDArray[np.float32]  # (n, labels), higher is more likely


def average_precision(target: NDArray[np.float32], score: NDArray[np.float32]) -> float:
    """Average precision of one label; ties count the worst way (negatives first).

    Args:
        target: (n,) of 0 and 1, at least one 1.
        score: (n,).
    """
    order = np.lexsort((target, -score))
    hits = target[order] > 0
    return float((np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean())


def mean_average_precision(targets: Targets, scores: Scores) -> float:
    """Macro average over the labels that occur at all."""
    occurring = np.flatnonzero(targets.any(axis=0))
    return float(np.mean([average_precision(targets[:, at], scores[:, at]) for at in occurring]))


def label_ranking_average_precision(targets: Targets, scores: Scores) -> float:
    """LRAP: per picture, the share of true labels among those ranked at least as high.

    Rows without a true label are left out.
    """
    values = []
    for target, score in zip(targets, scores, strict=True):
        true = np.flatnonzero(target)
        if len(true):
            at_least = score[None, :] >= score[true, None]
            values.append(np.mean((at_least[:, true].sum(1)) / at_least.sum(1)))
    return float(np.mean(values))


def micro_f1(targets: Targets, predicted: NDArray[np.bool_]) -> float:
    """F1 over all picture-label pairs."""
    true = targets > 0
    hits = float((true & predicted).sum())
    return 2 * hits / max(1.0, float(true.sum() + predicted.sum()))


def binary_accuracy(targets: Targets, predicted: NDArray[np.bool_]) -> float:
    """Share of picture-label pairs that are right; 1 minus the Hamming loss."""
    return float(((targets > 0) == predicted).mean())


def expected_calibration_error(targets: Targets, probabilities: Scores, bins: int = 15) -> float:
    """ECE over all picture-label pairs (Guo et al., ICML 2017, equation 3)."""
    flat, truth = probabilities.ravel(), targets.ravel()
    which = np.minimum((flat * bins).astype(int), bins - 1)
    total = 0.0
    for at in range(bins):
        inside = which == at
        if inside.any():
            total += inside.mean() * abs(float(truth[inside].mean()) - float(flat[inside].mean()))
    return float(total)


@dataclass(frozen=True)
class Classified:
    """The metrics of one set of pictures."""

    mAP: float  # noqa: N815 -- the metric's name
    LRAP: float
    micro_F1: float  # noqa: N815
    binary_accuracy: float
    ECE: float


def classify_metrics(
    targets: Targets, probabilities: Scores, thresholds: NDArray[np.float32]
) -> Classified:
    """All metrics of one set of pictures."""
    predicted = probabilities >= thresholds
    return Classified(
        mean_average_precision(targets, probabilities),
        label_ranking_average_precision(targets, probabilities),
        micro_f1(targets, predicted),
        binary_accuracy(targets, predicted),
        expected_calibration_error(targets, probabilities),
    )


def constant_prior(targets: Targets, frequencies: NDArray[np.float32]) -> Scores:
    """What a model says that has learnt nothing: each label's frequency, for every picture."""
    return np.broadcast_to(frequencies, targets.shape).astype(np.float32)
