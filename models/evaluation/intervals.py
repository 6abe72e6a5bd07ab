"""Bootstrap intervals of 95 % for metrics.

Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13 (percentile intervals).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric with its interval."""

    value: float
    low: float
    high: float


def bootstrap(
    metrics: Callable[[NDArray[np.int64]], Mapping[str, float]],
    pictures: int,
    rounds: int = 200,
    seed: int = 0,
) -> dict[str, Interval]:
    """Compute metrics anew on pictures drawn with replacement.

    `scipy.stats.bootstrap` draws the same and finds the same intervals, but refuses a single
    picture, and a draw for which a metric is NaN: one without any of the pictures it needs.

    Args:
        metrics: of the pictures at the given places.
        pictures: how many there are.
        rounds: of drawing.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    whole = metrics(np.arange(pictures))
    drawn = [metrics(rng.integers(0, pictures, pictures)) for _ in range(rounds)]
    intervals = {}
    for name, value in whole.items():
        low, high = np.nanpercentile([one[name] for one in drawn], _TAILS)
        intervals[name] = Interval(float(value), float(low), float(high))
    return intervals


def mean_interval(values: NDArray[np.float64], rounds: int = 1000, seed: int = 0) -> Interval:
    """The mean of what each of n queries scored: values (n,)."""
    means = bootstrap(lambda rows: {"mean": values[rows].mean()}, len(values), rounds, seed)
    return means["mean"]
