"""Fine-tuning a MarkNet: Vienna codes, and signs and things that belong together.

One loop serves the shipped network (three losses) and a user's own labelled pictures (Vienna codes
alone); how deep the gradients go is a matter of the recipe and of the source of pictures.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.errors import BadCheckpoint
from models.network.marknet import MarkNet
from models.training.activations import Rows, Source
from models.training.losses import (
    Memory,
    asymmetric_loss,
    best_heard,
    binary_cross_entropy,
    proxy_loss,
    supervised_contrast,
)

log = logging.getLogger(__name__)

Depth = Literal["heads", "conv5", "all"]
_PROXY_HASTE = 3.0  # a proxy meets few of a step's pictures: it moves faster than the heads
_NONE = np.zeros(0, np.int64)
_EXAMINED = 64  # pictures at a time when nothing is learnt


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is fine-tuned.

    Attributes:
        steps: optimiser steps.
        depth: what learns: the heads alone, conv5 and the heads, or every layer.
        labelled: pictures a step whose Vienna codes are known.
        signs: groups a step of drawings of one sign, two of each.
        concepts: groups a step of drawings of one thing by different hands, two of each.
        heads_rate: AdamW's highest learning rate for the heads (Smith's one-cycle schedule).
        features_rate: the same for convolutions.
        weight_decay: AdamW's.
        dropout: share of features that a step does not see.
        loss: of Vienna codes.
        temperature: of both contrastive losses.
        remembered: steps whose signs and things are compared with too.
        vienna_weight, visual_weight, concept_weight: of the three losses.
        proxy_weight: within the concept loss, of telling all things apart by a proxy of each.
        seed: of everything random.
    """

    steps: int
    depth: Depth = "conv5"
    labelled: int = 64
    signs: int = 0
    concepts: int = 0
    heads_rate: float = 1e-3
    features_rate: float = 1e-4
    weight_decay: float = 1e-3
    dropout: float = 0.4
    loss: Literal["asymmetric", "bce"] = "asymmetric"
    temperature: float = 0.1
    remembered: int = 0
    vienna_weight: float = 1.0
    visual_weight: float = 1.0
    concept_weight: float = 1.0
    proxy_weight: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Lessons:
    """What is learnt; numbers are rows of the source.

    Attributes:
        targets: (n, labels) float32 of 0, 1 and -1 (unknown).
        labelled: (m,) rows whose codes are known.
        chances: (m,) how often each of these is drawn, relatively.
        signs: rows that show one sign, per sign.
        concepts: rows that show one thing, per thing.
        parts: rows of what is cut out of a picture, by the picture's row. A code need only be seen
            in the whole or in one of them.
        shown: (labels,) the codes that parts are asked for.
    """

    targets: NDArray[np.float32]
    labelled: Rows
    chances: NDArray[np.float64]
    signs: Sequence[Rows] = ()
    concepts: Sequence[Rows] = ()
    parts: Mapping[int, Rows] = field(default_factory=dict)
    shown: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


