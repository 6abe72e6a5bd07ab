"""Calibrates a network: logits → probabilities, and from which of them a code counts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from models.evaluation.classification_metrics import micro_f1
from models.network.calibration import Calibration, gather_below
from models.network.parts import is_thing
from models.vienna import ViennaCode

_PRECISION = 0.6  # of the codes that are shown
_RECALL = 0.5  # of the codes that are shown or offered as "perhaps"
_GRID = np.linspace(0.1, 0.9, 81)  # thresholds that are tried
_BELOW = 0.3  # share of a category of things that what lies below it has in its logit
_PRIOR_STRENGTH = 4.0  # pulls a rare label's offset towards the common one


def calibrate(
    logits: NDArray[np.float32],
    targets: NDArray[np.float32],
    codes: Sequence[ViennaCode],
    deciding: NDArray[np.bool_] | None = None,
    usual: NDArray[np.float32] | None = None,
) -> Calibration:
    """Fit Platt scaling: one slope for all labels, an offset for each.

    Offsets of labels with few examples stay near what is common (a Gaussian prior), so that
    two pictures do not decide a probability: one offset for all, higher for usual codes by as much
    as suits all labels together.

    Args:
        logits: (n, labels) of pictures not trained on.
        targets: (n, labels) of 0 and 1; a negative entry is unknown and counts for nothing.
        codes: the code of each label.
        deciding: (n,) the pictures by which thresholds are chosen; all by default.
        usual: (labels,) how often pictures of the kind bear each code, NaN where unknown.
    """
    below = np.array([_BELOW * (c.level == "category" and is_thing(c)) for c in codes], np.float32)
    gathered = gather_below(logits, tuple(codes), below)
    # In units of the logits' own size, and in float64: a network that learnt unscaled features says
    # thousands, and no step would suit both such a slope and the offsets.
    size = max(1.0, float(np.abs(gathered).mean()))
    x = torch.from_numpy(gathered.astype(np.float64) / size)
    y = torch.from_numpy(targets.clip(0.0, 1.0).astype(np.float64))
    known = torch.from_numpy((targets >= 0).astype(np.float64))
    slope = torch.ones(1, dtype=torch.float64, requires_grad=True)
    common = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    leaning = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    own = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    odds = torch.from_numpy(_odds(usual, x.shape[1]))
    fitted = [slope, common, leaning, own]
    optimiser = torch.optim.LBFGS(fitted, max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        scaled = slope * x + common + leaning * odds + own
        fit = functional.binary_cross_entropy_with_logits(scaled, y, known, reduction="sum")
        # Logits that separate all examples would drive the slope to infinity.
        penalty = own.square().sum() + (slope / size - 1.0).square().sum()
        loss = (fit + 0.5 * _PRIOR_STRENGTH * penalty) / len(x)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    offset = (common + leaning * odds + own).detach().numpy().astype(np.float32)
    slopes = np.full(x.shape[1], slope.item() / size, np.float32)
    nothing = np.zeros_like(offset)
    found = Calibration(slopes, offset, nothing, nothing, below)
    rows = slice(None) if deciding is None else deciding
    return _with_thresholds(found, logits[rows], targets[rows], tuple(codes))


def _with_thresholds(
    found: Calibration,
    logits: NDArray[np.float32],
    targets: NDArray[np.float32],
    codes: tuple[ViennaCode, ...],
) -> Calibration:
    """Chosen on what is shown: a category is at least as probable as what lies below it."""
    shown, perhaps = choose_thresholds(found.probabilities(logits, codes), targets, codes)
    return replace(found, threshold=shown, perhaps=perhaps).coherent(codes)


def _odds(usual: NDArray[np.float32] | None, labels: int) -> NDArray[np.float64]:
    """Logarithms of the odds of codes, their mean 0; 0 for those of which nothing is known."""
    if usual is None:
        return np.zeros(labels)
    share = usual.astype(np.float64)
    odds = np.log(share / (1.0 - share))
    centred: NDArray[np.float64] = np.nan_to_num(odds - np.nanmean(odds))
    return centred


def choose_thresholds(
    probabilities: NDArray[np.float32],
    targets: NDArray[np.float32],
    codes: Sequence[ViennaCode],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Find from which probability codes are shown, and from which they are offered as "perhaps".

    Args:
        probabilities: (n, labels), calibrated.
        targets: (n, labels) of 0 and 1; a negative entry is unknown and counts for nothing.
        codes: the code of each label.

    Shown: the threshold of best micro F1, or the next above it from which `_PRECISION` of what is
    shown is right. Perhaps: the highest from which `_RECALL` of what there is are found.

    One a group, things shown (01 to 24) and the rest by level, since most labels have too few
    examples to find their own. Things shown are apart: lettering and colours are on most marks and
    would decide for all.
    """
    levels = [len(code.ancestors()) for code in codes]
    groups = np.array([3 * is_thing(c) + level for c, level in zip(codes, levels, strict=True)])
    shown, perhaps = np.zeros((2, len(codes)), np.float32)
    for group in np.unique(groups):
        at = groups == group
        said, truth = probabilities[:, at], targets[:, at]
        scores = [micro_f1(truth, said >= least) for least in _GRID]
        precision, recall = np.transpose([precision_recall(truth, said >= p) for p in _GRID])
        best = int(np.argmax(scores))
        precise = np.flatnonzero(precision[best:] >= _PRECISION)
        first = best + int(precise[0]) if len(precise) else len(_GRID) - 1
        found = np.flatnonzero(recall[: first + 1] >= _RECALL)
        shown[at], perhaps[at] = _GRID[first], _GRID[found[-1] if len(found) else 0]
    return shown, perhaps


def precision_recall(truth: NDArray[np.float32], said: NDArray[np.bool_]) -> tuple[float, float]:
    """Over all pairs of a picture and a code of which it is known whether it bears it.

    Of nothing said the precision is 1.
    """
    true, said = truth > 0, said & (truth >= 0)
    hits = float((true & said).sum())
    return (hits / float(said.sum()) if said.any() else 1.0, hits / max(1.0, float(true.sum())))
