"""The experiments behind docs/accuracy-0.19.md: run small, resumed, and read against plain sums."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import question
from benchmarks.question import Classifier, logits_of
from benchmarks.question_marks import Marks, prepared
from models.network.label_set import CATEGORIES
from models.training.losses import binary_cross_entropy


def test_the_constant_prediction_scores_what_plain_sums_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [["270501", "290104"], ["270501"], ["030108", "270501"], ["260118"]]
    records = tmp_path / "records.json"
    records.write_text(json.dumps({str(n): {"Codes": one} for n, one in enumerate(codes)}))
    question.main(["register", "--out", str(tmp_path / "run"), "--records", str(records)])
    sides = [{code[:2] for code in one} for one in codes]
    frequency = {c: np.mean([c in side for side in sides]) for c in ("03", "26", "27", "29")}
    loss = -sum(
        np.log(frequency[c] if c in side else 1 - frequency[c]) for side in sides for c in frequency
    ) / (4 * len(CATEGORIES))
    row = next(
        line for line in capsys.readouterr().out.splitlines() if line.startswith("| constant")
    )
    figures = [float(number) for number in re.findall(r"\d+\.\d+", row)]
    assert figures[0] == pytest.approx(loss, abs=6e-4)
    assert figures[1] == 0.5  # 27 is always highest; it stands first on two marks of four


def test_the_questions_pixels_leave_all_pictures_alike() -> None:
    planes = torch.randint(0, 256, (8, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    spread = {
        way: float(prepared(planes.float(), way).std() / prepared(planes.float(), way).abs().mean())
        for way in ("own", "scaled")
    }
    assert spread["scaled"] < spread["own"] / 5


@pytest.fixture
def marks() -> Marks:
    """Sixty marks; the first two categories can be read off their features."""
    rng = np.random.default_rng(0)
    targets = np.zeros((60, len(CATEGORIES)), np.float32)
    targets[:, :2] = rng.random((60, 2)) < 0.5
    sides = np.array(["train"] * 40 + ["validation"] * 10 + ["test"] * 10)
    return Marks(targets, sides, 32)


def test_a_dense_layer_learns_what_its_features_hold(marks: Marks, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    seen = noise / 4 + 4 * marks.targets[:, :4]
    torch.manual_seed(0)
    said = logits_of(tmp_path / "a.pt", Classifier(4), seen, marks, binary_cross_entropy, 300)
    test = marks.rows("test")
    wanted = marks.targets[test, 0] == 1
    assert said[test, 0][wanted].min() > said[test, 0][~wanted].max()


def test_an_experiment_that_is_stopped_ends_the_same(marks: Marks, tmp_path: Path) -> None:
    maps = np.random.default_rng(1).normal(size=(60, 4, 2, 2)).astype(np.float32)

    def run(name: str, epochs: int) -> torch.Tensor:
        torch.manual_seed(0)
        network = Classifier(4, torch.nn.Conv2d(4, 4, 1))
        logits_of(tmp_path / name, network, maps, marks, binary_cross_entropy, epochs)
        return network.dense.weight.detach()

    whole = run("whole.pt", 5)
    assert not torch.allclose(run("broken.pt", 2), whole)
    assert torch.allclose(run("broken.pt", 5), whole)


def test_an_unknown_claim_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        question.main(["colour", "--out", str(tmp_path)])
    assert "no such claim: colour" in capsys.readouterr().err
