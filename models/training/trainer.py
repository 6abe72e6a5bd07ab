"""The training loop: it fine-tunes a MarkNet to Vienna codes, same signs and same things.

One loop serves the shipped network (three losses) and a user's own labelled pictures (Vienna codes
alone). The recipe and the source of features decide how deep the gradients go.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import BadCheckpoint
from models.network.marknet import MarkNet
from models.training.batches import BatchSampler, TrainingBatch, TrainingData
from models.training.feature_sources import FeatureSource, Rows
from models.training.losses import (
    Memory,
    asymmetric_loss,
    binary_cross_entropy,
    max_over_parts,
    proxy_loss,
    supervised_contrast,
)
from models.training.recipe import Recipe

log = logging.getLogger(__name__)

_PROXY_HASTE = 3.0  # a proxy meets few of a step's pictures: it moves faster than the heads
_PREDICTED_AT_ONCE = 64  # pictures


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a training is, and its losses, after a step."""

    step: int
    vienna: float
    visual: float
    concept: float
    pictures_per_second: float
    seconds_left: float


class Predictions(NamedTuple):
    """Embeddings and logits of n pictures, computed in evaluation mode."""

    visual: NDArray[np.float32]
    concept: NDArray[np.float32]
    logits: NDArray[np.float32]


class Trainer:
    """Trains a network step by step, and resumes from a saved state.

    Every step's random numbers depend on the seed and its number alone, so a resumed training
    comes to the same end.
    """

    def __init__(
        self,
        network: MarkNet,
        source: FeatureSource,
        data: TrainingData,
        recipe: Recipe,
        proxies: Tensor | None = None,
    ) -> None:
        """Prepare.

        Args:
            network: what learns.
            source: computes the features of the pictures.
            data: what it is trained on.
            recipe: how.
            proxies: of the things, (things, concept), where an earlier run learnt some.
        """
        self.network = network
        self.source = source
        self.recipe = recipe
        self.step = 0
        self._data = data
        self._batches = BatchSampler(data, recipe)
        self._shown = torch.from_numpy(data.shown)
        network.heads.dropout.p = recipe.dropout
        self._device = next(network.parameters()).device.type
        if proxies is None:
            proxies = _random_proxies(len(data.concepts), network.config.concept, recipe.seed)
        self.proxies = proxies.detach().clone().to(self._device).requires_grad_()
        learning = _parameter_groups(network, recipe)
        if recipe.proxy_weight:
            rate = _PROXY_HASTE * recipe.heads_rate
            learning.append({"params": [self.proxies], "lr": rate, "weight_decay": 0.0})
        self._optimiser = torch.optim.AdamW(learning, weight_decay=recipe.weight_decay)
        rates = [float(group["lr"]) for group in self._optimiser.param_groups]
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser, rates, recipe.steps, pct_start=0.15
        )
        self._signs: list[Memory] = []  # one a step, the last ones
        self._things: list[Memory] = []

    def run(self, until: int, report: Callable[[TrainingProgress], None] | None = None) -> None:
        """Go on to a step.

        Args:
            until: the last step; at most the recipe's.
            report: called after every step.
        """
        started, first, seen = time.monotonic(), self.step, 0
        self.network.train()
        while self.step < min(until, self.recipe.steps):
            drawn = self._batches.draw(self.step)
            torch.manual_seed(self.recipe.seed + self.step)  # dropout
            losses = self._learn(drawn)
            self.step += 1
            seen += len(drawn.rows)
            spent = time.monotonic() - started
            if report:
                left = spent / (self.step - first) * (self.recipe.steps - self.step)
                report(TrainingProgress(self.step, *losses, seen / spent, left))
        self.network.eval()

    @torch.inference_mode()
    def predict(self, rows: Rows) -> Predictions:
        """Compute embeddings and logits, (m, d) each, without learning."""
        self.network.eval()
        found: list[tuple[Rows, Predictions]] = []
        for start in range(0, len(rows), _PREDICTED_AT_ONCE):
            part = rows[start : start + _PREDICTED_AT_ONCE]
            for places, seen in self.source.forward(self.network, part):
                numbers = (seen.visual, seen.concept, seen.logits)
                found.append((places + start, Predictions(*(_numpy(each) for each in numbers))))
        order = np.argsort(np.concatenate([places for places, _ in found]))
        parts = zip(*(predicted for _, predicted in found), strict=True)
        return Predictions(*(np.concatenate(part)[order] for part in parts))

    def initialise_proxies(self) -> None:
        """Set each thing's proxy to the mean embedding of the pictures that show it."""
        things = self._data.concepts
        seen = self.predict(np.concatenate(things)).concept
        each = np.split(seen, np.cumsum([len(rows) for rows in things])[:-1])
        for number, one in enumerate(each):
            self.proxies.data[number] = torch.from_numpy(one.mean(axis=0))

    def save(self, path: Path) -> None:
        """Save all that resuming needs; the old state stays until the new one is whole."""
        unfinished = path.with_suffix(".tmp")
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "proxies": self.proxies.detach(),
            "memories": [[tuple(one) for one in kept] for kept in (self._signs, self._things)],
        }
        torch.save(state, unfinished)
        unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Resume where :meth:`save` left off.

        Raises:
            BadCheckpoint: the file is damaged or of another run.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location=self._device, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.proxies.data.copy_(state["proxies"])
            self._optimiser.load_state_dict(state["optimiser"])
            self._schedule.load_state_dict(state["schedule"])
            self._signs, self._things = (
                [Memory(*one) for one in kept] for kept in state["memories"]
            )
            self.step = int(state["step"])
        except Exception as error:
            raise BadCheckpoint(
                f"{path}: cannot go on from it ({error}); use another --out to start afresh"
            ) from error

    def _learn(self, drawn: TrainingBatch) -> tuple[float, float, float]:
        """Make one optimiser step; features come in groups of one picture size."""
        places, parts = [], []
        for where, seen in self.source.forward(self.network, drawn.rows):
            places.append(where)
            parts.append((seen.visual, seen.concept, seen.logits))
        order = torch.from_numpy(np.argsort(np.concatenate(places))).to(self._device)
        visual, concept, logits = (
            torch.cat(part)[order].float() for part in zip(*parts, strict=True)
        )
        losses = self._losses(visual, concept, logits, TrainingBatch(*map(self._to_device, drawn)))
        recipe = self.recipe
        weights = losses.new_tensor(
            [recipe.vienna_weight, recipe.visual_weight, recipe.concept_weight]
        )
        self._optimiser.zero_grad(set_to_none=True)
        (losses @ weights).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimiser.step()
        self._schedule.step()
        vienna, looks, meaning = losses.tolist()
        return vienna, looks, meaning

    def _to_device(self, part: Any) -> Any:
        return part.to(self._device) if isinstance(part, Tensor) else part

    def _losses(
        self, visual: Tensor, concept: Tensor, logits: Tensor, step: TrainingBatch
    ) -> Tensor:
        """Compute the Vienna, the visual and the concept loss."""
        recipe, tau = self.recipe, self.recipe.temperature
        of_codes = asymmetric_loss if recipe.loss == "asymmetric" else binary_cross_entropy
        wholes = len(step.rows) - len(step.owner)
        best = max_over_parts(logits[:wholes], logits[wholes:], step.owner, self._shown)
        known = (step.codes[:wholes] >= 0).any(dim=1)
        vienna_loss = of_codes(best[known], step.codes[:wholes][known])
        last = wholes - len(step.thing_of)
        first = last - len(step.sign_of)
        visual_loss = concept_loss = vienna_loss.new_zeros(())
        if len(step.sign_of):
            signs = Memory(visual[first:last], step.sign_of, step.codes[first:last])
            visual_loss = supervised_contrast(*signs[:2], tau, memory=_joined(self._signs))
            same_sign = supervised_contrast(concept[first:last], step.sign_of, tau)
            concept_loss = concept_loss + 0.3 * same_sign
            self._remember(self._signs, signs)
        if len(step.thing_of):
            things = Memory(concept[last:wholes], step.thing_of, step.codes[last:wholes])
            memory = _joined(self._things)
            concept_loss = concept_loss + supervised_contrast(
                *things[:2], tau, _related(things, memory), memory
            )
            self._remember(self._things, things)
        shown = step.things >= 0
        if recipe.proxy_weight and shown.any():
            by_proxies = proxy_loss(concept[shown], step.things[shown], self.proxies)
            concept_loss = concept_loss + recipe.proxy_weight * by_proxies
        return torch.stack([vienna_loss, visual_loss, concept_loss])

    def _remember(self, kept: list[Memory], seen: Memory) -> None:
        kept.append(Memory(*(part.detach() for part in seen)))
        del kept[: max(0, len(kept) - self.recipe.remembered)]


