"""Bootstrap intervals of 95 % for metrics.

Davison and Hinkley, "Bootstrap methods and their application", 1997, chapter 5: basic intervals of
metrics of a set, percentile intervals of means.
"""

from collections.abc import Callable, Collection, Mapping
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
    above_one: Collection[str] = (),
    rounds: int = 200,
    seed: int = 0,
) -> dict[str, Interval]:
    """Compute metrics anew on pictures drawn with replacement.

    A draw has some pictures twice and others not at all, which raises average precision: where the
    draws lie is biased. So their distances from the value are taken, to its other side (the basic
    interval), as far as the metric's range goes. The value is always within.

    `scipy.stats.bootstrap` draws the same, but refuses a single picture, and a draw for which a
    metric is NaN: one without any of the pictures it needs.

    Args:
        metrics: of the pictures at the given places; none is negative.
        pictures: how many there are.
        above_one: names of the metrics that can be above 1.
        rounds: of drawing.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    whole = metrics(np.arange(pictures))
    drawn = [metrics(rng.integers(0, pictures, pictures)) for _ in range(rounds)]
    intervals = {}
    for name, value in whole.items():
        low, high = np.nanpercentile([one[name] for one in drawn], _TAILS)
        least, most = max(0.0, 2 * value - high), 2 * value - low
        if name not in above_one:
            most = min(1.0, most)
        intervals[name] = Interval(float(value), float(min(value, least)), float(max(value, most)))
    return intervals


def mean_interval(values: NDArray[np.float64], rounds: int = 1000, seed: int = 0) -> Interval:
    """The mean of what each of n queries scored: values (n,).

    Draws of a mean are not biased, and their percentiles are as skewed as the mean is.
    """
    rng = np.random.default_rng(seed)
    n = len(values)
    means = [values[rng.integers(0, n, n)].mean() for _ in range(rounds)]
    low, high = np.percentile(means, _TAILS)
    return Interval(float(values.mean()), float(low), float(high))
