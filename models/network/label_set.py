"""The label set of a network: categories and divisions with enough examples, and its encoding."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.vienna import ViennaCode

CATEGORIES: tuple[ViennaCode, ...] = tuple(ViennaCode(number) for number in range(1, 30))


def with_ancestors(codes: Iterable[ViennaCode]) -> frozenset[ViennaCode]:
    """Return the codes and everything above them: a section implies its division and category."""
    known = frozenset(codes)
    return known.union(*(code.ancestors() for code in known))


@dataclass(frozen=True)
class LabelSet:
    """Which codes a network predicts, in the order of its outputs.

    Attributes:
        codes: all 29 categories, and the chosen divisions and sections, sorted.
    """

    codes: tuple[ViennaCode, ...]

    @classmethod
    def from_examples(cls, examples: Iterable[Collection[ViennaCode]], minimum: int) -> "LabelSet":
        """Choose every code below category level that at least ``minimum`` examples carry."""
        counts = Counter(code for codes in examples for code in with_ancestors(codes))
        chosen = {code for code, count in counts.items() if count >= minimum}
        return cls(tuple(sorted(chosen.union(CATEGORIES))))

    def encode(self, codes: Iterable[ViennaCode]) -> NDArray[np.float32]:
        """Turn the codes of one mark into a row; codes outside the label set count above only.

        Returns:
            (labels,) float32 of 0 and 1.
        """
        present = with_ancestors(codes)
        return np.array([code in present for code in self.codes], np.float32)

    def encode_all(self, marks: Sequence[Collection[ViennaCode]]) -> NDArray[np.float32]:
        """Turn the codes of many marks into a table: (n, labels) float32 of 0 and 1."""
        if not marks:
            return np.zeros((0, len(self.codes)), np.float32)
        return np.stack([self.encode(codes) for codes in marks])
