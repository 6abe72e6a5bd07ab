"""Losses and metrics against slow twins: plain loops over the papers' equations."""

import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from models.evaluation.classification_metrics import (
    average_precision,
    expected_calibration_error,
    label_ranking_average_precision,
    micro_f1,
)
from models.evaluation.retrieval_metrics import retrieval_metrics
from models.network.parts import best_seen
from models.training.calibrate import calibrate
from models.training.losses import (
    Memory,
    asymmetric_loss,
    max_over_parts,
    proxy_loss,
    supervised_contrast,
)
from models.vienna import ViennaCode


def test_asymmetric_loss_is_the_papers_sum() -> None:
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 5)), (rng.random((4, 5)) < 0.4).astype(float)
    targets[0, 0] = -1  # unknown
    total = 0.0
    for i in range(4):
        for j in range(5):
            p = 1 / (1 + math.exp(-logits[i, j]))
            if targets[i, j] == 1:
                total -= math.log(p)
            elif targets[i, j] == 0:
                shifted = max(p - 0.05, 0)
                total -= shifted**2 * math.log(1 - shifted)
    found = asymmetric_loss(torch.tensor(logits), torch.tensor(targets), focus=2.0)
    assert found.item() == pytest.approx(total / 4, rel=1e-5)


def test_proxy_loss_is_the_papers_sum() -> None:
    rng = np.random.default_rng(2)
    rows, proxies = rng.normal(size=(5, 4)), rng.normal(size=(3, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups, total = [0, 2, 1, 1, 0], 0.0
    for row, group in zip(rows, groups, strict=True):
        shares = [math.exp(row @ p / np.linalg.norm(p) / 0.07) for p in proxies]
        total -= math.log(shares[group] / sum(shares))
    found = proxy_loss(torch.tensor(rows), torch.tensor(groups), torch.tensor(proxies))
    assert found.item() == pytest.approx(total / 5, rel=1e-5)


def test_supervised_contrast_is_the_papers_sum() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(6, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups = [0, 0, 1, 1, 1, 2]
    losses = []
    for i in range(6):
        partners = [j for j in range(6) if j != i and groups[j] == groups[i]]
        if partners:
            bottom = sum(math.exp(rows[i] @ rows[a] / 0.2) for a in range(6) if a != i)
            losses.append(
                -sum(math.log(math.exp(rows[i] @ rows[p] / 0.2) / bottom) for p in partners)
                / len(partners)
            )
    found = supervised_contrast(torch.tensor(rows), torch.tensor(groups), 0.2)
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_memory_adds_rows_to_compare_with_and_none_to_average_over() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(9, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups = [0, 0, 1, 1, 0, 2, 2, 1, 3]  # the last five are remembered
    related = rng.random((4, 9)) < 0.3
    losses = []
    for i in range(4):
        partners = [j for j in range(9) if j != i and groups[j] == groups[i]]
        compared = [j for j in range(9) if j != i and (j in partners or not related[i, j])]
        bottom = sum(math.exp(rows[i] @ rows[a] / 0.2) for a in compared)
        losses.append(
            -sum(math.log(math.exp(rows[i] @ rows[p] / 0.2) / bottom) for p in partners)
            / len(partners)
        )
    numbers = torch.tensor(groups)
    memory = Memory(torch.tensor(rows[4:]), numbers[4:], torch.zeros(5, 1))
    found = supervised_contrast(
        torch.tensor(rows[:4]), numbers[:4], 0.2, torch.tensor(related), memory
    )
    assert found.item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_average_precision_gives_ties_the_precision_at_their_end() -> None:
    assert average_precision(np.array([1, 0, 0], np.float32), np.zeros(3, np.float32)) == (
        pytest.approx(1 / 3)
    )
    score = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    assert average_precision(np.array([1, 0, 1, 0], np.float32), score) == pytest.approx(5 / 6)


def test_lrap_is_scikit_learns_example() -> None:
    # The example of scikit-learn's user guide for label_ranking_average_precision_score.
    targets = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    scores = np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]], np.float32)
    assert label_ranking_average_precision(targets, scores) == pytest.approx(0.41666, abs=1e-4)


def test_micro_f1_counts_pairs() -> None:
    targets = np.array([[1, 0, 1], [0, 1, 0]], np.float32)
    predicted = np.array([[True, True, False], [False, True, False]])
    assert micro_f1(targets, predicted) == pytest.approx(2 * 2 / (3 + 3))


def test_retrieval_metrics_are_those_of_a_plain_ranking() -> None:
    rows = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.95, 0.0]], np.float32)
    found = retrieval_metrics(rows, [[0, 1]], [0, 1, 2, 3])
    # From 0: 3 (0.95) before 1 (0.9), rank 2. From 1: 0 (0.9) first, rank 1.
    assert found.mAP == pytest.approx((0.5 + 1.0) / 2)
    assert found.recall_at_1 == 0.5
    assert pytest.approx((1 / 3 + 0) / 2) == found.NAR


