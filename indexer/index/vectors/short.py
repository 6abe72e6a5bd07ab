"""Short forms of vectors: a few 8-bit numbers each, which rule most rows out of a search.

Embeddings have many numbers and spread over few directions, so the projection on their principal
directions (PCA, on a sample) holds nearly all. A search reads the short forms, which are far less
memory, and compares only what they cannot rule out. They are linear: whatever weights a query
gives to its blocks, its product with a short form approximates its product with the vector.

A query is rounded to whole numbers, too. Then FAISS multiplies and adds whole numbers below 2^24,
which is exact in any order; and where their number is a multiple of `_STEP` it does so in integers:
6 ms for a million of 128 numbers, while 144, in float32, took 9.

Where a score is given that rows must reach, their heads are read first: the first 31 numbers of the
short form, and the length of all that they leave out. The query's head has in its place the length
of what it leaves out, so that their product is the most that the row may score (Cauchy-Schwarz).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.index.vectors.index import COPIED

_HELD = 0.99  # share of the variance that the directions hold
_STEP = 32  # their number is a multiple of so many, for which FAISS multiplies integers
_SAMPLE = 1 << 14  # vectors that directions are sought in
_ZERO, _MOST = 128, 127  # FAISS' signed byte of 0; steps from it, up or down
_HEAD = 32  # numbers of a head, the length of what they leave out among them
_MOST_DIRECTIONS = 1024  # whose products of bytes stay below 2^24 in sum: exact in float32
_NOTHING = 1e-12  # of a score's greatest value
_LEAST = 1e-6  # length that a direction is taken to reach, at least


@dataclass(frozen=True, eq=False)
class ShortForms:
    """Short forms of n vectors of d numbers: vector = mean + directions · steps + residual.

    Attributes:
        mean: (d,) float32, of the vectors.
        directions: (d, m) float32, orthogonal; each as long as one step of its byte.
        codes: (n, m) uint8, steps from the mean along each direction, above 128.
        rounding: (m,) float32, steps along each direction by which a vector differs at most.
        lengths: (5,) float32, the greatest lengths: of a vector's residual beside the directions,
            of a vector, of a vector's steps, and of those in its head; then what one step stands
            for of the last number of a head.
        heads: (n, h) uint8: the first h - 1 of `codes`, and the length that these leave out,
            rounded up.

    Raises:
        ValueError: they do not fit together.
    """

    mean: NDArray[np.float32]
    directions: NDArray[np.float32]
    codes: NDArray[np.uint8]
    rounding: NDArray[np.float32]
    lengths: NDArray[np.float32]
    heads: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Check the shapes: FAISS reads codes without looking."""
        numbers = self.codes.shape[1]
        fits = self.directions.shape == (*self.mean.shape, numbers)
        fits &= self.rounding.shape == (numbers,) and self.lengths.shape == (5,)
        fits &= self.heads.shape == (len(self.codes), min(_HEAD, numbers + 1))
        for codes in (self.codes, self.heads):
            fits &= codes.dtype == np.uint8 and codes.flags.c_contiguous
        if not fits:
            raise ValueError("the short forms do not fit their directions")

    @classmethod
    def of(
        cls, vectors: NDArray[np.float16], proceed: Callable[[], None] = lambda: None
    ) -> "ShortForms":
        """Shorten (n, d) float16 vectors, n > 0.

        Args:
            vectors: what to shorten.
            proceed: called after some rows each; what it raises ends the work.
        """
        sample = vectors[:: max(1, len(vectors) // _SAMPLE)].astype(np.float32)
        mean = sample.mean(axis=0)
        principal = _principal(sample - mean)
        reach = np.zeros(principal.shape[1], np.float32)
        for start in range(0, len(vectors), COPIED):
            along = (vectors[start : start + COPIED].astype(np.float32) - mean) @ principal
            np.maximum(reach, np.abs(along).max(axis=0), out=reach)
            proceed()
        return _shortened(vectors, mean, principal * _steps(reach), proceed)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything as named arrays, for a snapshot."""
        return {f"short_{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> "ShortForms":
        """Take up what `arrays` gave.

        Raises:
            KeyError, ValueError: arrays are missing or do not fit together.
        """
        return cls(**{field.name: arrays[f"short_{field.name}"] for field in fields(cls)})

    # What each query is multiplied with, in float64: to widen it anew took longer than the rest.
    @cached_property
    def _exact(self) -> NDArray[np.float64]:
        return self.directions.astype(np.float64)

    @cached_property
    def _inverse(self) -> NDArray[np.float64]:
        """Directions, each over its squared length: (d, m)."""
        squares = np.einsum("ij,ij->j", self._exact, self._exact)
        inverse: NDArray[np.float64] = self._exact / squares
        return inverse

    @cached_property
    def _length_of_mean(self) -> float:
        return float(np.linalg.norm(self.mean))

    def encode_query(self, query: NDArray[np.float32]) -> "ShortQuery":
        """A (d,) float32 query as it is compared with short forms."""
        exact = query.astype(np.float64)
        along = exact @ self._exact
        # Where a query has next to nothing along them, a step must not vanish beside the error.
        least = _NOTHING * _length(exact) * float(self.lengths[1])
        unit = float(max(np.abs(along).max() / _MOST, least)) or 1.0
        numbers = np.rint(along / unit)
        return ShortQuery(exact, numbers.astype(np.float32), unit, along - unit * numbers)

    def bounds(self, query: "ShortQuery") -> "ShortBounds":
        """What scores of short forms say for certain.

        A vector's residual is split into a part in the span of the directions and one beside it,
        and the query is likewise; the parts' products are bounded each for itself, the first by
        its numbers and the second by its lengths (Cauchy-Schwarz). To that comes what the query
        lost by being rounded.
        """
        along = query.unit * query.numbers.astype(np.float64) + query.rounding
        beside, _, most_steps = self.lengths[:3].tolist()
        query_beside = _length(query.vector - self._inverse @ along)
        bound = np.abs(along) @ self.rounding + query_beside * beside
        bound += _length(query.rounding) * most_steps
        error = float(bound) + self._float_error(query.vector)
        return ShortBounds(float(query.vector @ self.mean), query.unit, error)

    def _float_error(self, query: NDArray[np.float64]) -> float:
        """By how much sums in float32 may miss the score of a query (d,)."""
        # A sum of d products in float32, in any order, errs by d · 2^-24 of the factors' lengths
        # at most (Higham, Accuracy and Stability, 3.1). Such are the score of FAISS and the m
        # products that `rounding` was found with; 4 more for lengths and near-orthogonality.
        sums = (math.sqrt(len(self.rounding)) + 5) * (len(query) + 16) * 2.0**-24
        return sums * _length(query) * (float(self.lengths[1]) + self._length_of_mean)

    def encode_head(self, query: NDArray[np.float32]) -> "tuple[NDArray[np.float32], ShortBounds]":
        """The head (h,) of a query (d,), and what a head's score says: the most, not how near."""
        exact, numbers = query.astype(np.float64), self.heads.shape[1] - 1
        along = exact @ self._exact[:, :numbers]
        left_out = _length(exact - self._inverse[:, :numbers] @ along)
        most_steps, step = self.lengths[3:].tolist()
        head = np.append(along, left_out * step)
        least = _NOTHING * _length(exact) * float(self.lengths[1])
        unit = float(max(np.abs(head).max() / (_MOST - 1), least)) or 1.0
        steps = np.append(np.rint(along / unit), np.ceil(head[-1] / unit))
        error = np.abs(along) @ self.rounding[:numbers] + self._float_error(exact)
        error += _length(along - unit * steps[:-1]) * most_steps
        bounds = ShortBounds(float(exact @ self.mean), unit, float(error))
        return steps.astype(np.float32), bounds


@dataclass(frozen=True, eq=False)
class ShortQuery:
    """A query beside short forms, whose score is numbers · steps.

    Attributes:
        vector: (d,) float64, the query itself.
        numbers: (m,) float32, whole, -127 to 127: its products with the directions.
        unit: what one stands for in `numbers`, above 0.
        rounding: (m,) float64, what the products lost by being rounded.
    """

    vector: NDArray[np.float64]
    numbers: NDArray[np.float32]
    unit: float
    rounding: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShortBounds:
    """A vector's score is offset + unit · (its short form's), give or take `error`.

    Attributes:
        offset: score of the mean.
        unit: see `ShortQuery`.
        error: bound of how much FAISS' score of the float16 numbers differs.
    """

    offset: float
    unit: float
    error: float

    @property
    def margin(self) -> float:
        """How much higher a short form may score than that of a vector that scores as high."""
        return 2 * self.error / self.unit + 1  # one for rounding to float32, here and below

    def least(self, score: float) -> float:
        """What the short form of a vector scores at least if the vector has this score."""
        return (score - self.offset - self.error) / self.unit - 1


def _principal(centred: NDArray[np.float32]) -> NDArray[np.float32]:
    """Directions of most variance: (d, m), orthonormal; m is a multiple of `_STEP` if d allows."""
    products = (centred.T @ centred).astype(np.float64)
    variances, directions = np.linalg.eigh(products)
    variances, directions = np.maximum(variances[::-1], 0), directions[:, ::-1]
    held = np.cumsum(variances) >= _HELD * variances.sum()
    count = min(-(-(1 + int(np.argmax(held))) // _STEP) * _STEP, _MOST_DIRECTIONS)
    return np.ascontiguousarray(directions[:, :count], np.float32)


def _steps(reach: NDArray[np.float32]) -> NDArray[np.float32]:
    """Length of a step along each direction: (m,), given how far vectors reach along it.

    Between steps that are all alike, which round the many short directions coarsely, and steps
    that use all of a byte everywhere, of which a rounded query's errors add up: their geometric
    mean had the least `ShortBounds.error` of five exponents, on synthetic marks.
    """
    reach = np.maximum(reach, _LEAST)
    return np.asarray(np.sqrt(reach * reach.max()) / _MOST, np.float32)


def _shortened(
    vectors: NDArray[np.float16],
    mean: NDArray[np.float32],
    directions: NDArray[np.float32],
    proceed: Callable[[], None],
) -> ShortForms:
    """Short forms along the directions, and how long residuals are at most."""
    inverse = directions / np.einsum("ij,ij->j", directions, directions)
    count = directions.shape[1]
    numbers = min(_HEAD, count + 1) - 1  # of a head, but for the last
    codes, left_out = np.empty((len(vectors), count), np.uint8), np.empty(len(vectors), np.float32)
    rounding, lengths = np.zeros(count, np.float32), np.zeros(4, np.float32)
    for start in range(0, len(vectors), COPIED):
        part = vectors[start : start + COPIED].astype(np.float32)
        longest = _longest(part)
        part -= mean
        along = part @ inverse
        steps = np.clip(np.rint(along), -_MOST, _MOST)
        codes[start : start + COPIED] = steps + _ZERO
        np.maximum(rounding, np.abs(along - steps).max(axis=0), out=rounding)
        part -= along[:, :numbers] @ directions[:, :numbers].T
        left_out[start : start + COPIED] = np.sqrt(np.einsum("ij,ij->i", part, part))
        part -= along[:, numbers:] @ directions[:, numbers:].T
        of_heads = _longest(steps[:, :numbers])
        np.maximum(lengths, (_longest(part), longest, _longest(steps), of_heads), out=lengths)
        proceed()
    step = np.float32(left_out.max() / (_MOST - 1)) or np.float32(1)
    rounded_up = np.ceil(left_out / step).astype(np.uint8) + np.uint8(_ZERO)
    heads = np.concatenate([codes[:, :numbers], rounded_up[:, None]], axis=1)
    return ShortForms(mean, directions, codes, rounding, np.append(lengths, step), heads)


def _length(vector: NDArray[np.float64]) -> float:
    return math.sqrt(float(vector @ vector))


def _longest(vectors: NDArray[np.float32]) -> float:
    return math.sqrt(float(np.einsum("ij,ij->i", vectors, vectors).max()))
