"""The report of a training run: curves, test metrics, and every label's scores."""

import csv
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.classification_metrics import (
    LabelScore,
    constant_prior,
    label_scores,
    reliability,
)
from models.evaluation.evaluation_report import label_section
from models.evaluation.html_report import (
    Section,
    curves_png,
    html_report,
    reliability_png,
)
from models.vienna import ViennaCode, ViennaTree

_EXPLAINED = (
    "The constant prior is a model that has learnt nothing: it says each label's frequency in the "
    "training pictures, for every picture. What is not clearly better than it has not learnt "
    "anything either.",
    "keras_accuracy is what metrics=['accuracy'] shows in Keras for such labels: how often the "
    "highest score stands in the first true column. binary_accuracy is high for any model, since "
    "most labels are absent from most pictures. mAP, LRAP and micro_F1 tell models apart.",
)


def write_report(out: Path) -> Path:
    """Write ``report.html``, ``labels.csv`` and PNGs from what a finished run left behind."""
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    said = np.load(out / "test_predictions.npz")
    scores = label_scores(said["targets"], said["probabilities"], said["thresholds"])
    _write_labels(out / "labels.csv", said["codes"].tolist(), scores)
    sure = reliability(said["targets"], said["probabilities"])
    trust = reliability_png(out / "reliability.png", "Do probabilities mean what they say?", *sure)
    sections = [
        Section("Test pictures", (_counted(out, metrics), *_EXPLAINED), (), _HEADS, _rows(metrics)),
        _training(out, metrics["epochs"]),
        Section("Calibration", pictures=[(trust, "share true by probability said")]),
        _labels(out, said, scores),
    ]
    return html_report(out / "report.html", f"Training run {out.name}", sections)


def _counted(out: Path, metrics: dict[str, Any]) -> str:
    """How many pictures, and how many not."""
    counts = ", ".join(f"{number} for {side}" for side, number in metrics["pictures"].items())
    left_out = len((out / "left_out.txt").read_text("utf-8").splitlines())
    return f"Pictures: {counts}; {left_out} left out (left_out.txt says which, and why)."


def _training(out: Path, epochs: list[dict[str, Any]]) -> Section:
    losses = {
        "training": [epoch["loss"] for epoch in epochs],
        "validation (log_loss)": [epoch["validation"]["log_loss"] for epoch in epochs],
        "constant prior (log_loss)": [epoch["prior"]["log_loss"] for epoch in epochs],
    }
    loss = curves_png(out / "loss.png", "Loss", losses, "epoch", "mean over labels")
    curves = {
        name: [epoch["validation"][name] for epoch in epochs]
        for name in ("mAP", "LRAP", "micro_F1")
    }
    curves["mAP of the constant prior"] = [epoch["prior"]["mAP"] for epoch in epochs]
    path = out / "validation.png"
    validation = curves_png(path, "Validation pictures", curves, "epoch", "")
    pictures = [
        (loss, "loss by epoch"),
        (validation, "validation metrics by epoch"),
    ]
    best = next(epoch["epoch"] for epoch in reversed(epochs) if epoch["best"])
    return Section("Training", (f"The network is that of epoch {best}.",), pictures)


def _labels(out: Path, said: Mapping[str, Any], scores: list[LabelScore]) -> Section:
    prior = constant_prior(said["targets"], said["prior"])
    nothing = label_scores(said["targets"], prior, said["thresholds"])
    codes = said["codes"].tolist()
    known = {c: one.AP for c, one in zip(codes, nothing, strict=True) if one.AP is not None}
    title = "Average precision of each label, test pictures"
    scored = dict(zip(codes, scores, strict=True))
    return label_section(out / "labels.png", title, scored, known)


def _write_labels(path: Path, codes: list[str], scores: list[LabelScore]) -> None:
    tree = ViennaTree.load()
    names = [field.name for field in fields(LabelScore)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "title", *names])
        for code, score in zip(codes, scores, strict=True):
            title = tree.title(ViennaCode.parse(code))
            writer.writerow([code, title, *(getattr(score, name) for name in names)])


_HEADS = ("metric", "network", "constant prior")


def _rows(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (name, f"{value:.4f}", f"{metrics['constant prior'][name]:.4f}")
        for name, value in metrics["test"].items()
    ]
