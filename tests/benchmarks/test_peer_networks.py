"""The arithmetic of what MarkNet is measured beside."""

import numpy as np
import pytest
import torch

from benchmarks.efficientnet_lite0 import _same
from benchmarks.peer_networks import pixel_peers


def test_uneven_padding_is_tensorflows() -> None:
    picture = torch.arange(16.0).view(1, 1, 4, 4)
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[..., 0, 0] = 1.0
    # Stride 2 over 4: one row and column are added, to the right and below.
    assert _same(picture, kernel, 2).flatten().tolist() == [0.0, 2.0, 8.0, 10.0]


def test_hashes_and_histograms_know_a_picture_again() -> None:
    pytest.importorskip("imagehash", reason="imagehash is not installed (make test installs it)")
    rng = np.random.default_rng(3)
    pixels = rng.integers(0, 256, (5, 224, 224, 3), dtype=np.uint8)
    pixels[1] = pixels[0]
    for peer in pixel_peers():
        rows = peer.embed(pixels)
        assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(5), abs=1e-5)
        assert rows[0] @ rows[1] == pytest.approx(1.0, abs=1e-5)
