"""The sign is found on a scanned page, whatever else is on it, and a clean picture stays whole."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from models.encoder import Encoder
from models.errors import BadCheckpoint
from models.images import decode_image
from models.network.checkpoint import (
    CODE_BLOCK,
    CONFIG,
    NEIGHBOURS,
    PLACES,
    SHIPPED,
    WEIGHTS,
    Checkpoint,
)
from models.network.preprocess import Preprocess
from models.network.sign import Bounds, border_colour, find_sign
from search_api.demo import demo_register

TOLERANCE = Preprocess().tolerance
PAGE = (1240, 1754)  # A4 at 150 dots an inch
MARKS = sorted((demo_register() / "images").glob("*.png"))
CASES = Path(__file__).parents[1] / "data" / "scans"

Dirt = Callable[[Image.Image, np.random.Generator], None]


def read(path: Path) -> Image.Image:
    return decode_image(path.read_bytes(), path.name)


def box_of_all_ink(image: Image.Image) -> Bounds:
    """The plain rule: every pixel that differs from the paper is sign."""
    difference = np.abs(np.asarray(image, np.int16) - np.asarray(border_colour(image), np.int16))
    rows, columns = np.nonzero(difference.max(axis=2) > TOLERANCE)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def specks(page: Image.Image, rng: np.random.Generator) -> None:
    pen = ImageDraw.Draw(page)
    for _ in range(rng.integers(1, 8)):
        x, y = (int(rng.integers(5, side - 8)) for side in page.size)
        pen.ellipse((x, y, x + rng.integers(1, 4), y + rng.integers(1, 4)), fill=(40, 40, 40))


def page_number(page: Image.Image, rng: np.random.Generator) -> None:
    text = str(rng.choice(["1", "- 3 -", "17", "12/24", "Page 4 of 9"]))
    x, y = rng.choice([0.08, 0.48, 0.85]) * page.width, rng.choice([0.03, 0.95]) * page.height
    font = ImageFont.load_default(int(rng.integers(18, 36)))
    ImageDraw.Draw(page).text((x, y), text, fill=(20, 20, 20), font=font)


def scanner_edge(page: Image.Image, rng: np.random.Generator) -> None:
    wide, high = page.size
    for side in rng.choice(4, int(rng.integers(1, 3)), replace=False):
        depth, grey = int(rng.integers(2, 30)), int(rng.integers(0, 90))
        stripes = [
            (0, 0, depth, high),
            (0, 0, wide, depth),
            (wide - depth, 0, wide, high),
            (0, high - depth, wide, high),
        ]
        ImageDraw.Draw(page).rectangle(stripes[side], fill=(grey, grey, grey))


def frame(page: Image.Image, rng: np.random.Generator) -> None:
    inset, width = int(rng.choice([0, 0, 1, 30, 60, 100])), int(rng.integers(1, 5))
    outline = (inset, inset, page.width - 1 - inset, page.height - 1 - inset)
    ImageDraw.Draw(page).rectangle(outline, outline=(0, 0, 0), width=width)


def everything(page: Image.Image, rng: np.random.Generator) -> None:
    for dirt in (specks, page_number, scanner_edge, frame):
        dirt(page, rng)


def scanned(mark: Image.Image, dirt: Dirt | None, rng: np.random.Generator) -> Image.Image:
    """A mark somewhere on a page, as somebody laid it on the scanner."""
    sign = mark.crop(box_of_all_ink(mark))
    scale = min(PAGE[0] * rng.uniform(0.15, 0.55) / sign.width, PAGE[1] * 0.5 / sign.height)
    sign = sign.resize([max(1, round(side * scale)) for side in sign.size])
    page = Image.new("RGB", PAGE, "white")
    x = int(rng.integers(PAGE[0] // 8, PAGE[0] - sign.width - PAGE[0] // 8))
    y = int(rng.integers(PAGE[1] // 6, PAGE[1] - sign.height - PAGE[1] // 6))
    page.paste(sign, (x, y))
    if dirt is not None:
        dirt(page, rng)
    return page


def overlap(one: Bounds, other: Bounds) -> float:
    """Intersection over union."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    area = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    shared = max(wide, 0) * max(high, 0)
    return shared / (area - shared)


