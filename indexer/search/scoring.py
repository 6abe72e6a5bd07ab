"""The exact score of two vectors, from their cosines by block and the weights of the blocks."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.errors import BadQuery, NoWeight
from indexer.index.segments import Segment, bounds_of
from indexer.query import OTHER_WEIGHTS, PARTS, PLACES, SAME_CODES
from models.encoder import Block

_CHUNK = 1 << 13  # vectors scored at once


class Scorer:
    """One vector of a query under its weights."""

    def __init__(
        self,
        blocks: tuple[Block, ...],
        embedding: NDArray[np.float16],
        weights: Sequence[float],
    ) -> None:
        """Prepare.

        Args:
            blocks: of a vector.
            embedding: (d,) float16.
            weights: one for each block, not all 0.

        Raises:
            BadQuery: another number of dimensions, or numbers that are not finite.
        """
        self.blocks = blocks
        self.embedding = embedding
        self._weights = weights
        if embedding.shape != (blocks[-1].stop,):
            raise BadQuery(
                f"the query has shape {embedding.shape}, the register's ({blocks[-1].stop},)"
            )
        if not np.isfinite(embedding).all():
            raise BadQuery("the query's embedding holds numbers that are not finite")
        self._bounds = bounds_of(blocks)
        query = embedding.astype(np.float64)
        # Columns of ones and of the query where a block is: products with them are sums by block.
        self._ones = np.zeros((len(query), len(blocks)))
        for column, (start, stop) in enumerate(self._bounds):
            self._ones[start:stop, column] = 1
        self._columns = query[:, None] * self._ones
        self._squares = np.square(query) @ self._ones
        self.scaled = self._scaled()

    def _scaled(self) -> NDArray[np.float32]:
        """What FAISS multiplies with: (d,) float32, blocks as long as their share of the weight."""
        shares = np.array(self._weights) / sum(self._weights)
        lengths = np.sqrt(self._squares)
        factors = np.divide(shares, lengths, out=np.zeros_like(shares), where=lengths > 0)
        return np.asarray(self._columns @ factors, np.float32)

    def error_bound(self, segment: Segment) -> float:
        """By how much FAISS' score of a row of the segment may miss the exact one."""
        return self.error_of(segment.length_error(self._bounds))

    def error_of(self, length_error: float) -> float:
        """By how much an inner product of float32 may miss the exact score.

        Args:
            length_error: how far the length of a block is from 1, at most.
        """
        # One float32 rounding for each product and each sum, on rows up to 1 + that long.
        rounding = (2 * len(self.scaled) + 16) * 2.0**-24
        return length_error + rounding * (1 + length_error)

    def score(
        self, vectors: NDArray[np.float16]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Score rows exactly.

        Args:
            vectors: (m, d) float16.

        Returns:
            scores (m,) and cosines (m, blocks), -1 to 1; a block of zeros has cosine 0.
        """
        cosines = np.zeros((len(vectors), len(self.blocks)))
        for start in range(0, len(vectors), _CHUNK):
            part = slice(start, start + _CHUNK)
            rows = vectors[part].astype(np.float64)
            products = rows @ self._columns
            lengths = np.sqrt(self._squares * (np.square(rows, out=rows) @ self._ones))
            np.divide(products, lengths, out=cosines[part], where=lengths > 0)
        np.minimum(np.maximum(cosines, -1.0, out=cosines), 1.0, out=cosines)  # a third of clip's
        scores, total = np.zeros(len(vectors)), 0.0
        for column, weight in enumerate(self._weights):
            # Both sums in the same order and rounding: cosines of 1 give a score of exactly 1.
            scores += weight * cosines[:, column]
            total += weight
        return scores / total, cosines


class Query:
    """The vectors of a query under their weights.

    Attributes:
        scorers: of the whole sign, then of its parts; of the whole alone where parts do not count.
        has_parts: whether marks are compared by their parts, too.
        places_weight: what agreeing places count.
        same_codes_weight: what codes of a mark count that the query shows.
    """

    def __init__(
        self,
        blocks: tuple[Block, ...],
        vectors: NDArray[np.float16],
        weights: Mapping[str, float] | None,
    ) -> None:
        """Prepare a query.

        Args:
            blocks: of a vector, with their default weights.
            vectors: (v, d) float16, of the whole sign and of its parts.
            weights: block name to weight, a block left out keeps its default; ``parts`` is 0 where
                whole signs are compared alone.

        Raises:
            BadQuery: another number of dimensions, an unknown block, or no weight above 0.
        """
        chosen = all_weights(blocks, weights)
        by_block = block_weights(blocks, chosen)
        self.has_parts = chosen[PARTS] != 0
        self.places_weight, self.same_codes_weight = chosen[PLACES], chosen[SAME_CODES]
        self.scorers = tuple(
            Scorer(blocks, vector, by_block)
            for vector in (vectors if self.has_parts else vectors[:1])
        )


def all_weights(blocks: Sequence[Block], given: Mapping[str, float] | None) -> Mapping[str, float]:
    """The weight of all that can be weighed, by default where it is not given.

    Raises:
        BadQuery: there is nothing of a name that is given.
    """
    default = {**{block.name: block.weight for block in blocks}, **OTHER_WEIGHTS}
    unknown = sorted(set(given or {}) - set(default))
    if unknown:
        raise BadQuery(f"there is no block {unknown[0]!r} to weigh; there are {', '.join(default)}")
    return {**default, **(given or {})}


def block_weights(blocks: Sequence[Block], weights: Mapping[str, float]) -> tuple[float, ...]:
    """The weight of each block.

    Raises:
        NoWeight: none is above 0.
    """
    chosen = tuple(float(weights[block.name]) for block in blocks)
    if not sum(chosen) > 0:
        raise NoWeight("all weights are 0; give at least one block a weight above 0")
    return chosen
