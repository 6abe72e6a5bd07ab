"""From logits to probabilities that respect the hierarchy of codes, and to decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.vienna import ViennaCode


@dataclass(frozen=True)
class Calibration:
    """Logit → probability and decision, per label.

    Attributes:
        slope: (labels,) float32.
        offset: (labels,) float32; probability = sigmoid(slope · logit + offset) (Platt scaling:
            Platt, "Probabilistic outputs for support vector machines", 1999).
        threshold: (labels,) float32, the probability from which a code counts as seen.
        perhaps: (labels,) float32, the lower one from which it may be there.
        below: (labels,) float32, the share that the codes below have in a code's logit, see
            `gather_below`.
    """

    slope: NDArray[np.float32]
    offset: NDArray[np.float32]
    threshold: NDArray[np.float32]
    perhaps: NDArray[np.float32]
    below: NDArray[np.float32]

    @classmethod
    def none(cls, labels: int) -> "Calibration":
        """Probabilities as the network says them; from one half on a code counts."""
        ones = np.ones(labels, np.float32)
        return cls(ones, np.zeros_like(ones), 0.5 * ones, 0.5 * ones, np.zeros_like(ones))

    @classmethod
    def from_dict(cls, saved: Mapping[str, Sequence[float]]) -> "Calibration":
        """Read what :meth:`to_dict` gave.

        Before there was `perhaps`, nothing was offered as such, and before there was `below`, each
        code's logit was its own.

        Raises:
            KeyError: an array is missing.
        """
        nothing = [0.0] * len(saved["slope"])
        saved = {"perhaps": saved["threshold"], "below": nothing, **saved}
        return cls(*(np.asarray(saved[part.name], np.float32) for part in fields(cls)))

    def to_dict(self) -> dict[str, list[float]]:
        """Plain values for the checkpoint's ``config.json``."""
        return {
            part.name: [round(float(value), 6) for value in getattr(self, part.name)]
            for part in fields(self)
        }

    def probabilities(
        self, logits: NDArray[np.float32], labels: tuple[ViennaCode, ...]
    ) -> NDArray[np.float32]:
        """Turn logits into probabilities that respect the hierarchy.

        A section implies its division, a division its category: each is at least as probable as
        what lies below it (Giunchiglia and Lukasiewicz, "Coherent hierarchical multi-label
        classification networks", NeurIPS 2020: their max constraint).

        Args:
            logits: (n, labels).
            labels: the code of each column.

        Returns:
            (n, labels) float32.
        """
        scaled = self.slope * gather_below(logits, labels, self.below) + self.offset
        said: NDArray[np.float32] = 1.0 / (1.0 + np.exp(-scaled.clip(-30, 30)))
        said = said.astype(np.float32)
        for child, parent in _steps_up(labels):
            np.maximum(said[:, parent], said[:, child], out=said[:, parent])
        return said

    def coherent(self, labels: tuple[ViennaCode, ...]) -> "Calibration":
        """The same with no threshold below that of a code which it implies.

        So that where a section counts as seen, its division and category do too. Sections give
        way: thresholds of categories rest on more examples.

        Args:
            labels: the code of each column.
        """
        threshold, perhaps = self.threshold.copy(), self.perhaps.copy()
        for child, parent in reversed(_steps_up(labels)):  # divisions before their sections
            for least in (threshold, perhaps):
                least[child] = max(least[child], least[parent])
        return replace(self, threshold=threshold, perhaps=perhaps)


def gather_below(
    logits: NDArray[np.float32], labels: tuple[ViennaCode, ...], share: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Let the codes below a code have a share in its logit.

    A category is what its divisions and sections add up to: several that are half believed speak
    for it together, where the maximum would hear one. So the logarithm of the sum of their
    exponentials is mixed with the code's own logit.

    Args:
        logits: (n, labels).
        labels: the code of each column.
        share: (labels,) of what lies below; 0 leaves a logit as it is.

    Returns:
        (n, labels) float32.
    """
    mixed = logits.astype(np.float32)
    children: dict[int, list[int]] = {}
    for child, parent in _steps_up(labels):
        children.setdefault(parent, []).append(child)
    for parent, columns in children.items():
        if share[parent]:
            together = np.logaddexp.reduce(logits[:, columns], axis=1)
            mixed[:, parent] += share[parent] * (together - logits[:, parent])
    return mixed


@lru_cache(maxsize=4)
def _steps_up(labels: tuple[ViennaCode, ...]) -> tuple[tuple[int, int], ...]:
    """Columns of a code and of each above it, sections before divisions."""
    column = {code: at for at, code in enumerate(labels)}
    return tuple(
        (at, column[parent])
        for code, at in sorted(column.items(), reverse=True)
        for parent in code.ancestors()
        if parent in column
    )
