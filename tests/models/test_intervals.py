"""Intervals: they hold their value, are not biased, and those of means are SciPy's."""

from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from models.evaluation.classification_metrics import (
    ABOVE_ONE,
    classify_metrics,
    mean_average_precision,
)
from models.evaluation.intervals import bootstrap, mean_interval


def test_intervals_hold_the_value_and_narrow_with_more_queries() -> None:
    rng = np.random.default_rng(2)
    few, many = mean_interval(rng.random(30)), mean_interval(rng.random(3000))
    for one in (few, many):
        assert one.low < one.value < one.high
    assert many.high - many.low < few.high - few.low
    values = rng.random(50)
    one = bootstrap(lambda rows: {"mean": float(values[rows].mean())}, 50)["mean"]
    assert one.value == pytest.approx(values.mean())
    assert one.low < one.value < one.high


def test_a_metric_lies_within_its_interval() -> None:
    """Of a draw's duplicates a rare label's average precision rises: all draws may lie above it."""
    rng = np.random.default_rng(2)
    targets = (rng.random((150, 20)) < np.geomspace(0.01, 0.4, 20)).astype(np.float32)
    said = rng.random(targets.shape).astype(np.float32)

    def metrics(rows: NDArray[np.int64]) -> dict[str, float]:
        return asdict(classify_metrics(targets[rows], said[rows], np.full(20, 0.9, np.float32)))

    for name, one in bootstrap(metrics, len(targets), ABOVE_ONE, rounds=40).items():
        assert 0 <= one.low <= one.value <= one.high, name
        assert one.high <= 1 or name in ABOVE_ONE


def test_an_interval_of_average_precision_holds_that_of_a_hundred_thousand_pictures() -> None:
    rng = np.random.default_rng(0)

    def drawn(pictures: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        targets = (rng.random((pictures, 8)) < np.geomspace(0.02, 0.5, 8)).astype(np.float32)
        return targets, (0.8 * targets + rng.normal(size=targets.shape)).astype(np.float32)

    truth = mean_average_precision(*drawn(100_000))
    held = 0
    for _ in range(12):
        targets, said = drawn(150)

        def metrics(
            rows: NDArray[np.int64],
            targets: NDArray[np.float32] = targets,
            said: NDArray[np.float32] = said,
        ) -> dict[str, float]:
            return {"mAP": mean_average_precision(targets[rows], said[rows])}

        one = bootstrap(metrics, len(targets), rounds=30)["mAP"]
        held += one.low <= truth <= one.high
    assert held >= 10  # the draws' own percentiles hold it in fewer than half


def test_intervals_are_scipys() -> None:
    values = np.random.default_rng(5).normal(size=300)
    found = mean_interval(values, rounds=400, seed=7)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=400, method="percentile", rng=np.random.default_rng(7)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


def test_a_single_picture_and_draws_without_what_is_needed_have_intervals() -> None:
    assert mean_interval(np.array([0.5])).low == 0.5

    def recall(rows: NDArray[np.int64]) -> dict[str, float]:
        return {"recall": 1.0 if (rows == 0).any() else float("nan")}

    assert bootstrap(recall, 3)["recall"].low == 1.0
