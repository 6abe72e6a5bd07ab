"""Pixels that are cached for networks of which every layer trains."""

import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from models.network.marknet import MarkNet, NetworkConfig
from models.network.preprocess import Preprocess
from models.training.feature_sources import PixelSource
from models.training.lower_maps import KeptPixels, LowerMaps, PictureJob, cache_lower_maps


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
    said = {}
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
