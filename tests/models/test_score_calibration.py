"""Scores become probabilities that mean what they say, at any size of the register."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.score_fitting import ScoredPairs, fit_scores, reliability
from models.network.checkpoint import (
    CONFIG,
    OPENVINO,
    Checkpoint,
    add_code_block,
    record_openvino,
    record_scores,
)
from models.network.code_block import CodeBlock
from models.network.score_calibration import ScoreCalibration, band_of


def drawn(same: int, other: int, seed: int) -> ScoredPairs:
    """Variants score about 0.7, other marks about 0.3."""
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.beta(7, 3, same), rng.beta(3, 7, other)])
    return ScoredPairs(scores, np.arange(same + other) < same)


@pytest.mark.parametrize("marks", [50, 1000])
def test_probabilities_are_the_share_of_variants_whatever_the_size_of_the_register(
    marks: int,
) -> None:
    fitted = fit_scores(drawn(400, 100_000, 0))
    queries = 300_000 // marks
    rows = reliability(fitted, drawn(queries, queries * (marks - 1), 1))
    assert sum(row.pairs for row in rows) == queries * marks
    for row in rows:
        deviation = (row.said * (1 - row.said) / row.pairs) ** 0.5
        assert abs(row.said - row.true) < max(0.1 * row.said, 4 * deviation), row


def test_a_higher_score_is_more_probable_and_a_larger_register_makes_it_less() -> None:
    fitted = fit_scores(drawn(300, 30_000, 2))
    said = [fitted.probability(score, 1000) for score in np.linspace(-1, 1, 101).tolist()]
    assert said == sorted(said)
    assert all(0 <= one <= 1 for one in said)
    for score in (0.4, 0.8):
        odds = [p / (1 - p) for p in (fitted.probability(score, n) for n in (1001, 10_001))]
        assert odds[0] == pytest.approx(10 * odds[1])
    assert fitted.probability(0.5, 1) == fitted.probability(0.5, 2)  # one mark has no rivals


def test_scores_that_part_all_pairs_have_a_finite_meaning() -> None:
    scores: NDArray[np.float64] = np.concatenate([np.full(20, 0.9), np.full(2000, 0.1)])
    fitted = fit_scores(ScoredPairs(scores, scores > 0.5))
    assert np.isfinite([fitted.offset, fitted.slope, fitted.curve]).all()
    assert fitted.probability(0.9, 100) > 0.9 > 0.1 > fitted.probability(0.1, 100)


def test_bands_are_words_for_probabilities() -> None:
    found = [band_of(value) for value in (1.0, 0.9, 0.89, 0.5, 0.49, 0.1, 0.09, 0.0)]
    assert found == [*2 * ["near-identical"], *2 * ["strong"], *2 * ["some"], *2 * ["weak"]]


def test_a_checkpoint_keeps_what_its_scores_mean_and_forgets_it_with_other_embeddings(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "network"
    shutil.copytree(tiny_checkpoint, folder)
    before = Checkpoint.open(folder)
    assert before.score_calibration is None
    meaning = ScoreCalibration(offset=-3.0, slope=9.0, curve=1.5)
    after = record_scores(folder, meaning, {"test side": {"marks": 7}})
    assert after.score_calibration == Checkpoint.open(folder).score_calibration == meaning
    assert after.fingerprint == before.fingerprint  # registers stay as they are
    assert json.loads((folder / CONFIG).read_text())["scores"]["test side"] == {"marks": 7}
    rng = np.random.default_rng(0)
    labels = len(before.labels)
    block = CodeBlock.fit(rng.random((30, labels)).astype(np.float32), np.full(labels, 0.1), 4)
    assert add_code_block(folder, block).score_calibration is None


def test_what_scores_mean_is_forgotten_where_pictures_are_embedded_otherwise(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "network"
    shutil.copytree(tiny_checkpoint, folder)
    record_scores(folder, ScoreCalibration(-3.0, 8.0, 0.5), {})
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    config["embedding"] -= 1  # saved by a MarkLens of before
    (folder / CONFIG).write_text(json.dumps(config), "utf-8")
    assert Checkpoint.open(folder).score_calibration is None


def test_writing_what_scores_mean_brings_no_openvino_model_of_before_back(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """Of embedding 3 it mixed up the codes of pictures of one batch."""
    folder = tmp_path / "network"
    shutil.copytree(tiny_checkpoint, folder)
    for suffix in (".xml", ".bin"):
        (folder / OPENVINO).with_suffix(suffix).write_bytes(b"a model")
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    old = config | {"embedding": config["embedding"] - 1, "openvino_sha256": "0" * 64}
    (folder / CONFIG).write_text(json.dumps(old), "utf-8")
    assert record_scores(folder, ScoreCalibration(-3.0, 8.0, 0.5), {}).openvino_sha256 is None
    (folder / CONFIG).write_text(json.dumps(old), "utf-8")
    record_openvino(folder)  # one that is exported now is used
    assert Checkpoint.open(folder).openvino_model() == folder / OPENVINO


def test_the_shipped_networks_scores_have_a_meaning() -> None:
    """With other weights, or another way to embed, `scripts/fit_outputs.py` is to be run."""
    meaning = Checkpoint.open().score_calibration
    assert meaning is not None
    assert band_of(meaning.probability(1.0, 1_000_000)) == "near-identical"
    assert band_of(meaning.probability(0.5, 1_000)) == "weak"
