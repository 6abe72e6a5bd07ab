"""A network of the real code and depth, one sixteenth as wide, with random weights.

It answers in milliseconds, for tests and benchmarks that are not about what a network sees.
"""

from pathlib import Path

import numpy as np
import torch

from models.network.calibration import Calibration
from models.network.checkpoint import save_checkpoint
from models.network.marknet import MarkNet, NetworkConfig
from models.network.preprocess import Preprocess
from models.vienna import ViennaCode

LABELS = ("01", "01.01", "03", "03.01", "26", "26.01", "26.04", "27", "27.05", "29", "29.01")


def save_small_network(folder: Path) -> None:
    """Write its checkpoint into an empty folder; it is the same each time."""
    torch.manual_seed(7)
    shape = NetworkConfig(
        labels=len(LABELS), visual=32, concept=16, trunk=32, narrow=16, std=(64.0, 64.0, 64.0)
    )
    network = MarkNet(shape)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    n = len(LABELS)
    shown, perhaps = np.full(n, 0.5, np.float32), np.full(n, 0.3, np.float32)
    none = np.zeros(n, np.float32)
    save_checkpoint(
        folder,
        network,
        preprocess=Preprocess(size=64),
        labels=tuple(ViennaCode.parse(text) for text in LABELS),
        weights={"visual": 1.0, "concept": 0.5, "colour": 0.25},
        calibration=Calibration(np.ones(n, np.float32), none, shown, perhaps, none),
        metrics={},
    )