def _joined(kept: Sequence[Memory]) -> Memory | None:
    return Memory(*(torch.cat(part) for part in zip(*kept, strict=True))) if kept else None


def _related(things: Memory, memory: Memory | None) -> Tensor:
    """Find pairs of things of one Vienna division: neither drawn together nor pushed apart.

    Returns:
        (n, n + m) bool: a category and a division at least are shared.
    """
    others = things.codes if memory is None else torch.cat([things.codes, memory.codes])
    return things.codes.clamp(min=0.0) @ others.clamp(min=0.0).T > 1.5


def _parameter_groups(network: MarkNet, recipe: Recipe) -> list[dict[str, Any]]:
    """Freeze what the depth leaves out, and list what learns with its learning rate."""
    network.requires_grad_(False)
    network.heads.requires_grad_(True)
    groups: list[dict[str, Any]] = [
        {"params": list(network.heads.parameters()), "lr": recipe.heads_rate}
    ]
    if recipe.depth != "heads":
        high = network.backbone.high_layers()
        high.requires_grad_(True)
        groups.append({"params": list(high.parameters()), "lr": recipe.features_rate})
    if recipe.depth == "all":
        low = network.backbone.low_layers()
        low.requires_grad_(True)
        groups.append({"params": list(low.parameters()), "lr": recipe.features_rate / 3})
    return groups


def _random_proxies(number: int, width: int, seed: int) -> Tensor:
    """Draw (number, width) random directions."""
    drawn = torch.randn(number, width, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(drawn, dim=1)


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()


def epoch_ends(trainer: Trainer, steps: int) -> Iterator[int]:
    """Yield the last step of each epoch that is still to come.

    Args:
        trainer: how far it is decides which have passed.
        steps: of an epoch.
    """
    for last in range(steps, trainer.recipe.steps + steps, steps):
        if last > trainer.step:
            yield min(last, trainer.recipe.steps)
