"""Labelled pictures vote for the codes of pictures that look like them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from models.encoder import Encoder
from models.errors import BadCheckpoint
from models.network.checkpoint import Checkpoint, add_code_block, add_neighbours
from models.network.code_block import CodeBlock
from models.network.neighbours import Neighbours


def kinds(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of three kinds, the last of them rare: embeddings and codes."""
    kind = rng.choice(3, number, p=(0.6, 0.35, 0.05))
    return np.eye(3, 8)[kind] + rng.normal(0, 0.1, (number, 8)), np.eye(3)[kind]


@given(st.integers(0, 2**32 - 1), st.integers(2, 90))
@settings(max_examples=30, deadline=None)
def test_votes_are_how_much_more_often_pictures_nearby_bear_a_code(seed: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(number, 6)).astype(np.float32)
    targets = rng.integers(-1, 2, (number, 4)).astype(np.float32)
    asked = rng.normal(size=(3, 9)).astype(np.float32)  # what stands behind is another block's
    kept = Neighbours.fit(seen, targets)

    def directions(rows: np.ndarray) -> np.ndarray:
        white = (rows[:, :6] - kept.centre.astype(float)) @ kept.whitening.astype(float)
        return white / np.linalg.norm(white, axis=1, keepdims=True)

    order = np.lexsort(targets.T[::-1])  # pictures of alike codes are kept side by side
    levels = kept.vectors.astype(float)
    near = directions(asked) @ (levels / np.linalg.norm(levels, axis=1, keepdims=True)).T
    for row, cosines in enumerate(near):
        weight = np.exp((cosines - cosines.max()) / 0.05)
        for code, of_code in enumerate(targets[order].T):
            usual = ((of_code == 1).sum() + 1) / ((of_code >= 0).sum() + 30)
            here = (weight[of_code == 1].sum() + usual / 2) / (weight[of_code >= 0].sum() + 0.5)
            voted = kept.votes(asked)[row, code]
            assert voted == pytest.approx(np.log(here / usual), rel=1e-3, abs=2e-3)


def test_a_rare_code_is_found_where_a_picture_like_it_is_known() -> None:
    rng = np.random.default_rng(4)
    seen, targets = kinds(rng, 600)
    votes = Neighbours.fit(seen.astype(np.float32), targets.astype(np.float32)).votes(
        np.eye(3, 8, dtype=np.float32)
    )
    assert (np.diag(votes) > 0).all()
    assert (votes - np.diag(np.diag(votes)) <= 0).all()
    assert votes[2, 2] > votes[0, 0]  # it says more


def test_reading_back_what_was_written_gives_the_same_votes() -> None:
    rng = np.random.default_rng(6)
    seen = rng.normal(size=(50, 6)).astype(np.float32)
    kept = Neighbours.fit(seen, rng.integers(-1, 2, (50, 13)).astype(np.float32))
    again = Neighbours.from_bytes(kept.to_bytes())
    assert (again.votes(seen) == kept.votes(seen)).all()
    assert again.to_bytes() == kept.to_bytes()
    with pytest.raises(ValueError, match="no labelled pictures"):
        Neighbours.from_bytes(b"something else")


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the tiny network."""
    for file in tiny_checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def disc() -> Image.Image:
    picture = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(picture).ellipse((20, 20, 180, 180), fill=(200, 30, 40))
    return picture


def test_a_network_says_the_codes_of_a_labelled_picture_that_it_is_shown_again(
    folder: Path,
) -> None:
    before = Encoder.load(folder, device="cpu", runtime="torch")
    old = before.encode([disc()])
    labels = len(before.labels)
    others = np.random.default_rng(7).normal(size=(300, before.dimension))
    seen = np.concatenate([old.wholes, others]).astype(np.float32)
    targets = np.zeros((301, labels), np.float32)
    column = [code.level for code in before.labels].index("category")
    targets[0, column] = 1
    opened = add_neighbours(folder, Neighbours.fit(seen, targets))
    assert opened.fingerprint == before.fingerprint  # no embedding depends on it yet

    new = Encoder.load(folder, device="cpu", runtime="torch").encode([disc()])
    assert new.probabilities[0, column] > old.probabilities[0, column] + 0.1
    assert (new.wholes == old.wholes).all()
    block = CodeBlock.fit(np.eye(labels, dtype=np.float32), np.ones(labels))
    with_codes = add_code_block(folder, block).fingerprint
    targets[1] = 1
    assert add_neighbours(folder, Neighbours.fit(seen, targets)).fingerprint != with_codes


def test_labelled_pictures_that_are_missing_or_damaged_are_refused(folder: Path) -> None:
    labels = len(Checkpoint.open(folder).labels)
    seen = np.random.default_rng(8).normal(size=(9, 6)).astype(np.float32)
    add_neighbours(folder, Neighbours.fit(seen, np.zeros((9, labels), np.float32)))
    path = folder / "neighbours.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BadCheckpoint, match=r"neighbours\.safetensors: missing or damaged"):
        Encoder.load(folder)
    path.unlink()
    with pytest.raises(BadCheckpoint, match=r"neighbours\.safetensors: missing or damaged"):
        Encoder.load(folder)
