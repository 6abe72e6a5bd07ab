"""What is cached before training: pixels where every layer trains, else the lower layers' maps."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from models.encoder import Encoder
from models.network.calibration import Calibration
from models.network.checkpoint import OPENVINO, SHIPPED, Checkpoint, save_checkpoint
from models.network.marknet import Lower, MarkNet, NetworkConfig
from models.network.parts import Parts
from models.network.preprocess import Preprocess
from models.training.feature_sources import PixelSource
from models.training.lower_maps import (
    KeptPixels,
    LowerMaps,
    PictureJob,
    TorchLowerLayers,
    cache_lower_maps,
    find_int8_of_lower_layers,
    part_key,
    whole_key,
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


def test_cached_maps_are_what_the_network_sees_and_a_cache_goes_on(
    encoder: Encoder, tmp_path: Path, draw_mark: Callable[[int, int], Image.Image]
) -> None:
    network = encoder.checkpoint.load_network()
    jobs = [
        PictureJob(f"{n}", lambda n=n: draw_mark(n, 96), 64 if n % 3 else 96) for n in range(12)
    ]  # type: ignore[misc]
    lower = TorchLowerLayers(network)
    cache_lower_maps(jobs[:5], lower, tmp_path)
    seen: list[tuple[int, int]] = []
    left_out = cache_lower_maps(jobs, lower, tmp_path, lambda done, all_: seen.append((done, all_)))
    assert not left_out
    assert seen[-1] == (12, 12)
    maps = LowerMaps(tmp_path)
    assert sorted(maps.keys) == sorted(job.key for job in jobs)
    rows = np.arange(len(maps))
    for side, places in maps.groups(rows).items():
        lower_seen: Lower = maps.lower(rows[places])
        for at, row in enumerate(places):
            job = jobs[int(maps.keys[row])]
            assert side == job.size // 16
            preprocess = replace(encoder.checkpoint.preprocess, size=job.size)
            pixels = torch.from_numpy(preprocess(job.draw())[None].copy())
            with torch.inference_mode():
                direct = network.forward_lower(pixels)
            step = float(direct.maps.max()) / 100
            assert torch.allclose(lower_seen.maps[at], direct.maps[0], atol=step)
            assert torch.allclose(lower_seen.pooled[at], direct.pooled[0], atol=1e-2)


def test_a_cache_keeps_the_parts_of_pictures_once(encoder: Encoder, tmp_path: Path) -> None:
    def discs() -> Image.Image:
        image = Image.new("RGB", (192, 192), "white")
        ImageDraw.Draw(image).ellipse((10, 60, 80, 130), fill="black")
        ImageDraw.Draw(image).ellipse((110, 60, 180, 130), fill="black")
        return image

    parts = Parts(size=64)
    jobs = [
        PictureJob("composed:train#1", discs, 192, parts),
        PictureJob("composed:train#2", discs, 96, parts),
    ]
    lower = TorchLowerLayers(encoder.checkpoint.load_network())
    cache_lower_maps(jobs[:1], lower, tmp_path)
    first = LowerMaps(tmp_path).keys
    assert sorted(first) == sorted(
        ["composed:train#1", part_key("composed:train#1", 0), part_key("composed:train#1", 1)]
    )
    for file in tmp_path.glob("shard-0-00001.*"):  # as if it had died before it kept the picture
        file.unlink()
    cache_lower_maps(jobs, lower, tmp_path)
    maps = LowerMaps(tmp_path)
    assert len(maps) == len(set(maps.keys)) == 6
    sides = maps.groups(np.arange(6))
    assert {side: len(rows) for side, rows in sides.items()} == {4: 4, 12: 1, 6: 1}
    assert {whole_key(maps.keys[row]) for row in sides[4]} == {job.key for job in jobs}
