"""Draws the batch of pictures of each training step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.training.feature_sources import Rows
from models.training.recipe import Recipe

_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on; numbers are rows of the source.

    Attributes:
        targets: (n, labels) float32 of 0, 1 and -1 (unknown).
        labelled: (m,) rows whose codes are known.
        chances: (m,) how often each of these is drawn, relatively; None to see every one of them
            once an epoch, in random order.
        signs: rows that show one sign, per sign.
        concepts: rows that show one thing, per thing.
        parts: rows of what is cut out of a picture, by the picture's row. A code need only be seen
            in the whole or in one of them.
        shown: (labels,) the codes that parts are asked for.
    """

    targets: NDArray[np.float32]
    labelled: Rows
    chances: NDArray[np.float64] | None = None
    signs: Sequence[Rows] = ()
    concepts: Sequence[Rows] = ()
    parts: Mapping[int, Rows] = field(default_factory=dict)
    shown: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


class TrainingBatch(NamedTuple):
    """The pictures of one optimiser step."""

    rows: Rows  # labelled ones, signs, things, parts of labelled ones
    codes: Tensor  # of all of them
    sign_of: Tensor  # the group of each sign
    thing_of: Tensor  # the group of each thing
    things: Tensor  # of all of them: the group whose thing they show, -1 where none is known
    owner: Tensor  # the place in `rows` of each part's picture


class BatchSampler:
    """Draws the batch of any step; its random numbers depend on seed and step alone.

    Args:
        data: what is drawn from.
        recipe: how much of each a step gets.
    """

    def __init__(self, data: TrainingData, recipe: Recipe) -> None:
        self._data = data
        self._recipe = recipe
        self._targets = torch.from_numpy(data.targets)
        self._thing_of = torch.full((len(data.targets),), -1)
        for number, rows in enumerate(data.concepts):
            self._thing_of[rows] = number

    def draw(self, step: int) -> TrainingBatch:
        """Draw the pictures of a step, the first one 0."""
        data, recipe = self._data, self._recipe
        rng = np.random.default_rng([recipe.seed, step])
        if data.chances is None:
            labelled = self._share_of_epoch(step)
        else:
            chances = data.chances / data.chances.sum()
            number = min(recipe.labelled, int((chances > 0).sum()))
            labelled = rng.choice(data.labelled, number, replace=False, p=chances)
        signs, sign_of = _pairs(data.signs, recipe.signs, rng)
        things, thing_of = _pairs(data.concepts, recipe.concepts, rng)
        parts = [data.parts.get(row, _NONE) for row in labelled.tolist()]
        owner = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        rows = np.concatenate([labelled, signs, things, *parts])
        codes, things_of = self._targets[rows], self._thing_of[rows]
        return TrainingBatch(rows, codes, sign_of, thing_of, things_of, torch.from_numpy(owner))

    def _share_of_epoch(self, step: int) -> Rows:
        """Take a share of the epoch's random order, so that it holds every picture once."""
        rows, recipe = self._data.labelled, self._recipe
        steps = steps_an_epoch(len(rows), recipe.labelled)
        epoch, at = divmod(step, steps)
        order: Rows = np.random.default_rng([recipe.seed, epoch]).permutation(rows)
        return np.array_split(order, steps)[at]


def steps_an_epoch(pictures: int, batch: int) -> int:
    """Steps in which every picture is seen once, in batches as near to ``batch`` as can be."""
    return max(1, round(pictures / batch))


def _pairs(groups: Sequence[Rows], number: int, rng: np.random.Generator) -> tuple[Rows, Tensor]:
    """Draw two rows each of some random groups; also the group each row belongs to."""
    number = min(number, len(groups))
    chosen: Rows = rng.permutation(len(groups))[:number]
    rows = [rng.choice(groups[at], 2, replace=False) for at in chosen]
    return (
        np.concatenate([np.zeros(0, np.int64), *rows]),
        torch.from_numpy(np.repeat(chosen, 2)),
    )
