"""What stands apart in a mark is found, cut out sharply, and counts where it shows a thing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from models.encoder import Encoder
from models.explanation import Explainer
from models.network.devices import Box, find_devices
from models.network.parts import Parts, best_seen
from models.network.preprocess import Prepared, Preprocess
from models.vienna import PredictedCode, ViennaCode

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
DEVICE = Box(10, 70, 60, 120)


def lockup(paper=WHITE, ink=BLACK) -> np.ndarray:
    """A disc with a cross cut out of it, and a word to its right."""
    picture = Image.new("RGB", (192, 192), paper)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((10, 70, 59, 119), fill=ink)
    pen.line((20, 95, 50, 95), fill=paper, width=5)
    pen.text((76, 74), "MARKE", fill=ink, font=ImageFont.load_default(30))
    return np.asarray(picture)


def boxes(pixels: np.ndarray) -> list[Box]:
    return [part.box for part in find_devices(pixels)]


def near(box: Box, wanted: Box) -> bool:
    return box.overlap(wanted) > 0.85


@pytest.mark.parametrize(("paper", "ink"), [(WHITE, BLACK), (BLACK, WHITE), (WHITE, (190, 30, 60))])
def test_a_device_beside_a_word_is_found(paper: tuple, ink: tuple) -> None:
    found = find_devices(lockup(paper, ink))
    assert any(near(part.box, DEVICE) for part in found)
    assert {part.paper for part in found if near(part.box, DEVICE)} == {paper}


def test_a_device_above_a_word_is_found() -> None:
    picture = Image.new("RGB", (192, 192), WHITE)
    pen = ImageDraw.Draw(picture)
    pen.polygon([(96, 10), (146, 90), (46, 90)], fill=BLACK)
    pen.text((20, 120), "TRIANGLE", fill=BLACK, font=ImageFont.load_default(34))
    assert any(near(box, Box(46, 10, 147, 91)) for box in boxes(np.asarray(picture)))


def test_what_a_ring_or_a_ground_holds_is_found() -> None:
    ring = Image.new("RGB", (192, 192), WHITE)
    pen = ImageDraw.Draw(ring)
    pen.ellipse((10, 10, 181, 181), outline=BLACK, width=6)
    pen.rectangle((70, 60, 119, 129), fill=BLACK)
    assert any(near(box, Box(70, 60, 120, 130)) for box in boxes(np.asarray(ring)))

    label = Image.new("RGB", (192, 192), WHITE)
    pen = ImageDraw.Draw(label)
    pen.rectangle((10, 40, 181, 151), fill=(20, 90, 60))
    pen.ellipse((30, 60, 99, 129), fill=WHITE)
    found = find_devices(np.asarray(label))
    assert [part.paper for part in found if near(part.box, Box(30, 60, 100, 130))] == [(20, 90, 60)]


@pytest.mark.parametrize("draw", ["nothing", "disc", "speck"])
def test_a_sign_of_one_piece_has_no_parts(draw: str) -> None:
    picture = Image.new("RGB", (192, 192), WHITE)
    pen = ImageDraw.Draw(picture)
    if draw == "disc":
        pen.ellipse((10, 10, 181, 181), fill=BLACK)
    elif draw == "speck":
        pen.point((90, 90), fill=BLACK)
    assert find_devices(np.asarray(picture)) == []
    assert Preprocess().prepare(picture, Parts()).parts.pixels.shape == (0, 160, 160, 3)


def test_letters_in_a_row_are_no_parts() -> None:
    picture = Image.new("RGB", (192, 192), WHITE)
    pen = ImageDraw.Draw(picture)
    pen.text((6, 20), "MARKEN", fill=BLACK, font=ImageFont.load_default(46))
    for at, letter in enumerate("SPACED"):
        pen.text((8 + 30 * at, 120), letter, fill=BLACK, font=ImageFont.load_default(24))
    assert find_devices(np.asarray(picture)) == []
    assert any(near(box, DEVICE) for box in boxes(lockup()))
    assert len(boxes(lockup())) == 1


def test_a_device_below_an_arc_of_letters_is_found() -> None:
    picture = Image.new("RGB", (192, 192), WHITE)
    pen = ImageDraw.Draw(picture)
    for at, letter in enumerate("ARCHED WORDS"):
        angle = np.pi * (at + 0.5) / 12
        x, y = 96 - 84 * np.cos(angle), 100 - 84 * np.sin(angle)
        pen.text((x - 7, y - 7), letter, fill=BLACK, font=ImageFont.load_default(18))
    pen.regular_polygon((96, 110, 24), 5, fill=BLACK)
    wanted = pen._image.crop((60, 70, 132, 150)).convert("L").point(lambda v: 255 - v).getbbox()
    box = Box(wanted[0] + 60, wanted[1] + 70, wanted[2] + 60, wanted[3] + 70)
    assert any(near(found, box) for found in boxes(np.asarray(picture)))


def beside_a_word(device: Image.Image, share: float, side: int) -> Image.Image:
    """A device, a share of the mark's width, beside a word of three times its width."""
    picture = Image.new("RGB", (side, side // 2), WHITE)
    small = round(side * share)
    picture.paste(device.resize((small, small), Image.Resampling.LANCZOS), (8, side // 8))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(side / 9)
    pen.text((small + side // 10, side // 5), "MARKEN", fill=BLACK, font=font)
    return picture


@pytest.mark.parametrize("side", [512, 1024])
def test_a_part_is_as_sharp_as_a_picture_of_the_device_alone(side: int) -> None:
    device = Image.new("RGB", (400, 400), WHITE)
    pen = ImageDraw.Draw(device)
    pen.ellipse((0, 0, 399, 399), fill=(20, 60, 160))
    for at in range(20, 380, 40):
        pen.line((at, 60, at, 340), fill=WHITE, width=14)  # two pixels of 192 in the whole mark
    parts = Preprocess().prepare(beside_a_word(device, 0.25, side), Parts(size=128)).parts
    alone = Preprocess(size=128)(device).astype(float)
    missed = [np.abs(one - alone).mean() for one in parts.pixels]
    assert min(missed) < 9  # cut out of 192 pixels: above 20


def test_a_part_shows_nothing_of_what_stands_around_it() -> None:
    """A ring's line, of which the corners of the box around the device would show some."""
    picture = Image.new("RGB", (800, 800), WHITE)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((20, 20, 779, 779), outline=BLACK, width=30)
    pen.rectangle((240, 240, 559, 559), fill=(200, 30, 30))
    parts = Preprocess().prepare(picture, Parts(size=128)).parts
    assert len(parts.pixels) == 1
    assert parts.pixels[0][..., 0].min() > 150  # white and red, and no black
    np.testing.assert_allclose(parts.pixels[0][0], 255, atol=6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([16, 33, 64, 192]), st.floats(0.0, 1.0))
def test_wild_pictures_give_boxes_within_them(seed: int, side: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), 255, np.uint8)
    noisy = rng.random((side, side)) < share
    pixels[noisy] = rng.integers(0, 256, (int(noisy.sum()), 3))
    for _ in range(3):
        x, y, w, h = rng.integers(0, side, 4)
        pixels[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    found = find_devices(pixels)
    cut = Parts(most=3, size=32).cut(Image.fromarray(pixels), pixels)
    assert cut.pixels.shape == (min(len(found), 3), 32, 32, 3)
    assert (cut.boxes >= -0.5).all()
    assert (cut.boxes <= side + 0.5).all()
    for part in found:
        left, top, right, bottom = part.box
        assert 0 <= left < right <= side
        assert 0 <= top < bottom <= side


def test_things_count_where_they_are_seen_best_and_writing_where_it_stands() -> None:
    labels = [ViennaCode.parse(text) for text in ("03", "03.01", "27", "26.01")]
    whole = np.array([[-2.0, -3.0, 4.0, -1.0], [0.5, 0.0, 1.0, 1.0]], np.float32)
    parts = np.array([[1.0, -4.0, 9.0, 9.0], [-1.0, 2.0, -9.0, 9.0]], np.float32)
    best = best_seen(whole, parts, np.array([0, 0]), labels)
    assert best.tolist() == [[1.0, 2.0, 4.0, -1.0], [0.5, 0.0, 1.0, 1.0]]


def test_an_encoder_embeds_the_whole_and_its_parts_and_counts_what_the_parts_show(
    checkpoint_with_parts: Path,
) -> None:
    encoder = Encoder.load(checkpoint_with_parts, device="cpu", runtime="torch")
    drawn = (lockup(), lockup(BLACK, WHITE), np.full((192, 192, 3), 255, np.uint8))
    pictures = [encoder.prepare(Image.fromarray(pixels)) for pixels in drawn]
    heard = encoder.encode_prepared(pictures)
    whole = encoder.encode_prepared(
        [Prepared(one.pixels, one.square, one.sign) for one in pictures]
    )
    assert (heard.wholes == whole.wholes).all()
    assert [len(one.vectors) for one in whole.embeddings] == [1, 1, 1]
    for picture, one in zip(pictures, heard.embeddings, strict=True):
        cut = picture.parts
        assert len(one.vectors) == 1 + len(cut.pixels)
        if len(cut.pixels):
            apart = encoder.runtime.run(cut.pixels).embedding
            np.testing.assert_allclose(one.vectors[1:], apart, atol=2e-3)
        np.testing.assert_allclose(one.boxes[1:], picture.in_sign(cut.boxes), atol=1e-6)
    gained = heard.probabilities - whole.probabilities
    things = np.array([code.category <= 24 for code in encoder.labels])
    assert gained[:2, things].max() > 1e-4
    assert gained.min() >= 0
    assert (gained[:, ~things] == 0).all()
    assert (gained[2] == 0).all()  # a blank picture has no parts
    one_by_one = [encoder.encode_prepared([one]).probabilities[0] for one in pictures]
    np.testing.assert_allclose(one_by_one, heard.probabilities, atol=1e-5)


def test_an_explanation_points_into_the_part_that_shows_the_code(
    checkpoint_with_parts: Path,
) -> None:
    encoder = Encoder.load(checkpoint_with_parts, device="cpu", runtime="torch")
    picture = Image.fromarray(lockup())
    seen = encoder.prepare(picture)
    explainer = Explainer(encoder)
    whole = encoder.runtime.run(seen.pixels[None]).logits[0]
    said = encoder.runtime.run(seen.parts.pixels).logits
    told = 0
    for column, code in enumerate(encoder.labels):
        heat = explainer.explain(picture, [PredictedCode(code, 0.5)]).heat
        assert heat.shape == (1, 48, 48)
        best = int(said[:, column].argmax())
        if code.category <= 24 and said[best, column] > whole[column] and heat.max() > 0:
            box = Box(*(round(edge / 4) for edge in seen.parts.frames[best].tolist()))
            outside = heat[0].copy()
            outside[max(box.top, 0) : box.bottom, max(box.left, 0) : box.right] = 0
            assert outside.max() == 0
            told += 1
    assert told > 0
