"""Write the figures of the shipped network's model card from its config.json.

``python scripts/write_model_card.py [--check]``; with ``--check`` only compares, exit 1 if stale.
"""

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "models" / "weights" / "marknet"
BEGIN, END = "<!-- figures: make docs -->", "<!-- end of figures -->"
LEVELS = ("category", "division")


def classification(metrics: dict[str, Any]) -> list[str]:
    """Rows of multi-label metrics, the constant prior below each."""
    rows = [
        "| held-out pictures | level | labels | mAP | LRAP | micro-F1 | binary accuracy | ECE |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for pictures, found in metrics["classification"].items():
        for level in LEVELS:
            row = found[level]
            rows.append(
                f"| {found['pictures']} {pictures} | {level} | {row['labels']}" + _cells(row)
            )
            rows.append("| … constant prior (learnt nothing) | |" + _cells(row["constant prior"]))
    return rows


def _cells(row: dict[str, float]) -> str:
    names = ("mAP", "LRAP", "micro_F1", "binary_accuracy", "ECE")
    return "".join(f" | {row[name]:.3f}" for name in names) + " |"


def sections(metrics: dict[str, Any]) -> list[str]:
    """Rows of sections, each measured where it is known whether a picture bears it."""
    rows = [
        "| held-out pictures | sections | mAP | micro-F1 | ECE |",
        "|---|---|---|---|---|",
    ]
    for pictures, found in metrics["classification"].items():
        if "section" in found:
            row = found["section"]
            for name, of in ((pictures, row), ("… constant prior", row["constant prior"])):
                values = " | ".join(f"{of[value]:.3f}" for value in ("mAP", "micro_F1", "ECE"))
                rows.append(f"| {name} | {row['labels']} | {values} |")
    return rows


def things(metrics: dict[str, Any]) -> list[str]:
    """Rows of categories and divisions of things shown on real logos, at their thresholds."""
    rows = [
        "| things shown | level | labels | mAP | LRAP | precision | recall | … with perhaps |",
        "|---|---|---|---|---|---|---|---|",
    ]
    names = ("mAP", "LRAP", "micro_precision", "micro_recall")
    for pictures, found in metrics["classification"].items():
        for level in ("things", "things by division"):
            row = found[level]
            for name, of in ((pictures, row), ("… constant prior", row["constant prior"])):
                values = " | ".join(f"{of[value]:.3f}" for value in names)
                both = of.get("precision, recall with perhaps", ())
                offered = ", ".join(f"{value:.3f}" for value in both)
                rows.append(f"| {name} | {level} | {row['labels']} | {values} | {offered} |")
    return rows


def parts(metrics: dict[str, Any]) -> list[str]:
    """What looking at parts changes."""
    rows = ["| category mAP | with parts | whole pictures only |", "|---|---|---|"]
    for pictures, whole in metrics["category mAP of whole pictures"].items():
        found = metrics["classification"][pictures]["category"]["mAP"]
        rows.append(f"| {pictures} | {found:.3f} | {whole:.3f} |")
    return rows


def retrieval(metrics: dict[str, Any]) -> list[str]:
    """Rows of retrieval metrics."""
    sizes = metrics["retrieval gallery"]
    rows = [
        "| embedding | held-out groups | gallery | queries | mAP | Recall@1 | Recall@10 | NAR |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for block, found in metrics["retrieval"].items():
        for groups, row in found.items():
            values = " | ".join(
                f"{row[name]:.3f}" for name in ("mAP", "recall_at_1", "recall_at_10", "NAR")
            )
            rows.append(f"| {block} | {groups} | {sizes[groups]} | {row['queries']} | {values} |")
    return rows


def meaning(scores: dict[str, Any]) -> list[str]:
    """Rows of bands: do the probabilities of scores mean what they say?"""
    rows = [
        "| what a score means | band | pairs | probability said | true | best hit where nothing is "
        "like |",
        "|---|---|---|---|---|---|",
    ]
    for side in ("fitted on", "test side"):
        found = scores.get(side)
        if found is None:
            continue
        name = f"{side}: {found['queries']} queries among {found['marks']}"
        for row in found["bands"]:
            nothing = found["best hit where nothing is like"].get(row["band"])
            reached = "" if nothing is None else f"{nothing:.3f} reach it"
            rows.append(
                f"| {name} | {row['band']} | {row['pairs']:,} | {row['said']:.4f} | "
                f"{row['true']:.4f} | {reached} |"
            )
    return rows


def main() -> int:
    """Rewrite or check the card."""
    config = json.loads((FOLDER / "config.json").read_text("utf-8"))
    metrics = config["metrics"]
    path = FOLDER / "MODEL_CARD.md"
    card = path.read_text("utf-8")
    head, _, rest = card.partition(BEGIN)
    _, _, tail = rest.partition(END)
    figures = [
        f"Fingerprint `{config['fingerprint']}`.",
        "",
        *classification(metrics),
        "",
        *sections(metrics),
        "",
        *things(metrics),
        "",
        *parts(metrics),
        "",
        *retrieval(metrics),
        *(["", *meaning(config["scores"])] if "scores" in config else []),
    ]
    fresh = head + BEGIN + "\n" + "\n".join(figures) + "\n" + END + tail
    if "--check" in sys.argv:
        if fresh != card:
            sys.stderr.write("models/weights/marknet/MODEL_CARD.md is stale: run make docs\n")
            return 1
        return 0
    path.write_text(fresh, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
