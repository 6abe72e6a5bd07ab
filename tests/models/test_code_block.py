"""The block "codes" says what a mark depicts: rare codes count more, and cosines survive it."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from models.encoder import Encoder
from models.errors import BadCheckpoint
from models.network.calibration import Calibration
from models.network.checkpoint import Checkpoint, add_code_block, save_checkpoint
from models.network.code_block import CodeBlock
from models.network.parts import Parts
from models.network.preprocess import Preprocess
from models.training.code_block import fit_code_block, main
from models.vienna import ViennaCode


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cosines(rows: np.ndarray) -> np.ndarray:
    made = unit(rows.astype(np.float64))
    return made @ made.T


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 30))
@settings(max_examples=40, deadline=None)
def test_with_few_labels_cosines_are_those_of_probability_times_rarity(
    seed: int, labels: int, pictures: int
) -> None:
    rng = np.random.default_rng(seed)
    rarity = rng.uniform(0.5, 9.0, labels)
    block = CodeBlock.fit(rng.random((pictures, labels), np.float32), rarity)
    assert block.width == labels
    seen = rng.random((6, labels), np.float32) ** 4 + np.float32(1e-3)
    exact = cosines(seen * rarity)
    made = block.of(seen)
    assert made.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(made.astype(np.float32), axis=1), 1, atol=2e-3)
    np.testing.assert_allclose(cosines(made), exact, atol=5e-3)


def test_with_many_labels_the_directions_of_real_predictions_are_kept() -> None:
    rng = np.random.default_rng(1)
    kinds = rng.random((12, 300)) * (rng.random((12, 300)) < 0.05)
    mixed = (rng.dirichlet(np.full(12, 0.3), 400) @ kinds).astype(np.float32)
    block = CodeBlock.fit(mixed[:200], np.ones(300), width=16)
    assert block.width == 16
    np.testing.assert_allclose(cosines(block.of(mixed[200:])), cosines(mixed[200:]), atol=5e-3)


def test_a_rare_code_in_common_is_worth_more_than_a_common_one() -> None:
    labels = tuple(map(ViennaCode.parse, ("01.15", "03.01", "02.03")))
    block = fit_code_block(np.eye(3, dtype=np.float32), np.array([500.0, 1, 500]), 1000, labels)
    common, rare, both = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]], np.float32)
    made = block.of(np.stack([common, rare, both])).astype(np.float32)
    assert made[2] @ made[1] > 0.9
    assert made[2] @ made[0] < 0.4


def test_nothing_seen_is_like_nothing() -> None:
    block = CodeBlock.fit(np.eye(3, dtype=np.float32), np.ones(3))
    assert (block.of(np.zeros((2, 3), np.float32)) == 0).all()


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """The tiny network with parts, and codes that it has learnt nothing of."""
    tiny = Checkpoint.open(tiny_checkpoint)
    save_checkpoint(
        tmp_path / "network",
        tiny.load_network(),
        preprocess=Preprocess(size=192),
        labels=tiny.labels,
        weights={block.name: block.weight for block in tiny.blocks},
        calibration=tiny.calibration,
        metrics={},
        parts=Parts(size=64),
    )
    return tmp_path / "network"


def device_beside_word() -> Image.Image:
    picture = Image.new("RGB", (400, 200), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((10, 50, 109, 149), fill=(200, 30, 40))
    for at in range(4):
        pen.rectangle((150 + 60 * at, 70, 190 + 60 * at, 130), fill=(0, 0, 0))
    return picture


def test_embeddings_end_with_the_block_and_are_otherwise_the_same(folder: Path) -> None:
    before = Encoder.load(folder, device="cpu", runtime="torch")
    labels = len(before.labels)
    block = fit_code_block(
        np.eye(labels, dtype=np.float32), np.arange(labels, dtype=np.float64), 20, before.labels
    )
    opened = add_code_block(folder, block)
    assert [one.name for one in opened.blocks] == ["visual", "concept", "colour", "codes"]
    codes, weights = opened.blocks[-1], [one.weight for one in opened.blocks]
    assert codes.stop - codes.start == sum(code.category <= 24 for code in before.labels)
    assert codes.weight / sum(weights) == pytest.approx(0.2, abs=1e-3)
    assert opened.fingerprint != before.fingerprint

    after = Encoder.load(folder, device="cpu", runtime="torch")
    picture = device_beside_word()
    old, new = before.encode([picture]), after.encode([picture])
    vectors = new.embeddings[0].vectors
    assert vectors.shape == (len(old.embeddings[0].vectors), after.dimension)
    assert len(vectors) > 1
    assert (vectors[:, : codes.start] == old.embeddings[0].vectors).all()
    assert (new.probabilities == old.probabilities).all()
    whole = block.of(new.probabilities)[0]
    for vector in vectors:  # of the parts, too
        np.testing.assert_allclose(vector[codes.start :], whole, atol=2e-3)


def test_things_count_and_writing_does_not_unless_the_network_knows_nothing_else() -> None:
    seen = np.eye(3, dtype=np.float32)
    for texts, counting in (("03 27 03.01", [0, 2]), ("26 27 29", [0, 1, 2])):
        labels = tuple(map(ViennaCode.parse, texts.split()))
        block = fit_code_block(seen, np.full(3, 5.0), 10, labels)
        lengths = np.linalg.norm(block.of(seen).astype(np.float32), axis=1)
        assert np.flatnonzero(lengths > 0.5).tolist() == counting
        assert block.width == len(counting)


def test_the_block_is_fitted_by_one_command(folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    device_beside_word().save(images / "one.png")
    labels = [str(code) for code in Checkpoint.open(folder).labels]
    counts: dict[str, object] = {"n": 50, "category": {}, "division": {}, "section": {}}
    levels = ("category", "division")
    for at, text in enumerate(labels):
        counts[levels[text.count(".")]] |= {text.replace(".", ""): at}
    (tmp_path / "counts.json").write_text(json.dumps(counts), "utf-8")
    arguments = [str(folder), "--images", str(images)]
    main([*arguments, "--frequencies", str(tmp_path / "counts.json")])
    first = Checkpoint.open(folder)
    assert first.blocks[-1].name == "codes"
    counts["n"] = 5000
    (tmp_path / "counts.json").write_text(json.dumps(counts), "utf-8")
    main([*arguments, "--frequencies", str(tmp_path / "counts.json")])
    second = Checkpoint.open(folder)
    assert second.blocks == first.blocks
    assert second.fingerprint != first.fingerprint


def test_a_block_that_is_missing_or_damaged_is_refused(folder: Path) -> None:
    labels = Checkpoint.open(folder).labels
    block = CodeBlock.fit(np.eye(len(labels), dtype=np.float32), np.ones(len(labels)))
    add_code_block(folder, block)
    path = folder / "codes.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BadCheckpoint, match=r"codes\.safetensors: missing or damaged"):
        Encoder.load(folder)
    path.unlink()
    with pytest.raises(BadCheckpoint, match=r"codes\.safetensors: missing or damaged"):
        Encoder.load(folder)


@pytest.mark.parametrize("name", [field.name for field in fields(Calibration)])
def test_a_calibration_that_changes_probabilities_changes_the_fingerprint(
    folder: Path, name: str
) -> None:
    labels = len(Checkpoint.open(folder).labels)
    block = CodeBlock.fit(np.eye(labels, dtype=np.float32), np.ones(labels))
    opened = add_code_block(folder, block)
    old = opened.calibration
    new = replace(old, **{name: getattr(old, name) + np.float32(0.3)})
    logits = np.random.default_rng(0).normal(size=(5, labels)).astype(np.float32)
    one, other = (each.probabilities(logits, opened.labels) for each in (old, new))
    named = replace(opened, calibration=new).computed_fingerprint()
    assert (named == opened.fingerprint) == np.array_equal(one, other)
