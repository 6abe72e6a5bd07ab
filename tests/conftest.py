"""Fixtures every room's tests share: a tiny real network and pictures drawn on the spot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from models.checkpoint import Calibration, save_checkpoint
from models.encoder import Encoder
from models.network import MarkNet, NetworkConfig
from models.preprocess import Preprocess
from models.vienna import ViennaCode

TINY_LABELS = ("01", "01.01", "03", "03.01", "26", "26.01", "26.04", "27", "27.05", "29", "29.01")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder of the real code and depth, one sixteenth as wide, random weights."""
    folder = tmp_path_factory.mktemp("tiny-network")
    torch.manual_seed(7)
    shape = NetworkConfig(
        labels=len(TINY_LABELS), visual=32, concept=16, trunk=32, narrow=16, std=(64.0, 64.0, 64.0)
    )
    network = MarkNet(shape)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    n = len(TINY_LABELS)
    calibration = Calibration(
        np.ones(n, np.float32), np.zeros(n, np.float32), np.full(n, 0.5, np.float32)
    )
    save_checkpoint(
        folder,
        network,
        preprocess=Preprocess(size=64),
        labels=tuple(ViennaCode.parse(text) for text in TINY_LABELS),
        weights={"visual": 1.0, "concept": 0.5, "colour": 0.25},
        calibration=calibration,
        metrics={},
    )
    return folder


@pytest.fixture(scope="session")
def encoder(tiny_checkpoint: Path) -> Encoder:
    """The tiny network on torch: milliseconds a picture."""
    return Encoder.load(tiny_checkpoint, device="cpu", runtime="torch")


@pytest.fixture(scope="session")
def draw_mark() -> Callable[..., Image.Image]:
    """A function (seed, size=96) → a picture of a few random shapes, the same for the same seed."""

    def draw(seed: int, size: int = 96) -> Image.Image:
        rng = np.random.default_rng(seed)
        image = Image.new("RGB", (size, size), "white")
        pen = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(2, 6))):
            x, y = (int(value) for value in rng.integers(2, size - 20, 2))
            w, h = (int(value) for value in rng.integers(8, size // 2, 2))
            colour = tuple(int(value) for value in rng.integers(0, 220, 3))
            shape = [pen.ellipse, pen.rectangle][int(rng.integers(2))]
            shape((x, y, min(x + w, size - 2), min(y + h, size - 2)), fill=colour)
        return image

    return draw
