"""Tables of the question's answer, and the constant prediction on a register's real codes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.evaluation.classification_metrics import classify_metrics, constant_prior
from models.network.label_set import CATEGORIES

SHOWN = {
    "log_loss": "loss (BCE)",
    "keras_accuracy": 'Keras "accuracy"',
    "binary_accuracy": "binary accuracy",
    "hamming_loss": "Hamming loss",
    "subset_accuracy": "subset accuracy",
    "micro_F1": "micro F1",
    "macro_F1": "macro F1",
    "mAP": "mAP",
    "LRAP": "LRAP",
    "coverage_error": "coverage",
    "ECE": "ECE",
}

Said = tuple[NDArray[np.float32], NDArray[np.floating]]  # probabilities, thresholds


def table(heading: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {heading}\n\n| {' | '.join(columns)} |")
    print(f"|---|{'---:|' * (len(columns) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def print_scores(heading: str, targets: NDArray[np.float32], said: Mapping[str, Said]) -> None:
    """Print what predictions score: all metrics of each, side by side.

    Args:
        heading: of the table.
        targets: (n, 29) of 0 and 1.
        said: name → (n, 29) probabilities and (29,) thresholds.
    """
    rows = []
    for name, (probabilities, thresholds) in said.items():
        found = classify_metrics(targets, probabilities, thresholds.astype(np.float32))
        rows.append((name, *(f"{getattr(found, metric):.3f}" for metric in SHOWN)))
    table(f"{heading} ({len(targets)} marks)", ("", *SHOWN.values()), rows)


def print_register(records: Path) -> None:
    """Print what the constant prediction of a register's own frequencies scores on it."""
    targets = register_targets(records)
    frequencies = targets.mean(axis=0)
    nothing = constant_prior(targets, frequencies)
    print_scores(
        f"The constant prediction on the codes of real marks, {records.name}",
        targets,
        {"constant prior": (nothing, np.full(len(CATEGORIES), 0.5))},
    )
    top = np.argsort(-frequencies)[:3]
    shown = ", ".join(f"{CATEGORIES[at]} on {100 * frequencies[at]:.1f} %" for at in top)
    first = (targets.argmax(axis=1) == top[0]) & targets.any(axis=1)
    print(
        f'\nMost frequent categories: {shown}. Keras\' "accuracy" counts the marks whose *first* '
        f"true column is {CATEGORIES[top[0]]}: {100 * first.mean():.1f} %; "
        f"{targets.sum(axis=1).mean():.2f} categories a mark."
    )


def register_targets(records: Path) -> NDArray[np.float32]:
    """The categories of real marks.

    Args:
        records: counted combinations of codes (JSON list of ``divisions`` and ``n``), or the marks
            themselves (a JSON object: mark → ``{"Codes": ["260402", ...]}``).

    Returns:
        (n, 29) float32 of 0 and 1; marks without any category are left out.
    """
    kept = json.loads(records.read_text("utf-8"))
    if isinstance(kept, list):
        marks = [({int(code[:2]) for code in row["divisions"]}, row["n"]) for row in kept]
    else:
        marks = [({int(code[:2]) for code in row["Codes"]}, 1) for row in kept.values()]
    rows = [[code.category in found for code in CATEGORIES] for found, _ in marks]
    targets = np.repeat(np.array(rows, np.float32), [times for _, times in marks], axis=0)
    return targets[targets.any(axis=1)]