class Step(NamedTuple):
    """What one step drew."""

    rows: Rows  # labelled ones, signs, things, parts of labelled ones
    codes: Tensor  # of all of them
    sign_of: Tensor  # the group of each sign
    thing_of: Tensor  # the group of each thing
    things: Tensor  # of all of them: the group whose thing they show, -1 where none is known
    owner: Tensor  # the place in `rows` of each part's picture


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands after a step."""

    step: int
    vienna: float
    visual: float
    concept: float
    pictures_per_second: float
    seconds_left: float


class Examined(NamedTuple):
    """What a network says of n pictures, in evaluation mode."""

    visual: NDArray[np.float32]
    concept: NDArray[np.float32]
    logits: NDArray[np.float32]


class Tuner:
    """A run: network, optimiser and how far they are.

    Every step draws from random numbers of its own, so a resumed run is the same run.
    """

    def __init__(
        self,
        network: MarkNet,
        source: Source,
        lessons: Lessons,
        recipe: Recipe,
        proxies: Tensor | None = None,
    ) -> None:
        """Prepare.

        Args:
            network: what learns.
            source: of the pictures.
            lessons: what it learns.
            recipe: how.
            proxies: of the things, (things, concept), where an earlier run learnt some.
        """
        self.network = network
        self.source = source
        self.recipe = recipe
        self.step = 0
        self._lessons = lessons
        self._targets = torch.from_numpy(lessons.targets)
        self._shown = torch.from_numpy(lessons.shown)
        self._thing_of = torch.full((len(lessons.targets),), -1)
        for number, rows in enumerate(lessons.concepts):
            self._thing_of[rows] = number
        network.heads.dropout.p = recipe.dropout
        self._device = next(network.parameters()).device.type
        if proxies is None:
            proxies = _proxies(len(lessons.concepts), network.config.concept, recipe.seed)
        self.proxies = proxies.detach().clone().to(self._device).requires_grad_()
        learning = _learning(network, recipe)
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

    def run(self, until: int, report: Callable[[Progress], None] | None = None) -> None:
        """Go on to a step.

        Args:
            until: the last step; at most the recipe's.
            report: called after every step.
        """
        started, first, seen = time.monotonic(), self.step, 0
        self.network.train()
        while self.step < min(until, self.recipe.steps):
            drawn = self._draw(np.random.default_rng([self.recipe.seed, self.step]))
            torch.manual_seed(self.recipe.seed + self.step)  # dropout
            losses = self._learn(drawn)
            self.step += 1
            seen += len(drawn.rows)
            spent = time.monotonic() - started
            if report:
                left = spent / (self.step - first) * (self.recipe.steps - self.step)
                report(Progress(self.step, *losses, seen / spent, left))
        self.network.eval()

    @torch.inference_mode()
    def examine(self, rows: Rows) -> Examined:
        """Look at pictures without learning: (m, d) for each answer."""
        self.network.eval()
        found: list[tuple[Rows, Examined]] = []
        for start in range(0, len(rows), _EXAMINED):
            part = rows[start : start + _EXAMINED]
            for places, seen in self.source.look(self.network, part):
                numbers = (seen.visual, seen.concept, seen.logits)
                found.append((places + start, Examined(*(_numpy(each) for each in numbers))))
        order = np.argsort(np.concatenate([places for places, _ in found]))
        parts = zip(*(examined for _, examined in found), strict=True)
        return Examined(*(np.concatenate(part)[order] for part in parts))

    def centre_proxies(self) -> None:
        """Begin each thing's proxy where the network sees what shows it, on average."""
        things = self._lessons.concepts
        seen = self.examine(np.concatenate(things)).concept
        each = np.split(seen, np.cumsum([len(rows) for rows in things])[:-1])
        for number, one in enumerate(each):
            self.proxies.data[number] = torch.from_numpy(one.mean(axis=0))

    def save(self, path: Path) -> None:
        """Keep all that is needed to go on; the old state stays until the new one is whole."""
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
        """Go on where :meth:`save` left off.

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

    def _draw(self, rng: np.random.Generator) -> Step:
        lessons, recipe = self._lessons, self.recipe
        chances = lessons.chances / lessons.chances.sum()
        number = min(recipe.labelled, int((chances > 0).sum()))
        labelled = rng.choice(lessons.labelled, number, replace=False, p=chances)
        signs, sign_of = _pairs(lessons.signs, recipe.signs, rng)
        things, thing_of = _pairs(lessons.concepts, recipe.concepts, rng)
        parts = [lessons.parts.get(row, _NONE) for row in labelled.tolist()]
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        rows = np.concatenate([labelled, signs, things, *parts])
        codes, things_of = self._targets[rows], self._thing_of[rows]
        return Step(rows, codes, sign_of, thing_of, things_of, torch.from_numpy(owner))

    def _learn(self, drawn: Step) -> tuple[float, float, float]:
        """One optimiser step; gradients are gathered over parts of one picture size."""
        places, parts = [], []
        for where, seen in self.source.look(self.network, drawn.rows):
            places.append(where)
            parts.append((seen.visual, seen.concept, seen.logits))
        order = torch.from_numpy(np.argsort(np.concatenate(places))).to(self._device)
        visual, concept, logits = (
            torch.cat(part)[order].float() for part in zip(*parts, strict=True)
        )
        losses = self._losses(visual, concept, logits, Step(*map(self._here, drawn)))
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

    def _here(self, part: Any) -> Any:
        return part.to(self._device) if isinstance(part, Tensor) else part

    def _losses(self, visual: Tensor, concept: Tensor, logits: Tensor, step: Step) -> Tensor:
        """The Vienna, visual and concept loss."""
        recipe, tau = self.recipe, self.recipe.temperature
        of_codes = asymmetric_loss if recipe.loss == "asymmetric" else binary_cross_entropy
        wholes = len(step.rows) - len(step.owner)
        heard = best_heard(logits[:wholes], logits[wholes:], step.owner, self._shown)
        known = (step.codes[:wholes] >= 0).any(dim=1)
        vienna_loss = of_codes(heard[known], step.codes[:wholes][known])
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
            told = proxy_loss(concept[shown], step.things[shown], self.proxies)
            concept_loss = concept_loss + recipe.proxy_weight * told
        return torch.stack([vienna_loss, visual_loss, concept_loss])

    def _remember(self, kept: list[Memory], seen: Memory) -> None:
        kept.append(Memory(*(part.detach() for part in seen)))
        del kept[: max(0, len(kept) - self.recipe.remembered)]


def _joined(kept: Sequence[Memory]) -> Memory | None:
    return Memory(*(torch.cat(part) for part in zip(*kept, strict=True))) if kept else None


def _related(things: Memory, memory: Memory | None) -> Tensor:
    """Two things of one Vienna division are neither drawn together nor apart.

    Returns:
        (n, n + m) bool: a category and a division at least are shared.
    """
    others = things.codes if memory is None else torch.cat([things.codes, memory.codes])
    return things.codes.clamp(min=0.0) @ others.clamp(min=0.0).T > 1.5


def _learning(network: MarkNet, recipe: Recipe) -> list[dict[str, Any]]:
    """Freeze what the depth leaves out; what learns, with its rate."""
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


def _proxies(number: int, width: int, seed: int) -> Tensor:
    """(number, width) random directions."""
    drawn = torch.randn(number, width, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(drawn, dim=1)


def _pairs(groups: Sequence[Rows], number: int, rng: np.random.Generator) -> tuple[Rows, Tensor]:
    """Two rows each of some random groups, and the group each row belongs to."""
    number = min(number, len(groups))
    chosen: Rows = rng.permutation(len(groups))[:number]
    rows = [rng.choice(groups[at], 2, replace=False) for at in chosen]
    return (
        np.concatenate([np.zeros(0, np.int64), *rows]),
        torch.from_numpy(np.repeat(chosen, 2)),
    )


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return values.float().cpu().numpy()


def epochs(tuner: Tuner, steps: int) -> Iterator[int]:
    """Last step of each epoch that is still to come.

    Args:
        tuner: the run.
        steps: of an epoch.
    """
    for last in range(steps, tuner.recipe.steps + steps, steps):
        if last > tuner.step:
            yield min(last, tuner.recipe.steps)
