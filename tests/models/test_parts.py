"""What stands apart in a mark is found, cut out, and heard where it shows a thing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from models.encoder import Encoder, Prepared
from models.explanation import Explainer
from models.network.parts import Box, Parts, best_seen, find_parts
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
    return [part.box for part in find_parts(pixels)]


def near(box: Box, wanted: Box) -> bool:
    return box.overlap(wanted) > 0.85


@pytest.mark.parametrize(("paper", "ink"), [(WHITE, BLACK), (BLACK, WHITE), (WHITE, (190, 30, 60))])
def test_a_device_beside_a_word_is_found(paper: tuple, ink: tuple) -> None:
    found = find_parts(lockup(paper, ink))
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
    found = find_parts(np.asarray(label))
    assert [part.paper for part in found if near(part.box, Box(30, 60, 100, 130))] == [(20, 90, 60)]


@pytest.mark.parametrize("draw", ["nothing", "disc", "speck"])
def test_a_sign_of_one_piece_has_no_parts(draw: str) -> None:
    picture = Image.new("RGB", (192, 192), WHITE)
    pen = ImageDraw.Draw(picture)
    if draw == "disc":
        pen.ellipse((10, 10, 181, 181), fill=BLACK)
    elif draw == "speck":
        pen.point((90, 90), fill=BLACK)
    assert find_parts(np.asarray(picture)) == []
    assert Parts().cut(np.asarray(picture)).pixels.shape == (0, 128, 128, 3)


def test_a_cut_out_shows_the_part_large_on_its_own_paper() -> None:
    pixels = lockup(BLACK, WHITE)
    parts = Parts(size=96)
    number = next(at for at, part in enumerate(parts.find(pixels)) if near(part.box, DEVICE))
    cut = parts.cut(pixels).pixels[number]
    assert cut.shape == (96, 96, 3)
    assert cut[0].max() < 32  # paper, to the edges
    lit = np.flatnonzero(cut.max(axis=(0, 2)) > 128)
    assert lit[-1] - lit[0] > 80  # of 96: 50 of 192 before


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
    parts = Parts(most=3, size=32)
    found = parts.find(pixels)
    assert len(found) <= 3
    assert parts.cut(pixels).pixels.shape == (len(found), 32, 32, 3)
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
    alone = Encoder.load(checkpoint_with_parts, device="cpu", runtime="torch")
    alone._parts = None
    drawn = (lockup(), lockup(BLACK, WHITE), np.full((192, 192, 3), 255, np.uint8))
    pictures = list(map(Prepared, drawn))
    heard, whole = encoder.encode_prepared(pictures), alone.encode_prepared(pictures)
    assert (heard.wholes == whole.wholes).all()
    assert [len(one.vectors) for one in whole.embeddings] == [1, 1, 1]
    parts = encoder.checkpoint.parts
    assert parts
    for pixels, one in zip(drawn, heard.embeddings, strict=True):
        cut = parts.cut(pixels)
        assert len(one.vectors) == 1 + len(cut.pixels)
        if len(cut.pixels):
            apart = encoder.runtime.run(cut.pixels).embedding
            np.testing.assert_allclose(one.vectors[1:], apart, atol=2e-3)
        np.testing.assert_allclose(one.boxes[1:], cut.boxes / 192, atol=1e-6)
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
    pixels = encoder.prepare(picture).pixels[None]
    explainer = Explainer(encoder)
    whole = encoder.runtime.run(pixels).logits[0]
    parts = encoder.checkpoint.parts
    assert parts
    found = parts.find(pixels[0])
    said = encoder.runtime.run(parts.cut(pixels[0]).pixels).logits
    told = 0
    for column, code in enumerate(encoder.labels):
        heat = explainer.explain(picture, [PredictedCode(code, 0.5)]).heat
        assert heat.shape == (1, 48, 48)
        best = int(said[:, column].argmax())
        if code.category <= 24 and said[best, column] > whole[column] and heat.max() > 0:
            box = Box(*(round(edge / 4) for edge in parts.frame(found[best].box)))
            outside = heat[0].copy()
            outside[max(box.top, 0) : box.bottom, max(box.left, 0) : box.right] = 0
            assert outside.max() == 0
            told += 1
    assert told > 0
