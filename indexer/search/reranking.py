"""Ranks the first candidates of a search again, by how well their places match the query's.

The pair of pictures that scores best, whole signs or parts, is compared by its places
(`models.network.places`). What agrees closes a share of the distance to 1:

    score + min(1, weight · agreement) · (1 - score)

A mark that is not ranked again, or has no places, keeps its score. So no candidate falls behind a
mark that was not ranked again, scores never exceed 1, and the same picture still scores 1.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexer.query import PlaceMatches
from indexer.search.ranking import Ranked
from models.encoder import Embedding
from models.network.places import Agreement, Places, from_bytes, match, one_from_bytes

POINTS = 24  # places that are told of a hit, the most similar first


class Reranking:
    """The places of one query."""

    def __init__(self, query: Embedding, weight: float) -> None:
        """Prepare a query.

        Args:
            query: its embedding.
            weight: of the agreement; 0 for no re-ranking.
        """
        self._pictures = from_bytes(query.places) if weight else []
        self._weight = weight
        self._found: dict[int, _Found] = {}  # by sequence of the mark

    @property
    def is_on(self) -> bool:
        """Whether it changes anything: it needs a weight, and a query with places."""
        return bool(self._pictures)

    def apply(self, ranked: Sequence[Ranked], places: Mapping[int, bytes]) -> list[Ranked]:
        """Score marks again.

        Args:
            ranked: all marks of a ranking.
            places: coded places by the sequence of the marks that are ranked again.

        Returns:
            The same marks, best first; equal ones by number.
        """
        compared: dict[int, list[tuple[Ranked, Places]]] = {}
        for one in ranked:
            picture = one_from_bytes(places.get(one.sequence, b""), one.pair[1])
            if picture is not None:
                compared.setdefault(one.pair[0], []).append((one, picture))
        for of_query, marks in compared.items():
            self._compare(self._pictures[of_query], marks)
        again = [one._replace(score=self._score(one)) for one in ranked]
        return sorted(again, key=lambda one: (-one.score, one.number))

    def matches(self, ranked: Ranked) -> PlaceMatches | None:
        """What agrees between the query and a mark; None of one that was not ranked again."""
        found = self._found.get(ranked.sequence)
        return None if found is None else found.told()

    def _score(self, one: Ranked) -> float:
        found = self._found.get(one.sequence)
        if found is None:
            return one.score
        return one.score + min(1.0, self._weight * found.share) * (1.0 - one.score)

    def _compare(self, query: Places, marks: Sequence[tuple[Ranked, Places]]) -> None:
        agreement, points = match(query, [places for _, places in marks]), query.in_picture()
        for at, (one, places) in enumerate(marks):
            self._found[one.sequence] = _Found(points, places, agreement, at)


class _Found(NamedTuple):
    """What agrees between a picture of the query and one of a mark: a row of an agreement.

    Attributes:
        points: (q, 2) of the query's places in its picture.
    """

    points: NDArray[np.float32]
    mark: Places
    agreement: Agreement
    row: int

    @property
    def share(self) -> float:
        """Of the query's votes."""
        return float(self.agreement.shares[self.row])

    def told(self) -> PlaceMatches:
        """The share, and the places that agree most."""
        strength = self.agreement.strength[self.row]
        rows = np.argsort(-strength, kind="stable")[:POINTS]
        rows = rows[strength[rows] > 0]
        met = self.mark.cells[self.agreement.best[self.row][rows]]
        places = self.mark._replace(cells=met).in_picture()
        points = np.concatenate([self.points[rows], places], axis=1).tolist()
        return PlaceMatches(self.share, tuple(map(tuple, points)))
