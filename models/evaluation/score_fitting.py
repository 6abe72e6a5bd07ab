"""Fits what a score means, and measures whether it holds: scores of pairs in, a few numbers out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.network.score_calibration import BANDS, ScoreCalibration, nearness

_PULL = 1e-3  # keeps slope and curve finite where scores separate all pairs
_FORMS = np.vectorize(nearness, otypes=[np.float64])


class ScoredPairs(NamedTuple):
    """Pairs of a query and a picture that was searched.

    Attributes:
        scores: (n,) float64.
        same: (n,) whether they are the same sign or variants of it.
    """

    scores: NDArray[np.float64]
    same: NDArray[np.bool_]


class Reliability(NamedTuple):
    """Whether probabilities of one band mean what they say.

    Attributes:
        band: its name.
        pairs: how many fell into it.
        said, true: mean probability, and share that were the same sign.
    """

    band: str
    pairs: int
    said: float
    true: float


def fit_scores(pairs: ScoredPairs) -> ScoreCalibration:
    """Fit by maximum likelihood, logistic regression with coefficients of 0 or more.

    Logistic regression estimates the odds at the base rate of these pairs; that rate is taken out,
    so that what is left is the likelihood ratio (King and Zeng, "Logistic regression in rare events
    data", 2001).

    Args:
        pairs: with some of either kind.
    """
    columns = np.stack([np.ones_like(pairs.scores), pairs.scores, _FORMS(pairs.scores)], axis=1)
    sign = np.where(pairs.same, -1.0, 1.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = sign * (columns @ weights)
        chance = sign / (1.0 + np.exp(-margins.clip(-60, 60)))
        pull = np.array([0.0, _PULL, _PULL])
        value = np.logaddexp(0.0, margins).sum() + (pull * weights**2).sum()
        return float(value), columns.T @ chance + 2 * pull * weights

    bounds = [(None, None), (0.0, None), (0.0, None)]
    found = minimize(loss, np.array([-5.0, 5.0, 1.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    rate = pairs.same.mean()
    offset, slope, curve = (round(float(value), 4) for value in found.x)
    return ScoreCalibration(round(offset - float(np.log(rate / (1.0 - rate))), 4), slope, curve)


def reliability(calibration: ScoreCalibration, pairs: ScoredPairs) -> Sequence[Reliability]:
    """Set probabilities beside what was true, band by band.

    Args:
        calibration: fitted on other pairs.
        pairs: the prior is their rate of variants, one among so many marks.
    """
    marks = round(1.0 / pairs.same.mean())
    said = np.array([calibration.probability(score, marks) for score in pairs.scores.tolist()])
    found, highest = [], np.inf
    for band, least in BANDS:
        inside = (said >= least) & (said < highest)
        highest = least
        if inside.any():
            means = float(said[inside].mean()), float(pairs.same[inside].mean())
            found.append(Reliability(band, int(inside.sum()), *means))
    return found
