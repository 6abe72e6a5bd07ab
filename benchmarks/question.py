"""Why did a VGG on Vienna codes stop at loss 0.167 and "accuracy" 0.19? By experiment.

``python -m benchmarks.question --out RUN`` answers on composed marks, claim by claim; name claims
to have only these printed again:

- ``register``: what a constant prediction of the label frequencies scores (no network; seconds);
- ``pixels``: the weights' own preprocessing against pixels scaled to [0, 1] first;
- ``depth``: the frozen backbone against one whose conv5 learns too;
- ``loss``: plain binary cross-entropy against the asymmetric loss.

The network is the question's: VGG, global average pooling, one dense layer of 29 sigmoids. Marks,
features and trained networks are kept in RUN: a run that is stopped goes on, and printing again
costs nothing. Drawings of test marks are in no training mark.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.question_marks import Experiment, Marks, load_backbone
from benchmarks.question_tables import print_register, print_scores, table
from models.evaluation.classification_metrics import constant_prior, mean_average_precision
from models.network.checkpoint import SHIPPED
from models.network.label_set import CATEGORIES
from models.synthesis.composed_folder import SAMPLE
from models.training.calibrate import calibrate
from models.training.feature_sources import mixed_precision
from models.training.losses import asymmetric_loss, binary_cross_entropy

CLAIMS = ("register", "pixels", "depth", "loss")
_BATCH = 32  # Keras' default
_HEAD_EPOCHS = 40
_HEAD_RATE, _FEATURES_RATE = 1e-3, 1e-4  # Adam; the head's is Keras' default

Loss = Callable[[Tensor, Tensor], Tensor]


class Classifier(nn.Module):
    """Average pooling and a dense layer; before it conv5, or nothing where it is frozen."""

    def __init__(self, channels: int, conv5: nn.Module | None = None) -> None:
        super().__init__()
        self.conv5 = conv5
        self.dense = nn.Linear(channels, len(CATEGORIES))

    def forward(self, seen: Tensor) -> Tensor:
        """Averaged conv5 (n, c), or pool4's maps (n, c, h, w) → logits (n, 29)."""
        if self.conv5 is None:
            return self.dense(seen)
        with mixed_precision("cpu"):
            maps = self.conv5(seen)
        return self.dense(maps.float().mean(dim=(2, 3)))


def logits_of(
    state: Path,
    network: Classifier,
    seen: NDArray[np.floating],
    marks: Marks,
    loss: Loss,
    epochs: int,
) -> NDArray[np.float32]:
    """Train, keeping the epoch of best validation mAP; look at all marks with it.

    Args:
        state: file that keeps the run after each epoch; a finished one is only read.
        network: as initialised.
        seen: input of each mark.
        marks: targets and split.
        loss: of (n, 29) logits and targets.
        epochs: all are run: mAP of few marks is too rough to stop by.

    Returns:
        (n, 29) float32.
    """
    groups = [{"params": network.dense.parameters(), "lr": _HEAD_RATE}]
    if network.conv5 is not None:
        groups.append({"params": network.conv5.parameters(), "lr": _FEATURES_RATE})
    optimiser = torch.optim.Adam(groups)
    done, best, found = 0, -1.0, np.zeros_like(marks.targets)
    if state.exists():
        kept = torch.load(state, weights_only=True)
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        done, best, found = kept["done"], kept["best"], kept["logits"].numpy()
    trained, checked = marks.rows("train"), marks.rows("validation")
    for epoch in range(done, epochs):
        _learn(network, optimiser, seen, (marks.targets, trained, loss), epoch)
        said = _said(network, seen)
        score = mean_average_precision(marks.targets[checked], said[checked])
        if score > best:
            best, found = score, said
        if network.conv5 is not None:
            print(f"{state.stem}: epoch {epoch + 1}, validation mAP {score:.3f}", flush=True)
        if network.conv5 is not None or epoch + 1 == epochs:
            parts = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            whole = {**parts, "done": epoch + 1, "best": best, "logits": torch.from_numpy(found)}
            torch.save(whole, state.with_suffix(".tmp"))
            state.with_suffix(".tmp").replace(state)
    return found


def _learn(
    network: Classifier,
    optimiser: torch.optim.Optimizer,
    seen: NDArray[np.floating],
    lesson: tuple[NDArray[np.float32], NDArray[np.int64], Loss],
    epoch: int,
) -> None:
    """One epoch; its order depends on its number alone, so a resumed run is the same run."""
    targets, rows, loss = lesson
    network.train()
    order = np.random.default_rng([3, epoch]).permutation(rows)
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        logits = network(torch.from_numpy(seen[part]).float())
        optimiser.zero_grad(set_to_none=True)
        loss(logits, torch.from_numpy(targets[part])).backward()
        optimiser.step()
    network.eval()


@torch.inference_mode()
def _said(network: Classifier, seen: NDArray[np.floating]) -> NDArray[np.float32]:
    parts = [
        network(torch.from_numpy(seen[start : start + 64]).float()).numpy()
        for start in range(0, len(seen), 64)
    ]
    return np.concatenate(parts).astype(np.float32)


