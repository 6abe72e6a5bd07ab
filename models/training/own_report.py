"""The report of a training run: curves, what the test says, every label."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.classification import constant_prior, label_scores, reliability
from models.evaluation.report import (
    Section,
    bars_png,
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
    """Write ``report.html`` and its PNGs from what a finished run left in its folder."""
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    said = np.load(out / "test_predictions.npz")
    names = [_named(code) for code in said["codes"].tolist()]
    epochs = metrics["epochs"]
    loss = curves_png(
        out / "loss.png", "Training loss", {"loss": [e["loss"] for e in epochs]}, "epoch", "loss"
    )
    validation = curves_png(
        out / "validation.png",
        "Validation pictures",
        {
            name: [epoch["validation"][name] for epoch in epochs]
            for name in ("mAP", "LRAP", "micro_F1")
        }
        | {"mAP of the constant prior": [epoch["prior"]["mAP"] for epoch in epochs]},
        "epoch",
        "",
    )
    scores = label_scores(said["targets"], said["probabilities"], said["thresholds"])
    nothing = label_scores(
        said["targets"], constant_prior(said["targets"], said["prior"]), said["thresholds"]
    )
    per_label = bars_png(
        out / "labels.png",
        "Average precision of each label, test pictures",
        {n: s.AP for n, s in zip(names, scores, strict=True) if s.AP is not None},
        {n: s.AP for n, s in zip(names, nothing, strict=True) if s.AP is not None},
        "average precision",
    )
    sure = reliability(said["targets"], said["probabilities"])
    trust = reliability_png(out / "reliability.png", "Do probabilities mean what they say?", *sure)
    sections = [
        Section("Test pictures", _EXPLAINED, columns=_HEADS, rows=_rows(metrics)),
        Section(
            "Training",
            pictures=[
                (loss, "training loss by epoch"),
                (validation, "validation metrics by epoch"),
            ],
        ),
        Section("Calibration", pictures=[(trust, "share true by probability said")]),
        Section(
            "Labels",
            pictures=[(per_label, "average precision of each label")],
            columns=("label", "support", "AP", "precision", "recall", "F1", "threshold"),
            rows=_label_rows(names, scores),
        ),
    ]
    return html_report(out / "report.html", f"Training run {out.name}", sections)


_HEADS = ("metric", "network", "constant prior")


def _rows(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (name, f"{value:.4f}", f"{metrics['constant prior'][name]:.4f}")
        for name, value in metrics["test"].items()
    ]


def _label_rows(names: list[str], scores: list[Any]) -> list[tuple[str, ...]]:
    return [
        (
            name,
            str(one.support),
            "" if one.AP is None else f"{one.AP:.3f}",
            *(f"{value:.3f}" for value in (one.precision, one.recall, one.F1, one.threshold)),
        )
        for name, one in zip(names, scores, strict=True)
    ]


def _named(code: str) -> str:
    title = ViennaTree.load().title(ViennaCode.parse(code))
    return f"{code} {title[:40]}".strip()
