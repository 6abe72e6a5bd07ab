"""Signs and things that belong together: whitened at the start, drawn together, resumed exactly."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from models.marknet.start import Pooled, whiten
from models.network.marknet import Lower, MarkNet, NetworkConfig, Upper, pool
from models.network.pooling import average, mac
from models.training.batches import TrainingData
from models.training.export import BesideIdentity
from models.training.recipe import Recipe
from models.training.trainer import Trainer

GROUPS = 12
RECIPE = Recipe(
    steps=24, labelled=8, signs=4, concepts=4, remembered=3, heads_rate=5e-3, proxy_weight=1.0
)


class Seeds:
    """A source whose pictures are noise around their group's own maps."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        own = torch.randn(GROUPS, 32, 3, 3).repeat_interleave(2, 0)
        self.maps = (own + 0.5 * torch.randn_like(own)).relu()
        self.pooled = torch.rand(2 * GROUPS, 64)
        self.colour = torch.rand(2 * GROUPS, 48)

    def lower(self, rows: NDArray[np.int64]) -> Lower:
        at = torch.from_numpy(rows)
        return Lower(self.maps[at], self.pooled[at], self.colour[at])

    def forward(
        self, network: MarkNet, rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Upper]]:
        yield np.arange(len(rows)), network.forward_upper(self.lower(rows))

    @torch.no_grad()
    def all_pooled(self, network: MarkNet) -> Pooled:
        conv5 = network.backbone.high(self.maps)
        features = torch.cat([self.pooled, pool(mac(conv5), average(conv5))], dim=1)
        return Pooled(features.numpy(), float(conv5.mean()))


def data() -> TrainingData:
    rows = np.arange(2 * GROUPS)
    targets = np.random.default_rng(0).integers(0, 2, (len(rows), 5)).astype(np.float32)
    pairs = list(rows.reshape(GROUPS, 2))
    return TrainingData(targets, rows, np.ones(len(rows)), pairs, pairs)


def trainer() -> Trainer:
    torch.manual_seed(1)
    network = MarkNet(NetworkConfig(labels=5, visual=8, concept=8, trunk=16, narrow=16))
    whiten(network, Seeds().all_pooled(network))
    return Trainer(network, Seeds(), data(), RECIPE)


def test_whitening_gives_the_visual_block_equal_variance_without_correlation() -> None:
    network, seen = trainer().network, []
    with torch.no_grad():
        hook = network.heads.visual.register_forward_hook(lambda *a: seen.append(a[2]))
        network.eval().forward_upper(Seeds().lower(np.arange(2 * GROUPS)))
        hook.remove()
    outputs = seen[0].numpy()
    covariance = outputs.T @ outputs / len(outputs)
    assert covariance == pytest.approx(np.eye(8) * 0.09, abs=0.01)


def test_signs_and_things_are_drawn_together() -> None:
    run = trainer()
    before = run.predict(np.arange(2 * GROUPS))
    run.run(RECIPE.steps)
    after = run.predict(np.arange(2 * GROUPS))
    for block in ("visual", "concept"):
        assert _margin(getattr(after, block)) > _margin(getattr(before, block)) + 0.1


class Recording(Seeds):
    """Notes which rows are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(
        self, network: MarkNet, rows: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], Upper]]:
        self.seen += rows.tolist()
        return super().forward(network, rows)


def test_an_epoch_shows_the_network_every_picture_once() -> None:
    network = MarkNet(NetworkConfig(labels=5, visual=8, concept=8, trunk=16, narrow=16))
    rows, source = np.arange(2 * GROUPS), Recording()
    targets = np.zeros((len(rows), 5), np.float32)
    run = Trainer(network, source, TrainingData(targets, rows), Recipe(steps=6, labelled=8))
    run.run(3)
    assert sorted(source.seen) == rows.tolist()
    run.run(6)
    assert sorted(source.seen[len(rows) :]) == rows.tolist()
    assert source.seen[: len(rows)] != source.seen[len(rows) :]


def test_a_stopped_run_goes_on_with_what_it_remembered(tmp_path: Path) -> None:
    whole, first, second = trainer(), trainer(), trainer()
    whole.run(RECIPE.steps)
    first.run(10)
    first.save(tmp_path / "state.pt")
    second.load(tmp_path / "state.pt")
    second.run(RECIPE.steps)
    found, wanted = second.network.state_dict(), whole.network.state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_heads_learn_alone_while_the_convolutions_stay() -> None:
    run = trainer()
    network = run.network
    run = Trainer(network, Seeds(), data(), replace(RECIPE, depth="heads"))
    before = _margin(run.predict(np.arange(2 * GROUPS)).concept)
    frozen = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}
    run.run(RECIPE.steps)
    assert _margin(run.predict(np.arange(2 * GROUPS)).concept) > before + 0.1
    assert all(
        torch.equal(frozen[name], now) for name, now in network.backbone.state_dict().items()
    )


def test_proxies_are_carried_into_the_next_stage_and_learn_there() -> None:
    first = trainer()
    first.run(10)
    second = Trainer(first.network, Seeds(), data(), RECIPE, first.proxies)
    assert torch.equal(second.proxies, first.proxies)
    second.run(5)
    assert not torch.equal(second.proxies, first.proxies)


def test_proxies_begin_amid_what_shows_their_thing() -> None:
    run = trainer()
    run.initialise_proxies()
    concept = run.predict(np.arange(2 * GROUPS)).concept.reshape(GROUPS, 2, -1)
    centres = nn.functional.normalize(torch.from_numpy(concept.mean(axis=1)), dim=1)
    nearest = (nn.functional.normalize(run.proxies, dim=1) @ centres.T).argmax(dim=0)
    assert nearest.tolist() == list(range(GROUPS))


def _margin(block: NDArray[np.float32]) -> float:
    """How much nearer a partner is than the others, on average."""
    scores = block @ block.T
    partner = scores[np.arange(len(block)), np.arange(len(block)) ^ 1]
    return float(partner.mean() - (scores.sum() - np.trace(scores)) / (scores.size - len(scores)))


def test_a_convolution_beside_its_identity_computes_the_same() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(6, 6, 3, padding=1)
    nn.init.dirac_(convolution.weight)
    convolution.weight.data += 0.01 * torch.randn_like(convolution.weight)
    maps, split = torch.rand(2, 6, 5, 5), BesideIdentity(convolution)
    assert torch.allclose(split(maps), convolution(maps), atol=1e-6)
    assert split.rest.weight.abs().max() < 0.1  # what int8 has to resolve
