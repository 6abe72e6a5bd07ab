"""Training MarkNet's heads on cached features of a frozen backbone."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.network import Heads, NetworkConfig
from models.training.losses import asymmetric_loss, supervised_contrast

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeadsRecipe:
    """How the heads are trained.

    Attributes:
        steps: optimiser steps.
        labelled: pictures a step whose Vienna codes are known.
        signs: groups a step of drawings of one sign, two of each.
        concepts: groups a step of drawings of one thing by different hands, two of each.
        learning_rate: AdamW's peak, reached after 30 % (Smith's one-cycle schedule).
        weight_decay: AdamW's.
        temperature: of both contrastive losses.
        vienna_weight, visual_weight, concept_weight: of the three losses.
        seed: of everything random.
    """

    steps: int = 1000
    labelled: int = 384
    signs: int = 160
    concepts: int = 96
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    temperature: float = 0.1
    vienna_weight: float = 0.3
    visual_weight: float = 1.0
    concept_weight: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class HeadsData:
    """What the heads learn from; rows are pictures.

    Attributes:
        pooled: (n, width) float32.
        colour: (n, 48) float32.
        targets: (n, labels) float32 of 0, 1 and -1 (unknown).
        labelled: (m,) rows whose codes are known.
        weights: (m,) how often each of these is drawn, relatively.
        signs: rows that show one sign, per sign.
        concepts: rows that show one thing, per thing.
    """

    pooled: NDArray[np.float32]
    colour: NDArray[np.float32]
    targets: NDArray[np.float32]
    labelled: NDArray[np.int64]
    weights: NDArray[np.float64]
    signs: Sequence[Sequence[int]]
    concepts: Sequence[Sequence[int]]


def train_heads(data: HeadsData, config: NetworkConfig, recipe: HeadsRecipe) -> Heads:
    """Train; the visual projection starts from PCA whitening, the rest from random numbers.

    Args:
        data: training rows only.
        config: the network's shape.
        recipe: how.

    Returns:
        The trained heads, in evaluation mode.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    pooled, colour = torch.from_numpy(data.pooled), torch.from_numpy(data.colour)
    targets = torch.from_numpy(data.targets)
    heads = Heads(config, pooled.shape[1])
    _whiten(heads, pooled[[row for sign in data.signs for row in sign]])
    optimiser = torch.optim.AdamW(
        heads.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.steps)
    chances = data.weights / data.weights.sum()
    weights = torch.tensor([recipe.vienna_weight, recipe.visual_weight, recipe.concept_weight])
    started = time.monotonic()
    for step in range(1, recipe.steps + 1):
        heads.train()
        labelled = rng.choice(data.labelled, recipe.labelled, p=chances)
        signs, sign_of = _draw(data.signs, recipe.signs, rng)
        things, thing_of = _draw(data.concepts, recipe.concepts, rng)
        rows = np.concatenate([labelled, signs, things])
        seen = heads(pooled[rows], colour[rows])
        losses = _losses(seen, targets[labelled], sign_of, thing_of, targets[things], recipe)
        optimiser.zero_grad()
        (losses @ weights).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 100 == 0 or step == recipe.steps:
            left = (time.monotonic() - started) / step * (recipe.steps - step)
            log.info(
                "step %d/%d: vienna %.3f, visual %.3f, concept %.3f, %.0f s left",
                *(step, recipe.steps, *losses.tolist(), left),
            )
    return heads.eval()


def _losses(
    seen: tuple[Tensor, Tensor, Tensor],
    truth: Tensor,
    sign_of: Tensor,
    thing_of: Tensor,
    codes: Tensor,
    recipe: HeadsRecipe,
) -> Tensor:
    """The Vienna, visual and concept loss of a step's rows: labelled ones, signs, things."""
    visual, concept, logits = seen
    first, second = len(truth), len(truth) + len(sign_of)
    vienna_loss = asymmetric_loss(logits[:first], truth)
    visual_loss = supervised_contrast(visual[first:second], sign_of, recipe.temperature)
    # Two things of one Vienna division are related: neither drawn together nor apart.
    known = codes.clamp(min=0.0)
    related = known @ known.T > 1.5
    concept_loss = supervised_contrast(concept[second:], thing_of, recipe.temperature, related)
    same_sign = supervised_contrast(concept[first:second], sign_of, recipe.temperature)
    return torch.stack([vienna_loss, visual_loss, concept_loss + 0.3 * same_sign])


def _draw(
    groups: Sequence[Sequence[int]], number: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Tensor]:
    """Two rows each of some random groups, and the group each row belongs to."""
    chosen = rng.choice(len(groups), min(number, len(groups)), replace=False)
    rows = [rng.choice(groups[at], 2, replace=False) for at in chosen]
    return np.concatenate(rows), torch.from_numpy(np.repeat(chosen, 2))


def _whiten(heads: Heads, pooled: Tensor) -> None:
    """Set the centre and start the visual projection as PCA whitening (Jégou and Chum, 2012)."""
    heads.centre.copy_(pooled.mean(0))
    centred = (pooled - heads.centre) * pooled.shape[1] ** 0.5
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    wanted = heads.visual.out_features
    # The largest variances stand last.
    variances, axes = variances[-wanted:].flip(0), axes[:, -wanted:].flip(1)
    with torch.no_grad():
        heads.visual.weight.copy_((axes / variances.clamp(min=1e-6).sqrt()).T * 0.3)
        heads.visual.bias.zero_()
