"""Short forms of vectors: a few 8-bit numbers each, which tell what is worth comparing.

Embeddings have many numbers and spread over few directions, so the projection on their principal
directions (PCA, on a sample) says nearly all. A search reads the short forms, which are far less
memory, and compares only what they cannot rule out. They are linear: whatever weights a query
gives to its blocks, its product with a short form stands for its product with the vector, and the
sample says by how much the two differ for this query.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.vectors.index import COPIED

_HELD = 0.995  # share of the variance that the directions hold
_STEP = 16  # their number is a multiple of so many, which FAISS reads at once
_ROUNDED = 32  # at multiples of so many FAISS rounds the query to bytes, and scores are worthless
_SAMPLE = 1 << 14  # vectors that directions are sought in
_COMPARED = 1 << 12  # vectors whose errors are measured
_ZERO, _MOST = 128, 127  # FAISS' signed byte of 0; steps from it, up or down


@dataclass(frozen=True, eq=False)
class ShortForms:
    """Short forms of n vectors of d numbers, which lie in lists.

    Attributes:
        mean: (d,) float32, of the vectors.
        directions: (d, m) float32, orthogonal; each as long as a step of its byte is worth.
        codes: (n, m) uint8, steps from the mean along each direction, above 128.
        centres: (lists, m) float32, mean of each list's steps.
        variances: (lists, m) float32, of each list's steps.

    Raises:
        ValueError: they do not fit together.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    codes: NDArray[np.uint8]
    centres: NDArray[np.float32]
    variances: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check the shapes: FAISS reads codes without looking."""
        numbers = self.codes.shape[1]
        fits = self.directions.shape == (*self.mean.shape, numbers)
        fits &= numbers % _ROUNDED != 0
        fits &= self.centres.shape == self.variances.shape == (len(self.centres), numbers)
        if not fits or self.codes.dtype != np.uint8 or not self.codes.flags.c_contiguous:
            raise ValueError("the short forms do not fit their directions")

    @classmethod
    def of(
        cls,
        vectors: NDArray[np.float16],
        starts: NDArray[np.int64],
        proceed: Callable[[], None] = lambda: None,
    ) -> "ShortForms":
        """Shorten vectors.

        Args:
            vectors: (n, d) float16, n > 0, list after list.
            starts: (lists + 1,), where each list begins.
            proceed: called after some rows each; what it raises ends the work.
        """
        sample = vectors[:: max(1, len(vectors) // _SAMPLE)].astype(np.float32)
        mean = sample.mean(axis=0)
        directions = _principal(sample - mean)
        codes = np.empty((len(vectors), directions.shape[1]), np.uint8)
        for start in range(0, len(vectors), COPIED):
            part = vectors[start : start + COPIED].astype(np.float32) - mean
            steps = np.rint(part @ (directions / np.einsum("ij,ij->j", directions, directions)))
            codes[start : start + COPIED] = np.clip(steps, -_MOST, _MOST) + _ZERO
            proceed()
        return cls(mean, directions, codes, *_shapes(codes, starts))

    def reach(self, query: NDArray[np.float32], deviations: float) -> NDArray[np.float32]:
        """What a list's rows score on the average and so many deviations above: (lists,).

        Args:
            query: (m,) float32, already multiplied with `directions`.
            deviations: standard deviations of the list's own scores.
        """
        above = np.sqrt(self.variances @ (query * query))
        reached = self.centres @ query + np.float32(deviations) * above
        return np.asarray(reached, np.float32)

    def errors_of(self, vectors: NDArray[np.float16]) -> NDArray[np.float32]:
        """Mean product of what the short forms lack of the (n, d) vectors: (d, d)."""
        some = slice(None, None, max(1, len(vectors) // _COMPARED))
        steps = self.codes[some].astype(np.float32) - _ZERO
        lacking = vectors[some].astype(np.float32) - self.mean - steps @ self.directions.T
        return np.asarray(lacking.T @ lacking / len(lacking), np.float32)


def _principal(centred: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions of most variance, see `ShortForms.directions`."""
    variances, directions = np.linalg.eigh(centred.T @ centred)
    variances, directions = np.maximum(variances[::-1], 0), directions[:, ::-1]
    held = np.cumsum(variances) >= _HELD * variances.sum()
    count = -(-(1 + int(np.argmax(held))) // _STEP) * _STEP
    count = min(count, len(directions))
    if count % _ROUNDED == 0:
        count = count + _STEP if count + _STEP <= len(directions) else count - 1
    directions = directions[:, :count]
    reach = np.abs(centred @ directions).max(axis=0)
    # A direction in which nothing varies still needs a step, and keeps its orthogonality.
    return np.ascontiguousarray(directions * (np.maximum(reach, 1e-6) / _MOST), np.float32)


def _shapes(
    codes: NDArray[np.uint8], starts: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance of each list's steps; zeros where it is empty."""
    centres = np.zeros((len(starts) - 1, codes.shape[1]), np.float32)
    variances = np.zeros_like(centres)
    for at, (start, stop) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        if start < stop:
            steps = codes[start:stop].astype(np.float32) - _ZERO
            centres[at], variances[at] = steps.mean(axis=0), steps.var(axis=0)
    return centres, variances