class Contest:
    """The networks compared on one set of marks; each is trained when it is first asked for."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self.marks = experiment.marks()

    def frozen(self, way: str, standardised: bool, loss: Loss) -> NDArray[np.float32]:
        """Logits of a dense layer on the frozen backbone's averages."""
        seen = self._experiment.averages(way)
        if standardised:
            trained = seen[self.marks.rows("train")]
            seen = (seen - trained.mean(axis=0)) / (trained.std(axis=0) + 1e-12)
        name = f"frozen-{way}{'-standardised' if standardised else ''}-{loss.__name__}"
        torch.manual_seed(0)
        network = Classifier(seen.shape[1])
        return self._logits(name, network, seen, loss, _HEAD_EPOCHS)

    def tuned(self, loss: Loss) -> NDArray[np.float32]:
        """Logits of conv5 and a dense layer, both learnt."""
        torch.manual_seed(0)
        conv5 = load_backbone(self._experiment.weights).high_layers()
        conv5 = conv5.to(memory_format=torch.channels_last)
        seen = self._experiment.maps()
        network = Classifier(seen.shape[1], conv5)
        return self._logits(f"conv5-{loss.__name__}", network, seen, loss, self._experiment.epochs)

    def _logits(
        self,
        name: str,
        network: Classifier,
        seen: NDArray[np.floating],
        loss: Loss,
        epochs: int,
    ) -> NDArray[np.float32]:
        state = self._experiment.out / f"{name}-{len(self.marks.targets)}.pt"
        return logits_of(state, network, seen, self.marks, loss, epochs)

    def prior(self) -> NDArray[np.float32]:
        """Probabilities of the constant prediction: the training marks' frequencies."""
        frequencies = self.marks.targets[self.marks.rows("train")].mean(axis=0)
        return constant_prior(self.marks.targets, frequencies)

    def print(self, heading: str, rows: Mapping[str, NDArray[np.float32]]) -> None:
        """Print what rows of logits score on the test marks, below the constant prior."""
        test, checked = self.marks.rows("test"), self.marks.rows("validation")
        targets = self.marks.targets
        said = {"constant prior": (self.prior()[test], np.full(len(CATEGORIES), 0.5))}
        tuned = dict(said)
        for name, logits in rows.items():
            said[name] = (_sigmoid(logits[test]), np.full(len(CATEGORIES), 0.5))
            found = calibrate(logits[checked], targets[checked], CATEGORIES)
            scaled = _sigmoid(found.slope * logits[test] + found.offset)
            tuned[name] = (scaled, found.threshold)
        print_scores(f"{heading}: as trained, threshold 0.5", targets[test], said)
        print_scores(f"{heading}: calibrated on the validation marks", targets[test], tuned)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    said: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-logits.clip(-30, 30)))).astype(np.float32)
    return said


def pixels(experiment: Experiment, contest: Contest) -> None:
    """Own preprocessing against [0, 1], on the same frozen backbone."""
    test = contest.marks.rows("test")
    rows = []
    for way, words in (
        ("own", "the weights' own"),
        ("scaled", "[0, 1], then the same"),
        ("unit", "[0, 1] alone"),
    ):
        seen = experiment.averages(way)[test]
        unit = seen / np.linalg.norm(seen, axis=1, keepdims=True)
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        rows.append((words, f"{cosines.mean():.3f}", f"{np.percentile(cosines, 5):.3f}"))
    heads = ("preprocessing", "mean cosine of different marks", "5 % lie below")
    table(f"Do different marks look different? {len(test)} test marks", heads, rows)
    contest.print(
        "A dense layer on the frozen backbone, binary cross-entropy",
        {
            "[0, 1], then the same": contest.frozen("scaled", False, binary_cross_entropy),
            "[0, 1] alone": contest.frozen("unit", False, binary_cross_entropy),
            "the weights' own": contest.frozen("own", False, binary_cross_entropy),
            "[0, 1], then the same; standardised": contest.frozen(
                "scaled", True, binary_cross_entropy
            ),
            "the weights' own; standardised": contest.frozen("own", True, binary_cross_entropy),
        },
    )


def depth(experiment: Experiment, contest: Contest) -> None:
    """Frozen backbone against conv5."""
    del experiment
    contest.print(
        "How much learns, binary cross-entropy",
        {
            "frozen": contest.frozen("own", False, binary_cross_entropy),
            "frozen; standardised": contest.frozen("own", True, binary_cross_entropy),
            "conv5 learns too": contest.tuned(binary_cross_entropy),
        },
    )


def loss(experiment: Experiment, contest: Contest) -> None:
    """Plain against asymmetric."""
    del experiment
    contest.print(
        "Which loss",
        {
            "frozen; binary cross-entropy": contest.frozen("own", True, binary_cross_entropy),
            "frozen; asymmetric": contest.frozen("own", True, asymmetric_loss),
            "conv5; binary cross-entropy": contest.tuned(binary_cross_entropy),
            "conv5; asymmetric": contest.tuned(asymmetric_loss),
        },
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=f"{', '.join(CLAIMS)}; or all")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--marks", type=int, default=600)
    parser.add_argument("--size", type=int, default=128, help="side of the pictures, pixels")
    parser.add_argument("--epochs", type=int, default=6, help="of runs in which conv5 learns")
    parser.add_argument("--pack", type=Path, default=SAMPLE / "pictograms.jsonl.gz")
    parser.add_argument("--records", type=Path, default=SAMPLE / "code_combinations.json")
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED, help="checkpoint, or folder of VGG16 weights"
    )
    options = parser.parse_args(arguments)
    wanted = options.claims or CLAIMS
    if unknown := set(wanted) - set(CLAIMS):
        parser.error(f"no such claim: {', '.join(sorted(unknown))}")
    if "register" in wanted:
        print_register(options.records)
    if set(wanted) == {"register"}:
        return
    options.out.mkdir(parents=True, exist_ok=True)
    experiment = Experiment(
        options.out, options.marks, options.size, options.pack, options.weights, options.epochs
    )
    contest = Contest(experiment)
    for claim, show in (("pixels", pixels), ("depth", depth), ("loss", loss)):
        if claim in wanted:
            show(experiment, contest)


if __name__ == "__main__":
    main()
