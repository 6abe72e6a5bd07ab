"""How far a metric could have come out otherwise: bootstrap intervals of 95 %.

Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13 (percentile intervals).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 200
_TAILS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric with its interval."""

    value: float
    low: float
    high: float


def mean_interval(values: NDArray[np.float64], rounds: int = 1000, seed: int = 0) -> Interval:
    """The mean of what each query scored.

    Args:
        values: (n,).
        rounds: of drawing with replacement.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(rounds)]
    low, high = np.percentile(means, _TAILS)
    return Interval(float(values.mean()), float(low), float(high))


def bootstrap(
    metrics: Callable[[NDArray[np.int64]], Mapping[str, float]],
    pictures: int,
    rounds: int = _ROUNDS,
    seed: int = 0,
) -> dict[str, Interval]:
    """Metrics that are no means of pictures: computed anew on pictures drawn with replacement.

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
        # NaN where all pictures drawn lacked what the metric needs: such a draw says nothing.
        low, high = np.nanpercentile([one[name] for one in drawn], _TAILS)
        intervals[name] = Interval(value, float(low), float(high))
    return intervals
