"""What is cached before training: pixels where every layer trains, else the lower layers' maps."""

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from models.network.calibration import Calibration
from models.network.checkpoint import OPENVINO, SHIPPED, Checkpoint, save_checkpoint
from models.network.marknet import MarkNet, NetworkConfig
from models.network.preprocess import Preprocess
from models.training.feature_sources import PixelSource
from models.training.lower_maps import (
    KeptPixels,
    LowerMaps,
    PictureJob,
    cache_lower_maps,
    find_int8_of_lower_layers,
)
from models.vienna import ViennaCode


def drawn(number: int) -> Image.Image:
    image = Image.new("RGB", (96, 96), "white")
    box = (4, 4, 20 + 5 * number, 60)
    ImageDraw.Draw(image).rectangle(box, fill=(20 * number, 0, 90))
    return image


JOBS = [PictureJob(f"{at}", lambda at=at: drawn(at), 96 + 32 * (at % 2)) for at in range(12)]  # type: ignore[misc]


def test_a_network_says_of_cached_pixels_what_it_says_of_the_pictures(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = MarkNet(NetworkConfig(5, visual=16, concept=8, trunk=16, narrow=32, std=(64,) * 3)).eval()
    assert not cache_lower_maps(JOBS, KeptPixels(), tmp_path)
    maps = LowerMaps(tmp_path)
    rows = np.array([7, 2, 11, 4])
    said: dict[int, torch.Tensor] = {}
    for places, seen in PixelSource(maps).forward(net, rows):
        said |= dict(zip(places.tolist(), seen.logits.detach(), strict=True))
    assert sorted(said) == [0, 1, 2, 3]
    for place, row in enumerate(rows):
        job = JOBS[int(maps.keys[row])]
        pixels = torch.from_numpy(Preprocess(size=job.size)(job.draw())[None].copy())
        expected = net(pixels).logits[0].detach()
        torch.testing.assert_close(said[place], expected, atol=2e-2, rtol=2e-2)


def test_a_cache_ends_when_its_time_is_up(tmp_path: Path) -> None:
    cache_lower_maps(JOBS, KeptPixels(), tmp_path, until=time.time() - 1)
    assert not list(tmp_path.iterdir())
    cache_lower_maps(JOBS, KeptPixels(), tmp_path, until=time.time() + 60)
    assert sorted(LowerMaps(tmp_path).keys) == sorted(job.key for job in JOBS)


def test_networks_that_keep_the_shipped_lower_layers_compute_them_in_int8(tmp_path: Path) -> None:
    shipped = Checkpoint.open(SHIPPED)
    assert find_int8_of_lower_layers(shipped) == SHIPPED / OPENVINO

    network = MarkNet(NetworkConfig(**{**shipped.network, "labels": 1}))
    network.backbone.load_state_dict(shipped.load_network().backbone.state_dict())

    def int8_of(name: str) -> Path | None:
        save_checkpoint(
            *(tmp_path / name, network),
            preprocess=Preprocess(),
            labels=(ViennaCode(3),),
            weights={},
            calibration=Calibration.none(1),
            metrics={},
        )
        return find_int8_of_lower_layers(Checkpoint.open(tmp_path / name))

    learnt = dict(network.named_parameters())
    with torch.no_grad():
        learnt["backbone.features.28.weight"].add_(0.1)  # conv5 has learnt
        assert int8_of("conv5") == SHIPPED / OPENVINO
        learnt["backbone.features.25.weight"].add_(0.1)
        assert int8_of("conv4") is None