def test_calibration_makes_probabilities_of_overconfident_logits() -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(4000, 3)) - 1.0
    targets = (rng.random((4000, 3)) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    logits = (3.0 * truth + 1.0).astype(np.float32)
    fitted = calibrate(logits[:2000], targets[:2000], [ViennaCode(n) for n in (1, 3, 27)])
    before = 1 / (1 + np.exp(-logits[2000:]))
    after = 1 / (1 + np.exp(-(fitted.slope * logits[2000:] + fitted.offset)))
    worse = expected_calibration_error(targets[2000:], before)
    assert expected_calibration_error(targets[2000:], after) < 0.03 < worse


def test_calibration_of_few_pictures_that_logits_separate_stays_finite() -> None:
    targets = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [0, 1]], np.float32)
    logits = np.where(targets > 0, 40.0, -40.0).astype(np.float32)
    fitted = calibrate(logits, targets, (ViennaCode(1), ViennaCode(2)))
    assert np.isfinite([fitted.slope, fitted.offset, fitted.threshold]).all()
    assert ((fitted.slope * logits + fitted.offset > 0) == (targets > 0)).all()


def test_three_of_five_shown_codes_are_right_and_half_are_found_with_those_that_may_be() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(4000, 6)) - 2.5
    targets = (rng.random(truth.shape) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    logits = (truth + rng.normal(scale=1.5, size=truth.shape)).astype(np.float32)
    codes = tuple(ViennaCode(number) for number in range(1, 7))
    fitted = calibrate(logits, targets, codes)
    said = fitted.probabilities(logits, codes)
    shown, offered = said >= fitted.threshold, said >= fitted.perhaps
    assert targets[shown].mean() >= 0.6
    assert targets[said >= fitted.threshold - 0.05].mean() < 0.6  # no more is kept back
    assert (offered & (targets > 0)).sum() >= 0.5 * targets.sum() > (shown & (targets > 0)).sum()
    assert (fitted.perhaps < fitted.threshold).all()
    easy = np.arange(len(logits)) < 2000
    told = np.where(easy[:, None], 6 * targets - 3, logits).astype(np.float32)
    for deciding, is_precise in ((None, False), (~easy, True)):
        fitted = calibrate(told, targets, codes, deciding)
        shown = fitted.probabilities(told, codes)[~easy] >= fitted.threshold
        assert (targets[~easy][shown].mean() >= 0.6) == is_precise


@pytest.mark.parametrize("seed", range(4))
def test_three_of_five_shown_categories_are_right_where_divisions_speak_for_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = tuple(map(ViennaCode.parse, ("03", "03.01", "03.02", "03.03", "05", "05.01")))
    targets = np.zeros((400, 6), np.float32)
    targets[:, 1:4] = rng.random((400, 3)) < 0.06
    targets[:, 0] = targets[:, 1:4].any(axis=1)
    targets[:, 4:] = rng.random((400, 1)) < 0.1
    logits = (2 * targets - 3 + rng.normal(scale=1.2, size=targets.shape)).astype(np.float32)
    fitted = calibrate(logits, targets, codes)
    shown = fitted.probabilities(logits, codes) >= fitted.threshold
    assert targets[:, [0, 4]][shown[:, [0, 4]]].mean() >= 0.6


def test_codes_without_examples_are_as_likely_as_they_are_usual() -> None:
    """Rare codes that no validation picture bears were said as often as common ones."""
    rng = np.random.default_rng(5)
    usual = np.geomspace(0.001, 0.2, 40).astype(np.float32)
    prior = np.log(usual / (1 - usual))
    truth = prior + rng.normal(size=(400, 40))
    targets = (rng.random(truth.shape) < 1 / (1 + np.exp(-truth))).astype(np.float32)
    logits = (truth - prior).astype(np.float32)  # how much likelier than usual
    codes = tuple(ViennaCode(1, 1, number + 1) for number in range(40))
    unseen = np.arange(400) < 40
    said = [
        calibrate(logits[unseen], targets[unseen], codes, None, known).probabilities(logits, codes)
        for known in (None, usual)
    ]
    before, after = (np.abs(p[~unseen].mean(axis=0)[:20] - usual[:20]).mean() for p in said)
    assert after < 0.6 * before


@pytest.mark.parametrize("seed", [4, 21, 28])
def test_calibration_tames_logits_in_thousands(seed: int) -> None:
    """A dense layer on unscaled features says such; the answer was one half for every code."""
    rng = np.random.default_rng(seed)
    scale = 10 ** rng.uniform(0, 3.5)
    shift = -rng.uniform(0, 4) * scale
    codes = tuple(ViennaCode(number) for number in range(1, 30))
    targets = (rng.random((77, 29)) < 0.06).astype(np.float32)
    noise = rng.standard_t(2, size=targets.shape) + 2.0 * (targets - 0.5)
    logits = (noise * scale + shift).astype(np.float32)
    said = calibrate(logits, targets, codes).probabilities(logits, codes)
    frequencies = np.broadcast_to(targets.mean(axis=0).clip(0.01, 0.99), targets.shape)

    def loss(probabilities: np.ndarray) -> float:
        likelihood = np.where(targets == 1, probabilities, 1 - probabilities)
        return float(-np.log(likelihood.clip(1e-7)).mean())

    assert loss(said) < loss(frequencies)


def test_on_a_gpu_parts_are_asked_for_codes_listed_on_the_cpu() -> None:
    with FakeTensorMode():  # devices and shapes without numbers, so that no GPU is needed
        wholes, parts = (torch.zeros(rows, 5, device="cuda") for rows in (4, 3))
        owner = torch.zeros(3, dtype=torch.long, device="cuda")
        best = max_over_parts(wholes, parts, owner, torch.ones(5, dtype=torch.bool))
        assert (best.device.type, best.shape) == ("cuda", (4, 5))


def test_the_best_of_parts_is_learnt_from_as_the_product_hears_it() -> None:
    rng = np.random.default_rng(3)
    codes = [ViennaCode.parse(text) for text in ("03", "03.01", "27")]
    wholes, parts = rng.normal(size=(3, 3)), rng.normal(size=(4, 3))
    owner = np.array([0, 2, 2, 0])
    told = [torch.from_numpy(part.astype(np.float32)) for part in (wholes, parts)]
    for logits in told:
        logits.requires_grad_()
    shown = torch.tensor([True, True, False])
    heard = max_over_parts(*told, torch.from_numpy(owner), shown)
    expected = best_seen(*(part.astype(np.float32) for part in (wholes, parts)), owner, codes)
    assert heard.detach().numpy() == pytest.approx(expected)
    heard.sum().backward()
    whole, part = (logits.grad for logits in told)
    assert (part[:, 2] == 0).all()  # writing is the whole picture's
    assert whole[1].tolist() == [1, 1, 1]
    assert float(whole.sum() + part.sum()) == pytest.approx(9)  # each code learnt in one place
    assert max_over_parts(told[0], told[1][:0], torch.zeros(0, dtype=torch.long), shown) is told[0]