KINDS = [specks, page_number, scanner_edge, frame, everything]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dirt", KINDS)
def test_what_else_is_on_a_page_is_no_sign(dirt: Dirt, seed: int) -> None:
    chosen = np.random.default_rng([5, seed]).choice(len(MARKS), 20, replace=False)
    right, wrong = 0, []
    for number in chosen.tolist():
        mark = read(MARKS[number])
        clean = scanned(mark, None, np.random.default_rng([seed, number]))
        dirty = scanned(mark, dirt, np.random.default_rng([seed, number]))
        found = overlap(find_sign(dirty, TOLERANCE)[0], box_of_all_ink(clean))
        right += found > 0.95
        if found <= 0.95:
            wrong.append((MARKS[number].name, round(found, 2)))
    assert right >= 18, wrong


def test_marks_that_fill_their_pictures_stay_as_they_are() -> None:
    marks = {path.name: read(path) for path in MARKS[::4]}
    changed = [
        name
        for name, mark in marks.items()
        if find_sign(mark, TOLERANCE)[0] != box_of_all_ink(mark)
    ]
    assert not changed


def test_a_blank_picture_is_all_sign() -> None:
    assert find_sign(Image.new("RGB", (80, 50), "white"), TOLERANCE)[0] == (0, 0, 80, 50)


@pytest.mark.parametrize(
    ("name", "box"),
    [
        ("crown-1speck.png", (542, 765, 699, 909)),
        ("crown-scanedge.png", (542, 765, 699, 909)),
        ("marela-1speck.png", (514, 802, 750, 843)),
        ("heart-frame.png", (529, 752, 712, 928)),
    ],
)
def test_pages_that_lost_their_mark_before(name: str, box: Bounds) -> None:
    found, paper = find_sign(read(CASES / name), TOLERANCE)
    assert overlap(found, box) > 0.95
    assert paper == (255, 255, 255)


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return Encoder.load()


@pytest.fixture(scope="module")
def gallery() -> list[Image.Image]:
    return [read(path) for path in MARKS[::19]]


@pytest.fixture(scope="module")
def known(shipped: Encoder, gallery: list[Image.Image]) -> NDArray[np.float32]:
    """Embeddings (n, d) of the gallery."""
    return shipped.encode(gallery).wholes.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("dirt", KINDS)
def test_a_dirty_scan_finds_its_own_mark_first(
    shipped: Encoder, gallery: list[Image.Image], known: NDArray[np.float32], dirt: Dirt
) -> None:
    rng = np.random.default_rng(3)
    pages = [scanned(mark, dirt, rng) for mark in gallery[:20]]
    scores = shipped.encode(pages).wholes.astype(np.float32) @ known.T
    assert (scores.argmax(axis=1) == np.arange(20)).sum() >= 18


def test_a_checkpoint_of_0_1_opens_under_another_fingerprint(tmp_path: Path) -> None:
    config = json.loads((SHIPPED / CONFIG).read_text("utf-8"))
    del config["preprocess"]["sign_rule"]
    for later in ("embedding", "codes_sha256", "places_sha256", "neighbours_sha256", "scores"):
        del config[later]
    config["blocks"] = [block for block in config["blocks"] if block["name"] != "codes"]
    config["fingerprint"] = "7a0ae84d2d85b78d"  # as 0.1 shipped it
    (tmp_path / CONFIG).write_text(json.dumps(config), "utf-8")
    (tmp_path / WEIGHTS).symlink_to(SHIPPED / WEIGHTS)
    opened = Checkpoint.open(tmp_path)
    assert opened.fingerprint not in (config["fingerprint"], Checkpoint.open().fingerprint)
    assert opened.code_block is None
    assert opened.places is None
    assert opened.neighbours is None


def test_a_checkpoint_of_another_rule_is_refused(tmp_path: Path) -> None:
    config = json.loads((SHIPPED / CONFIG).read_text("utf-8"))
    config["preprocess"]["sign_rule"] = 99
    (tmp_path / CONFIG).write_text(json.dumps(config), "utf-8")
    for file in (WEIGHTS, CODE_BLOCK, PLACES, NEIGHBOURS):
        (tmp_path / file).symlink_to(SHIPPED / file)
    with pytest.raises(BadCheckpoint, match="rule 99"):
        Checkpoint.open(tmp_path)
