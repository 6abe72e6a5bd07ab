"""Real logos with readings: what a file of them says, and how they stand beside lettering."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.marknet.real_logos import Letterer, read_readings
from models.synthesis.fonts import FontBook
from models.vienna import ViennaCode

MAGENTA = (255, 0, 255)


@pytest.fixture(scope="module")
def letterer() -> Letterer:
    return Letterer(FontBook([Path("/usr/share/fonts")]))


def test_a_reading_has_sure_codes_doubtful_ones_and_things(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "set,name,brand,codes,doubtful,things\n"
        "one,cat,Cat,03.01.06;26.01,24.15.02,cat; ring\n"
        "one,empty,Empty,,26.01,\n",
        "utf-8",
    )
    readings = read_readings(path)
    assert list(readings) == [("one", "cat")]
    reading = readings["one", "cat"]
    assert reading.codes == (ViennaCode(3, 1, 6), ViennaCode(26, 1))
    assert reading.doubtful == (ViennaCode(24, 15, 2),)
    assert reading.things == ("cat", "ring")


def test_a_file_without_doubts_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("set,name,codes\none,cat,03.01\n", "utf-8")
    assert read_readings(path)["one", "cat"].doubtful == ()


def test_a_device_takes_a_fifth_to_a_third_of_the_width(letterer: Letterer) -> None:
    logo = Image.new("RGB", (120, 120), "white")
    ImageDraw.Draw(logo).rectangle((10, 10, 109, 109), fill=MAGENTA)
    shares = []
    for seed in range(60):
        mark = np.asarray(letterer.compose(np.random.default_rng(seed), logo)).astype(int)
        device = (mark[..., 0] > 235) & (mark[..., 1] < 60) & (mark[..., 2] > 235)
        if not device.any():
            continue  # a mark in greys
        ink = np.flatnonzero((mark.min(axis=2) < 160).any(axis=0))
        columns = np.flatnonzero(device.any(axis=0))
        shares.append((columns[-1] - columns[0] + 1) / (ink[-1] - ink[0] + 1))
    assert len(shares) >= 25
    assert np.percentile(shares, 5) > 0.17
    assert np.percentile(shares, 95) < 0.4


def test_lettering_stands_on_the_logos_own_paper(letterer: Letterer) -> None:
    logo = Image.new("RGB", (90, 90), (10, 20, 60))
    ImageDraw.Draw(logo).ellipse((15, 15, 75, 75), fill=(250, 210, 40))
    for seed in range(8):
        mark = np.asarray(letterer.compose(np.random.default_rng(seed), logo)).astype(int)
        edge = np.concatenate([mark[0], mark[-1], mark[:, 0], mark[:, -1]])
        assert np.median(edge.mean(axis=1)) < 70
