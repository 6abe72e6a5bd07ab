"""Signs and things that belong together: whitened at the start, drawn together, resumed exactly."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.network import Lower, MarkNet, NetworkConfig
from models.training.finetune import Lessons, Recipe, Tuner
from models.training.start import whiten

GROUPS = 12
RECIPE = Recipe(steps=24, labelled=8, signs=4, concepts=4, remembered=3, heads_rate=5e-3)


class Seeds:
    """A source whose pictures are noise around their group's own maps."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        own = torch.randn(GROUPS, 32, 3, 3).repeat_interleave(2, 0)
        self.maps = (own + 0.5 * torch.randn_like(own)).relu()
        self.pooled = torch.rand(2 * GROUPS, 64)
        self.colour = torch.rand(2 * GROUPS, 48)

    def parts(self, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Lower]]:
        at = torch.from_numpy(rows)
        yield np.arange(len(rows)), Lower(self.maps[at], self.pooled[at], self.colour[at])


def lessons() -> Lessons:
    rows = np.arange(2 * GROUPS)
    targets = np.random.default_rng(0).integers(0, 2, (len(rows), 5)).astype(np.float32)
    pairs = list(rows.reshape(GROUPS, 2))
    return Lessons(targets, rows, np.ones(len(rows)), pairs, pairs)


def tuner() -> Tuner:
    torch.manual_seed(1)
    network = MarkNet(NetworkConfig(labels=5, visual=8, concept=8, trunk=16, narrow=16))
    whiten(network, Seeds(), np.arange(2 * GROUPS))
    return Tuner(network, Seeds(), lessons(), RECIPE)


def test_whitening_gives_the_visual_block_equal_variance_without_correlation() -> None:
    network, seen = tuner().network, []
    with torch.no_grad():
        for _, lower in Seeds().parts(np.arange(2 * GROUPS)):
            hook = network.heads.visual.register_forward_hook(lambda *a: seen.append(a[2]))
            network.eval().look_high(lower)
            hook.remove()
    outputs = seen[0].numpy()
    covariance = outputs.T @ outputs / len(outputs)
    assert covariance == pytest.approx(np.eye(8) * 0.09, abs=0.01)


def test_signs_and_things_are_drawn_together() -> None:
    run = tuner()
    before = run.examine(np.arange(2 * GROUPS))
    run.run(RECIPE.steps)
    after = run.examine(np.arange(2 * GROUPS))
    for block in ("visual", "concept"):
        assert _margin(getattr(after, block)) > _margin(getattr(before, block)) + 0.1


def test_a_stopped_run_goes_on_with_what_it_remembered(tmp_path: Path) -> None:
    whole, first, second = tuner(), tuner(), tuner()
    whole.run(RECIPE.steps)
    first.run(10)
    first.save(tmp_path / "state.pt")
    second.load(tmp_path / "state.pt")
    second.run(RECIPE.steps)
    found, wanted = second.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def _margin(block: NDArray[np.float32]) -> float:
    """How much nearer a partner is than the others, on average."""
    scores = block @ block.T
    partner = scores[np.arange(len(block)), np.arange(len(block)) ^ 1]
    return float(partner.mean() - (scores.sum() - np.trace(scores)) / (scores.size - len(scores)))
