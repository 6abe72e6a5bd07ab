"""Metrics against scikit-learn, retrieval against plain loops, intervals against SciPy."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models.encoder import Encoder
from models.errors import BadLabels
from models.evaluation.changes import TRANSFORMATIONS
from models.evaluation.classification_metrics import (
    classify_metrics,
    constant_prior,
    label_scores,
    micro_f1,
    prior_thresholds,
)
from models.evaluation.classification_protocol import measure_classification
from models.evaluation.evaluation_report import report_classification, report_retrieval
from models.evaluation.groups import Groups, read_groups, read_metu, read_mpeg7
from models.evaluation.labels_csv import read_labels
from models.evaluation.retrieval_metrics import changed_ranks, relevant_ranks, retrieval_metrics
from models.evaluation.retrieval_protocol import RetrievalProtocol, measure_retrieval


def drawn(seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    targets = (rng.random((60, 7)) < 0.3).astype(np.float32)
    targets[:, 0] = 0
    targets[0, 0] = 1
    said = (0.6 * rng.random((60, 7)) + 0.4 * targets * rng.random((60, 7))).astype(np.float32)
    return targets, said, np.full(7, 0.5, np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_is_scikit_learns(seed: int) -> None:
    targets, said, thresholds = drawn(seed)
    said = said.round(1) if seed % 2 else said  # half of them with many ties
    found = asdict(classify_metrics(targets, said, thresholds))
    predicted = said >= 0.5
    rows = targets.any(axis=1)
    expected = {
        "mAP": sk.average_precision_score(targets, said, average="macro"),
        "mAP_micro": sk.average_precision_score(targets, said, average="micro"),
        "LRAP": sk.label_ranking_average_precision_score(targets[rows], said[rows]),
        "coverage_error": sk.coverage_error(targets[rows], said[rows]),
        "micro_F1": sk.f1_score(targets, predicted, average="micro"),
        "micro_precision": sk.precision_score(targets, predicted, average="micro"),
        "micro_recall": sk.recall_score(targets, predicted, average="micro"),
        "macro_F1": sk.f1_score(targets, predicted, average="macro", zero_division=0),
        "hamming_loss": sk.hamming_loss(targets, predicted),
        "subset_accuracy": sk.accuracy_score(targets, predicted),
        "log_loss": np.mean([sk.log_loss(targets[:, j], said[:, j]) for j in range(7)]),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-5), name
    assert found["binary_accuracy"] == pytest.approx(1 - expected["hamming_loss"])


@pytest.mark.parametrize("seed", range(4))
def test_what_is_unknown_counts_for_nothing(seed: int) -> None:
    targets, said, thresholds = drawn(seed)
    said = said.round(1) if seed % 2 else said
    known = np.random.default_rng(seed + 10).random(targets.shape) < 0.8
    known[:2] = True  # each label occurs
    targets[:2] = [[1] * 7, [0] * 7]
    found = asdict(classify_metrics(np.where(known, targets, -1.0), said, thresholds))
    rows = (targets * known).any(axis=1)
    ranked = np.where(known, said, -1.0)[rows]  # what is unknown comes last
    pairs, yes = targets[known], said[known] >= 0.5
    columns = list(zip(targets.T, said.T, known.T, strict=True))
    expected = {
        "mAP": np.mean([sk.average_precision_score(t[k], s[k]) for t, s, k in columns]),
        "mAP_micro": sk.average_precision_score(pairs, said[known]),
        "LRAP": sk.label_ranking_average_precision_score((targets * known)[rows], ranked),
        "coverage_error": sk.coverage_error((targets * known)[rows], ranked),
        "micro_F1": sk.f1_score(pairs, yes),
        "micro_precision": sk.precision_score(pairs, yes),
        "micro_recall": sk.recall_score(pairs, yes),
        "macro_F1": np.mean([sk.f1_score(t[k], s[k] >= 0.5) for t, s, k in columns]),
        "binary_accuracy": sk.accuracy_score(pairs, yes),
        "log_loss": sk.log_loss(pairs, said[known].astype(float).clip(1e-7, 1 - 1e-7)),  # Keras'
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-5), name


def test_a_single_label_is_measured_as_one_of_many_is() -> None:
    targets, said, thresholds = drawn(0)
    one = classify_metrics(targets[:, :1], said[:, :1], thresholds[:1])
    assert one.mAP == pytest.approx(sk.average_precision_score(targets[:, 0], said[:, 0]))
    assert one.micro_F1 == pytest.approx(sk.f1_score(targets[:, 0], said[:, 0] >= 0.5))
    assert (one.LRAP, one.coverage_error) == (1.0, 1.0)


def test_a_constant_prior_scores_what_the_question_saw() -> None:
    """Its "accuracy" is a share of first labels, its loss the entropy: it has learnt nothing."""
    rng = np.random.default_rng(0)
    frequencies = np.array([0.1, 0.05, 0.4, 0.2], np.float32)
    targets = (rng.random((4000, 4)) < frequencies).astype(np.float32)
    nothing = constant_prior(targets, frequencies)
    found = classify_metrics(targets, nothing, np.full(4, 0.5, np.float32))
    entropy = -(frequencies * np.log(frequencies) + (1 - frequencies) * np.log(1 - frequencies))
    assert found.log_loss == pytest.approx(entropy.mean(), abs=0.02)
    assert found.binary_accuracy > 0.8  # and yet:
    assert found.micro_F1 == 0
    assert found.mAP == pytest.approx(targets.mean(axis=0).mean(), abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_the_prior_is_decided_as_well_as_one_threshold_can(seed: int) -> None:
    targets, _, _ = drawn(seed)
    targets[:, 3] = targets[::-1, 2]  # equally frequent
    targets[:20, 4] = -1
    frequencies = np.random.default_rng(seed).random(7).astype(np.float32)
    frequencies[3] = frequencies[2]
    nothing = constant_prior(targets, frequencies)
    (chosen,) = set(prior_thresholds(targets, frequencies).tolist())
    best = max(micro_f1(targets, nothing >= least) for least in frequencies)
    assert micro_f1(targets, nothing >= np.float32(chosen)) == pytest.approx(best)


def test_a_label_that_nobody_bears_has_no_average_precision() -> None:
    targets = np.array([[1, 0], [0, 0]], np.float32)
    first, second = label_scores(targets, targets * 0.9, np.full(2, 0.5, np.float32))
    assert (first.support, first.AP, first.F1) == (1, 1.0, 1.0)
    assert (second.support, second.AP, second.F1) == (0, None, 0.0)


def plain_ranks(
    rows: NDArray[np.float32], groups: list[list[int]], gallery: list[int], counted: bool
) -> list[list[int]]:
    found = []
    for group in groups:
        for query in group:
            scored = []
            for row in gallery:
                if row == query and not counted:
                    continue
                relevant = row in group
                # Ties the worst way: what is irrelevant comes first.
                scored.append((-round(float(rows[row] @ rows[query]), 5), relevant))
            scored.sort()
            found.append([at + 1 for at, (_, relevant) in enumerate(scored) if relevant])
    return found


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_ranks_are_those_of_a_plain_sort_ties_and_all(seed: int, counted: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, (20, 4)).astype(np.float32)  # many ties
    groups = [[0, 1, 2], [3, 4], [7, 9, 11, 12]]
    gallery = list(rng.permutation(20))
    found = relevant_ranks(rows, groups, gallery, count_query=counted)
    assert [ranks.tolist() for ranks in found] == plain_ranks(rows, groups, gallery, counted)


def test_counting_the_query_flatters() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(40, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    groups = [[0, 1], [2, 3]]
    left_out = retrieval_metrics(rows, groups, range(40))
    counted = retrieval_metrics(rows, groups, range(40), count_query=True)
    assert counted.recall_at_1 == 1.0
    assert counted.mAP > left_out.mAP
    assert left_out.mAP_100 == left_out.mAP  # fewer than a hundred pictures


@pytest.fixture
def pictures(tmp_path: Path, draw_mark: "object") -> Path:
    folder = tmp_path / "pictures"
    for seed in range(6):
        path = folder / f"g{seed // 2}" / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_mark(seed // 2, 96 + 8 * (seed % 2)).save(path)  # type: ignore[operator]
    (folder / "g0" / "broken.png").write_bytes(b"no picture")
    return folder


def told(done: int, wanted: int) -> None:
    assert 0 < done <= wanted


def test_metus_folders_are_groups_and_broken_pictures_are_named(
    encoder: Encoder, pictures: Path, tmp_path: Path
) -> None:
    groups = read_metu(pictures)
    assert sorted(groups.members) == ["g0", "g1", "g2"]
    found = measure_retrieval(encoder, RetrievalProtocol(groups, transformations=True), told)
    assert (found.queries, found.gallery) == (6, 6)
    assert [line.split(":")[0] for line in found.left_out] == ["g0/broken.png"]
    assert found.metrics["mAP"].value == 1.0  # the same sign in two sizes
    assert found.counted["recall_at_1"].value == 1.0
    assert set(found.transformations) == {*TRANSFORMATIONS, "remove_word"}
    page = report_retrieval(tmp_path, found).read_text()
    assert "remove_word" in page
    assert "g0/broken.png" not in page  # a report of figures; --json names it


def test_exact_duplicates_are_told_apart_from_failures(
    encoder: Encoder, tmp_path: Path, draw_mark: "object"
) -> None:
    drawn = {name: draw_mark(seed) for name, seed in (("a", 1), ("b", 2), ("c", 3), ("d", 1))}  # type: ignore[operator]
    for name, image in drawn.items():
        image.save(tmp_path / f"{name}.png")
    # Ink that moves within the padding: other bytes, but the network is shown the same.
    wide = Image.new("RGB", (120, 120), "white")
    wide.paste(drawn["b"], (12, 12))
    wide.save(tmp_path / "e.png")
    groups = Groups([(n, tmp_path / f"{n}.png") for n in "abcde"], {"x": ["a", "c"]})
    itself = measure_retrieval(encoder, RetrievalProtocol(groups), told).itself
    assert itself.asked == 5
    assert set(itself.duplicates) == {("a", "d"), ("d", "a"), ("b", "e"), ("e", "b")}
    assert not itself.failures


def test_a_changed_picture_is_ranked_as_a_plain_sort_ranks_it() -> None:
    rng = np.random.default_rng(4)
    stored = rng.normal(size=(30, 6)).astype(np.float32)
    rows = np.arange(0, 30, 3)
    changed = (stored[rows] + rng.normal(size=(10, 6))).astype(np.float32)
    for other_way in (False, True):
        ranks = changed_ranks(stored, rows, changed, stored_changed=other_way)
        for rank, row, new in zip(ranks, rows, changed, strict=True):
            gallery = stored.copy()
            query = new
            if other_way:
                gallery[row], query = new, stored[row]
            order = np.argsort(-(gallery @ query), kind="stable").tolist()
            assert rank.tolist() == [order.index(row) + 1]


def test_metus_names_are_groups_too(tmp_path: Path) -> None:
    for name in ("12-1.png", "12-2.png", "7_1.png", "7_2.png"):
        Image.new("RGB", (20, 20), "white").save(tmp_path / name)
    assert {key: len(rows) for key, rows in read_metu(tmp_path).members.items()} == {
        "12": 2,
        "7": 2,
    }


def test_mpeg7s_classes_and_its_bulls_eye(
    encoder: Encoder, tmp_path: Path, draw_mark: "object"
) -> None:
    for at, name in enumerate(("sea_snake", "sea_horse", "device0")):
        for number in range(1, 4):  # white on black, as the set has them
            shape = draw_mark(at, 80 + 8 * number).convert("L")  # type: ignore[operator]
            shape.point(lambda grey: 255 * (grey < 250)).save(tmp_path / f"{name}-{number}.gif")
    groups = read_mpeg7(tmp_path)
    assert {key: len(rows) for key, rows in groups.members.items()} == {
        "sea_snake": 3,
        "sea_horse": 3,
        "device0": 3,
    }
    found = measure_retrieval(encoder, RetrievalProtocol(groups, whole=True), told)
    assert found.queries == 9
    assert found.counted["bulls_eye"].value == 1.0  # one shape in three sizes
    assert found.whole["mAP"].value == found.metrics["mAP"].value  # nothing else was compared
    for path in tmp_path.glob("*-[23].gif"):
        path.unlink()
    with pytest.raises(BadLabels, match=r"apple-1\.gif"):
        read_mpeg7(tmp_path)


def test_the_bulls_eye_counts_the_first_two_class_sizes_with_the_query_among_them() -> None:
    angles = np.deg2rad([0, 1, 40, 10, 20, 41, 42])  # of one class the first three
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = retrieval_metrics(rows, [[0, 1, 2]], range(7), count_query=True)
    # From 0 and 1 all three are among six; from 40, 0 is the seventh.
    assert found.bulls_eye == pytest.approx((3 + 3 + 2) / 9)


def test_groups_from_a_table_and_its_faults(tmp_path: Path) -> None:
    for name in ("a.png", "B.PNG"):
        Image.new("RGB", (20, 20), "white").save(tmp_path / name)
    table = tmp_path / "groups.csv"
    table.write_text("\ufefffile;group\na.png;x\nb;x\nc.png;y\n", "utf-8")
    groups = read_groups(table, tmp_path)
    assert groups.members == {"x": ["a.png", "b"], "y": ["c.png"]}
    assert groups.pictures == [("a.png", tmp_path / "a.png"), ("b", tmp_path / "B.PNG")]
    assert groups.left_out == ["c.png: no such picture"]
    for text, words in (
        ("file,group\na.png,x\nb.png,y\n", "no group has two members"),
        ("file,group\na.png,x\na.png,y\n", "row 3: 'a.png' stands there twice"),
        ("file,group\na.png,x\na,y\nb,x\n", "'a.png' and 'a' both mean"),
        ("file,group\na.png,x\nb.png\n", "row 3: file and group are both needed"),
        ("name,group\na.png,x\n", "columns file and group"),
        (f"file,group\na.png,{'x' * 200_000}\n", "cannot be read"),
    ):
        table.write_text(text)
        with pytest.raises(BadLabels, match=words):
            read_groups(table, tmp_path)
    with pytest.raises(BadLabels, match="no group of two"):
        read_metu(tmp_path)


def test_classification_names_what_is_missing_and_what_nobody_predicts(
    encoder: Encoder, pictures: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "filename,01,03,05\ng0/0.png,1,0,1\ng1/2.PNG,0,1,0\n4,1,1,0\ngone.png,1,0,0\n"
    )
    found = measure_classification(encoder, read_labels(labels), pictures, told)
    assert found.pictures == 3
    (level,) = found.levels.values()
    assert list(level.labels) == ["01", "03"]
    assert [str(code) for code in found.unknown] == ["05"]  # the tiny network has none
    assert found.left_out == ("gone.png: no such picture",)
    assert 0 <= level.metrics["mAP"].low <= level.metrics["mAP"].value
    assert level.prior_labels == pytest.approx({"01": 2 / 3, "03": 2 / 3}, abs=0.2)
    labels.write_text("filename,05\ng0/0.png,1\n")
    with pytest.raises(BadLabels, match="predicts none of the labels"):
        measure_classification(encoder, read_labels(labels), pictures, told)


def test_lists_of_codes_are_measured_at_every_level(
    encoder: Encoder, pictures: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("filename,codes\n0,01.01.05;26.04\n2,03.01\n4,\n1,26\n")
    found = measure_classification(encoder, read_labels(labels), pictures, told)
    supports = {
        name: {code: one.support for code, one in level.labels.items()}
        for name, level in found.levels.items()
    }
    # What lies above a label holds too; the tiny network has no sections.
    assert supports == {
        "category": {"01": 1, "03": 1, "26": 2},
        "division": {"01.01": 1, "03.01": 1, "26.04": 1},
    }
    page = report_classification(tmp_path, found).read_text()
    assert "Level: division" in page
    assert (tmp_path / "category.png").exists()
