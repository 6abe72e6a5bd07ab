"""The register as a Milvus server shows it: what may be found, and what is nearest among it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.errors import BadQuery
from indexer.index.milvus.collection import MOST_FOUND, Collection, Nearest
from indexer.index.milvus.entities import PARTS, SLOTS, WHOLES
from indexer.index.milvus.expressions import (
    every,
    expression_of,
    with_numbers,
    without_numbers,
)
from indexer.query import Filter
from indexer.register.remote import RemoteIndexing, Stored

_MOST_NAMED = 100_000  # marks that an expression names: 1 MB


class Found(NamedTuple):
    """What is nearest to one vector, the highest inner product first.

    Attributes:
        numbers: (m,) int64, the mark of each vector; a mark may have several.
        sequences: (m,) int64, under which the mark was written when the server got it.
        scores: (m,) float32, inner products.
        is_all: whether there are no others.
    """

    numbers: NDArray[np.int64]
    sequences: NDArray[np.int64]
    scores: NDArray[np.float32]
    is_all: bool


@dataclass(frozen=True)
class MilvusView:
    """The register as of one sequence number, or somewhat later: a server keeps no old states.

    Attributes:
        sequence: the last change that is surely seen.
        total: marks that can be found.
        collection: where the vectors are.
        stored: where the register has the same vectors.
    """

    sequence: int
    total: int
    collection: Collection
    stored: RemoteIndexing

    def whole_vectors(
        self, sequences: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """See `indexer.index.following.View`."""
        found = self.stored.vectors_written(sequences.tolist())
        here = np.array([at for at, one in enumerate(sequences.tolist()) if one in found], np.int64)
        if len(here):
            yield here, np.stack([found[one][1][0] for one in sequences[here].tolist()])

    def passing(self, wanted: Filter) -> "PassingMarks":
        """The marks that pass all of a filter but its texts."""
        return PassingMarks(self, expression_of(wanted))


@dataclass(frozen=True)
class PassingMarks:
    """Marks of a view that pass an expression; an empty one lets all pass."""

    view: MilvusView
    expression: str

    @cached_property
    def count(self) -> int:
        """How many there are."""
        if not self.expression:
            return self.view.total
        return self.view.collection.count(self.expression)

    def without(self, numbers: NDArray[np.int64]) -> "PassingMarks":
        """Those that have none of some numbers."""
        return self._narrowed(without_numbers(numbers))

    def only(self, numbers: NDArray[np.int64]) -> "PassingMarks":
        """Those that have one of some numbers.

        Raises:
            BadQuery: there are more than a request can name.
        """
        if len(numbers) > _MOST_NAMED:
            raise BadQuery(
                f"{len(numbers):,} marks have this text, more than a search on a Milvus server can "
                f"name ({_MOST_NAMED:,}): give it more letters"
            )
        return self._narrowed(with_numbers(numbers))

    def nearest(self, vectors: NDArray[np.float32], k: int, *, of_parts: bool) -> list[Found]:
        """The k nearest whole signs, or parts, to each of some vectors (v, d).

        Args:
            vectors: of a query, scaled by the weights of their blocks.
            k: how many; no more than `MOST_FOUND` are given.
            of_parts: whether parts are looked for.
        """
        limit, collection = min(k, MOST_FOUND), self.view.collection
        params = collection.address.searching(limit, self.count, self.view.total)
        partition = PARTS if of_parts else WHOLES
        slices = [
            collection.search(vectors, expression, limit, params, partition)
            for expression in self._sliced()
        ]
        found = [Nearest.of_slices(one, limit) for one in zip(*slices, strict=True)]
        return [
            Found(one.keys // SLOTS, one.sequences, one.scores, len(one.keys) < limit or limit < k)
            for one in found
        ]

    def vectors(self, numbers: list[int]) -> dict[int, Stored]:
        """What the register holds now of some marks."""
        return self.view.stored.vectors_numbered(numbers)

    def _sliced(self) -> list[str]:
        """The expression, or one for each slice of the marks."""
        slices = self.view.collection.address.slices(self.count, self.view.total)
        if slices < 2:
            return [self.expression]
        return [every((self.expression, f"mark % {slices} == {at}")) for at in range(slices)]

    def _narrowed(self, condition: str) -> "PassingMarks":
        return replace(self, expression=every((self.expression, condition)))
